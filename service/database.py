"""Database: the engine and its transactions. This module alone begins and commits them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

from service.settings import Settings

_WRITES = "bespoke_writes"


class Database:
    """Transactions on one database: SQLite (embedded) or PostgreSQL (many processes)."""

    def __init__(self, settings: Settings) -> None:
        url = make_url(settings.database_url)
        options: dict[str, Any] = {"json_serializer": _to_json, "pool_pre_ping": True}
        self.embedded = url.get_backend_name() == "sqlite"
        if self.embedded:
            if url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            options["connect_args"] = {"timeout": settings.database_wait_s, "check_same_thread": False}
        else:
            options |= {"pool_size": settings.database_connections, "max_overflow": 0}
            options["pool_timeout"] = settings.database_wait_s
            idle_ms = round(1e3 * settings.database_idle_s)  # a process that hangs must not hold its locks for ever
            stated = str(url.query.get("options", ""))
            session = f"{stated} -c idle_in_transaction_session_timeout={idle_ms}".strip()
            options["connect_args"] = {"options": session}
        self.engine: Engine = create_engine(url, **options)
        if self.embedded:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._reading = sessionmaker(self.engine, expire_on_commit=False)
        self._writing = sessionmaker(self.engine.execution_options(**{_WRITES: True}), expire_on_commit=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that leaves no trace: it is always rolled back."""
        with self._reading() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: kept if the block ends well, undone if it raises.

        On SQLite its first statement takes the write lock.
        """
        with self._writing.begin() as session:
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection within one writing transaction, for migrations."""
        with self.engine.execution_options(**{_WRITES: True}).begin() as connection:
            if not self.embedded:  # a migration on a busy machine may take its time
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield connection

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: It gave none.
        """
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _to_json(value: Any) -> str:
    """As stored: numbers to their last digit, keys in their order, never NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Readers beside one writer (WAL), foreign keys checked, transactions begun by us alone, `lower` of all letters."""
    del record
    connection.create_function("lower", 1, _folded, deterministic=True)  # SQLite's own knows A to Z alone
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _folded(value: object) -> str | None:
    """Text as it is compared in any case, as searches of the catalogue do."""
    return None if value is None else str(value).casefold()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start where writes follow: a reader that turns writer would fail at once."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
