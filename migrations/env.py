"""Alembic's entry: runs on the connection that `service.upgrade` hands over, else on the configured database."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import Connection

from service.database import Database
from service.models import Base, UtcDateTime
from service.settings import Settings


def render(kind: str, value: object, api: object) -> str | Literal[False]:
    """Migrations name the database's types, so that they do not change with ours."""
    del api
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(value, UtcDateTime) else False


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Whether Alembic looks at it: the job engine keeps tables of its own beside ours on SQLite."""
    del parents
    return kind != "table" or name in Base.metadata.tables


def run(connection: Connection) -> None:
    """Run the migrations within the connection's transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=render,
        include_name=is_ours,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations run on a database: leave out --sql.")
given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database(Settings())
    with database.connection() as own:
        run(own)
    database.close()
