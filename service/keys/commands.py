"""`bespoke keys`: who may call from other machines."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from design.errors import BespokeError
from service.database import Database
from service.keys import repository
from service.keys.token import Scope
from service.serve import check_database
from service.settings import Settings
from service.terminal import show
from service.upgrade import upgrade

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")
Url = Annotated[str | None, typer.Option(help="SQLAlchemy address; as configured if none.")]


class UnknownKey(BespokeError):
    """There is no key of that id."""


def _database(url: str | None) -> Database:
    settings = Settings(database_url=url) if url else Settings()
    check_database(settings)
    database = Database(settings)
    if settings.migrate:
        upgrade(database)
    return database


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whose it is, for people.")],
    scope: Annotated[list[Scope], typer.Option(help="What it allows; may be repeated. admin allows all.")],
    database_url: Url = None,
) -> None:
    """Create a key and print it, once: only its hash is kept."""
    database = _database(database_url)
    token = repository.create(database, name, scope)
    database.close()
    typer.echo(token.text)


@app.command("list")
def list_keys(database_url: Url = None) -> None:
    """List all keys."""
    database = _database(database_url)
    table = Table(box=None, header_style="bold")
    for title in ("id", "name", "scopes", "created", "last used", "revoked"):
        table.add_column(title)
    for row in repository.listed(database):
        moments = (row.created_at, row.last_used_at, row.revoked_at)
        shown = [f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in moments]
        table.add_row(row.id, Text(row.name), ", ".join(row.scopes), *shown)
    database.close()
    show(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As listed.")], database_url: Url = None) -> None:
    """Let nobody in by a key any more, from the next request on."""
    database = _database(database_url)
    known = repository.revoke(database, key_id)
    database.close()
    if not known:
        raise UnknownKey("the key must be one that `bespoke keys list` shows", repr(key_id))
