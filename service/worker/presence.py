"""Presence: workers say that they are alive, and see who else is, all by the clock of the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from design.errors import BespokeError
from service.database import Database
from service.ids import new_id
from service.models import WorkerRow, now

FORGOTTEN_AFTER = timedelta(hours=1)
"""Workers not heard of for this long are taken off the list."""


class Replaced(BespokeError):
    """Another process works under the same id."""


def clock(database: Database, session: Session) -> datetime:
    """The present moment, the same for all hosts."""
    if database.embedded:
        return now()
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def live(database: Database, *, within_s: float) -> list[str]:
    """Ids of the workers heard of within the last `within_s` seconds, smallest first."""
    with database.reading() as session:
        oldest = clock(database, session) - timedelta(seconds=within_s)
        return list(session.scalars(select(WorkerRow.id).where(WorkerRow.seen_at > oldest).order_by(WorkerRow.id)))


def forget(database: Database) -> None:
    """Take those off the list who have been gone for long."""
    with database.writing() as session:
        oldest = clock(database, session) - FORGOTTEN_AFTER
        session.execute(delete(WorkerRow).where(WorkerRow.seen_at < oldest))


class Presence:
    """One worker's entry in the list of workers."""

    def __init__(self, database: Database, *, worker: str, pid: int, queues: tuple[str, ...], version: str) -> None:
        self.database, self.worker = database, worker
        self.pid, self.queues, self.version = pid, queues, version
        self.incarnation = new_id("inc")

    def announce(self) -> None:
        """Enter the list; a former process of this id is known to have ended."""
        with self.database.writing() as session:
            moment = clock(self.database, session)
            row = session.get(WorkerRow, self.worker) or WorkerRow(id=self.worker)
            row.incarnation, row.pid, row.queues, row.version = self.incarnation, self.pid, [*self.queues], self.version
            row.started_at = row.seen_at = moment
            session.add(row)

    def beat(self) -> None:
        """Say that this worker is alive.

        Raises:
            Replaced: Another process has taken its id.
        """
        with self.database.writing() as session:
            row = WorkerRow
            own = update(row).where(row.id == self.worker, row.incarnation == self.incarnation)
            changed = session.execute(own.values(seen_at=clock(self.database, session)).returning(row.id)).first()
        if changed is None:
            way_out = "Give every machine a host name of its own, or each worker another --slot."
            raise Replaced("the id of a worker must be its own", f"another process as {self.worker}", way_out)

    def leave(self) -> None:
        """Take this worker off the list."""
        with self.database.writing() as session:
            row = WorkerRow
            session.execute(delete(row).where(row.id == self.worker, row.incarnation == self.incarnation))
