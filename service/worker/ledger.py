"""Ledger: what a worker writes about a job, and only as long as the job is its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.artifacts.store import Stored
from service.database import Database
from service.jobs import repository
from service.jobs.states import EventKind, JobState
from service.models import JobRow, now
from service.worker.failures import failure
from service.worker.feedback import keep

AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Errors of a database that does not answer, or that gave a slow transaction up (psycopg calls that internal)."""
PAUSE_S = 0.5
Found = TypeVar("Found")


class LostJob(Exception):
    """The job was cancelled, has ended, or another worker took it over."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to work on a job: void as soon as the job's attempts go on counting.

    Attributes:
        attempt: Number of this attempt, from 1.
        strikes: How often the present step was taken up, this time included.
        subject: Snapshot of the design, its device and its data set.
        queue: Kind of accelerator it waits for.
        spent_s: Time that workers spent on it before.
    """

    job_id: str
    attempt: int
    strikes: int
    subject: dict[str, Any]
    options: dict[str, Any]
    queue: str
    spent_s: float
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def spent_so_far_s(self) -> float:
        """With the present attempt."""
        return self.spent_s + time.monotonic() - self.taken_at


class Ledger:
    """Writes of one worker. Every method waits while the database is away."""

    def __init__(self, database: Database, *, worker: str, job_strikes: int) -> None:
        self.database, self.worker, self.job_strikes = database, worker, job_strikes

    def claim(self, job_id: str) -> Claim | None:
        """Take a job up, or None if it has ended; one that killed too many workers ends here."""
        return self._patient(lambda: self._claim(job_id))

    def _claim(self, job_id: str) -> Claim | None:
        with self.database.writing() as session:
            row = repository.lock(session, job_id)
            if row is None or JobState(row.state).ended:
                return None
            if row.strikes >= self.job_strikes:
                detail = f"The worker died {row.strikes} times in this step; the job is not tried again by itself."
                row.error = failure("worker-died", detail, step=row.step)
                repository.end(session, row, JobState.FAILED, EventKind.FAILED, row.error)
                return None
            row.state, row.worker = JobState.RUNNING.value, self.worker
            row.attempts, row.strikes = row.attempts + 1, row.strikes + 1
            row.started_at = row.started_at or now()
            repository.append(session, job_id, EventKind.STARTED, {"worker": self.worker, "attempt": row.attempts})
            return Claim(
                job_id=job_id,
                attempt=row.attempts,
                strikes=row.strikes,
                subject=dict(row.subject),
                options=dict(row.options),
                queue=row.queue,
                spent_s=row.spent_s,
            )

    def holds(self, claim: Claim) -> bool:
        """Whether the job is still this worker's.

        Raises:
            sqlalchemy.exc.DBAPIError: The database does not answer.
        """
        with self.database.reading() as session:
            row = repository.find(session, claim.job_id)
            return row is not None and row.attempts == claim.attempt and row.state == JobState.RUNNING.value

    def begin_step(self, claim: Claim, step: str, number: int, of: int) -> None:
        """A step starts, or starts again after a death."""

        def write(session: Session, row: JobRow) -> None:
            row.step, row.progress = step, None
            repository.append(session, row.id, EventKind.STEP_STARTED, {"step": step, "number": number, "of": of})

        self._write(claim, write)

    def retry_step(self, claim: Claim, step: str, reason: str) -> None:
        """The trainer of a step died and another is started."""
        self._write(claim, _event(EventKind.STEP_RETRIED, {"step": step, "reason": reason}))

    def progress(self, claim: Claim, step: str, data: dict[str, Any]) -> None:
        """How far a step is."""

        def write(session: Session, row: JobRow) -> None:
            fraction = data.get("fraction")
            row.progress = float(fraction) if isinstance(fraction, int | float) else row.progress
            repository.append(session, row.id, EventKind.PROGRESS, {"step": step} | data)

        self._write(claim, write)

    def artifact(self, claim: Claim, step: str, stored: Stored, *, name: str, media_type: str) -> None:
        """A step made a file."""

        def write(session: Session, row: JobRow) -> None:
            repository.keep_artifact(
                session,
                job_id=row.id,
                step=step,
                name=name,
                digest=stored.digest,
                media_type=media_type,
                size_bytes=stored.bytes,
            )
            told = {"step": step, "name": name, "digest": stored.digest, "bytes": stored.bytes}
            repository.append(session, row.id, EventKind.ARTIFACT, told)

        self._write(claim, write)

    def end_step(self, claim: Claim, step: str, number: int, *, skipped: str | None = None) -> None:
        """A step ended well, or was skipped for a reason."""

        def write(session: Session, row: JobRow) -> None:
            if skipped is None:
                repository.append(session, row.id, EventKind.STEP_FINISHED, {"step": step})
            else:
                repository.append(session, row.id, EventKind.STEP_SKIPPED, {"step": step, "reason": skipped})
            row.step, row.progress, row.steps_done, row.strikes = None, None, number, 1

        self._write(claim, write)

    def succeed(self, claim: Claim, results: dict[str, dict[str, Any]]) -> None:
        """All steps are done: the job ends, and what it measured is kept beside what was predicted."""

        def write(session: Session, row: JobRow) -> None:
            keep(session, row, claim.subject, results)
            repository.end(session, row, JobState.SUCCEEDED, EventKind.SUCCEEDED, {})

        self._write(claim, write)

    def fail(self, claim: Claim, problem: dict[str, Any]) -> None:
        """A step failed for good."""

        def write(session: Session, row: JobRow) -> None:
            row.error = problem
            repository.end(session, row, JobState.FAILED, EventKind.FAILED, problem)

        self._write(claim, write)

    def hand_over(self, claim: Claim) -> None:
        """This worker stops; the next one goes on, and the present step is not held against the job."""

        def write(session: Session, row: JobRow) -> None:
            row.state, row.worker, row.strikes = JobState.QUEUED.value, None, row.strikes - 1
            repository.append(session, row.id, EventKind.HANDED_OVER, {"worker": self.worker})

        self._write(claim, write)

    def _write(self, claim: Claim, change: Callable[[Session, JobRow], None]) -> None:
        def once() -> None:
            with self.database.writing() as session:
                row = repository.lock(session, claim.job_id)
                if row is None or row.attempts != claim.attempt or row.state != JobState.RUNNING.value:
                    raise LostJob(claim.job_id)
                row.spent_s = claim.spent_so_far_s
                change(session, row)

        self._patient(once)

    def _patient(self, work: Callable[[], Found]) -> Found:
        """Work that waits for the database to come back."""
        while True:
            try:
                return work()
            except (*AWAY, DBAPIError) as error:
                if not (isinstance(error, AWAY) or getattr(error, "connection_invalidated", False)):
                    raise
                structlog.get_logger().warning("database away", error=str(error).splitlines()[0])
                time.sleep(PAUSE_S)


def _event(kind: EventKind, data: dict[str, Any]) -> Callable[[Session, JobRow], None]:
    return lambda session, row: repository.append(session, row.id, kind, data)
