"""API keys in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import func, select, update

from service.database import Database
from service.keys.token import Scope, Token
from service.models import ApiKeyRow, now

USE_NOTED_EVERY = timedelta(minutes=1)


def create(database: Database, name: str, scopes: Iterable[Scope]) -> Token:
    """Store a new key; its secret is known to the caller alone."""
    token = Token.new()
    row = ApiKeyRow(
        id=token.key_id, name=name, scopes=sorted({scope.value for scope in scopes}), secret_hash=token.secret_hash
    )
    with database.writing() as session:
        session.add(row)
    return token


def listed(database: Database) -> Sequence[ApiKeyRow]:
    """All keys, oldest first."""
    with database.reading() as session:
        return session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id)).all()


def count_valid(database: Database) -> int:
    """Keys that are not revoked."""
    with database.reading() as session:
        query = select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
        return session.scalar(query) or 0


def revoke(database: Database, key_id: str) -> bool:
    """Let nobody in by it any more; whether there is such a key."""
    row = ApiKeyRow
    with database.writing() as session:
        change = update(row).where(row.id == key_id).values(revoked_at=func.coalesce(row.revoked_at, now()))
        return session.execute(change.returning(row.id)).first() is not None


def check(database: Database, token: Token) -> ApiKeyRow | None:
    """The key of a token, if its secret is right and it is not revoked; its use is noted now and then."""
    with database.reading() as session:
        row = session.get(ApiKeyRow, token.key_id)
    if row is None or not token.matches(row.secret_hash) or row.revoked_at is not None:
        return None
    if row.last_used_at is None or now() - row.last_used_at > USE_NOTED_EVERY:
        with database.writing() as session:
            session.execute(update(ApiKeyRow).where(ApiKeyRow.id == row.id).values(last_used_at=now()))
    return row
