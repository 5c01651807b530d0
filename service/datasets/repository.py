"""Registered data sets in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.jobs.states import UNFINISHED
from service.models import DatasetRow, JobRow
from service.paging import from_cursor, to_cursor

PREFIX = "dst"
_ORDER = "name"


def find(session: Session, name: str) -> DatasetRow | None:
    """The data set of that id or name."""
    if not name.isprintable():
        return None
    return session.scalars(select(DatasetRow).where(or_(DatasetRow.id == name, DatasetRow.name == name))).one_or_none()


def digests(session: Session) -> set[str]:
    """Digests of the pictures of all data sets."""
    return set(session.scalars(select(DatasetRow.digest)))


def needed(session: Session, row: DatasetRow) -> bool:
    """Whether a job that has not ended needs it."""
    states = [state.value for state in UNFINISHED]
    query = select(JobRow.id).where(JobRow.dataset == row.name, JobRow.state.in_(states)).limit(1)
    return session.scalar(query) is not None


def listed(session: Session, limit: int, cursor: str | None) -> tuple[Sequence[DatasetRow], str | None]:
    """One page of data sets by name, and the cursor of the next one."""
    query = select(DatasetRow).order_by(DatasetRow.name).limit(limit + 1)
    if cursor is not None:
        query = query.where(DatasetRow.name > str(from_cursor(cursor, _ORDER, (str,))[0]))
    rows = session.scalars(query).all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], to_cursor(_ORDER, (rows[limit - 1].name,))
