from __future__ import annotations

import secrets
import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from service.database import Database
from service.jobs.engine import prepare
from service.models import Base, DeviceRow
from service.settings import Settings
from service.upgrade import LOCK, alembic_config, current, downgrade, newest, upgrade


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(Settings(database_url=database_url))


def tables(database: Database) -> set[str]:
    with database.connection() as connection:
        return set(inspect(connection).get_table_names())


def test_an_empty_database_is_brought_to_the_newest_revision(database: Database) -> None:
    assert current(database) is None
    upgrade(database)
    assert current(database) == newest()
    assert set(Base.metadata.tables) <= tables(database)
    database.close()


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    upgrade(database)
    with database.connection() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_alembic_finds_nothing_to_generate(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESPOKE_DATABASE_URL", sqlite_url)
    command.upgrade(alembic_config(), "head")
    command.check(alembic_config())


def test_the_tables_of_the_job_engine_are_left_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite they are beside ours."""
    schema = f"bespoke_engine_{secrets.token_hex(6)}"
    monkeypatch.setenv("BESPOKE_DATABASE_URL", database_url)
    monkeypatch.setenv("BESPOKE_ENGINE_SCHEMA", schema)
    command.upgrade(alembic_config(), "head")
    prepare(Settings())
    database = Database(Settings())
    with database.connection() as connection:
        theirs = inspect(connection).get_table_names(schema=None if database.embedded else schema)
    assert "workflow_status" in theirs
    try:
        command.check(alembic_config())
    finally:
        if not database.embedded:
            with database.connection() as connection:
                connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        database.close()


def test_going_back_leaves_nothing(database: Database) -> None:
    upgrade(database)
    downgrade(database)
    assert tables(database) <= {"alembic_version"}
    upgrade(database)
    assert current(database) == newest()
    database.close()


def test_upgrading_again_keeps_what_is_stored(database: Database) -> None:
    upgrade(database)
    with database.writing() as session:
        session.add(DeviceRow(id="x", name="x", kind="cpu", profile={}))
    upgrade(database)
    with database.reading() as session:
        assert session.get(DeviceRow, "x") is not None
    database.close()


def test_processes_that_start_together_take_turns(database_url: str) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        own = Database(Settings(database_url=database_url))
        try:
            upgrade(own)
        except BaseException as error:
            faults.append(error)
        own.close()

    # Alembic's environment is a global of its process, so here they start one after the other while one holds the lock
    first = Database(Settings(database_url=database_url))
    thread = threading.Thread(target=start)
    with first.connection() as connection:
        connection.exec_driver_sql("SELECT 1")
        if not first.embedded:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "the second must wait for the first"
    thread.join(20)
    assert not faults
    assert current(first) == newest()
    first.close()
