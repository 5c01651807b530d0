"""Jobs, their events and files in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from service.ids import new_id
from service.jobs.states import UNFINISHED, EventKind, JobState
from service.models import ArtifactRow, JobEventRow, JobRow, now
from service.paging import from_cursor, to_cursor

PREFIX = "job"
_ORDER = "-created_at"


def add(
    session: Session,
    *,
    design_id: str,
    dataset: str,
    queue: str,
    priority: int,
    options: dict[str, Any],
    subject: dict[str, Any],
) -> JobRow:
    """Store a job that waits."""
    row = JobRow(
        id=new_id(PREFIX),
        design_id=design_id,
        dataset=dataset,
        queue=queue,
        priority=priority,
        options=options,
        subject=subject,
        state=JobState.QUEUED.value,
    )
    session.add(row)
    session.flush()
    append(session, row.id, EventKind.QUEUED, {"queue": queue})
    return row


def find(session: Session, job_id: str, *, whole: bool = False) -> JobRow | None:
    """The job of that id, its snapshot loaded too if `whole`."""
    if not job_id.isprintable():
        return None
    options = [undefer(JobRow.subject)] if whole else []
    return session.scalars(select(JobRow).where(JobRow.id == job_id).options(*options)).one_or_none()


def design_name(session: Session, job_id: str) -> str:
    """What the design of a job is called, without loading its snapshot."""
    query = select(JobRow.subject["design_name"].as_string()).where(JobRow.id == job_id)
    return session.scalar(query) or "a design"


def lock(session: Session, job_id: str) -> JobRow | None:
    """The job of that id; nobody else changes it before this transaction ends."""
    if not job_id.isprintable():
        return None
    return session.scalars(select(JobRow).where(JobRow.id == job_id).with_for_update()).one_or_none()


def append(session: Session, job_id: str, kind: EventKind, data: Mapping[str, Any]) -> None:
    """Add an event to a job that this transaction has locked or made."""
    last = session.scalar(select(func.max(JobEventRow.number)).where(JobEventRow.job_id == job_id)) or 0
    session.add(JobEventRow(job_id=job_id, number=last + 1, kind=kind.value, data=dict(data)))
    session.flush()


def events(session: Session, job_id: str, *, after: int = 0, limit: int = 500) -> Sequence[JobEventRow]:
    """Events behind the one of number `after`, in order."""
    row = JobEventRow
    query = select(row).where(row.job_id == job_id, row.number > after).order_by(row.number).limit(limit)
    return session.scalars(query).all()


def last_event(session: Session, job_id: str) -> JobEventRow | None:
    """The newest event of a job."""
    query = select(JobEventRow).where(JobEventRow.job_id == job_id).order_by(JobEventRow.number.desc()).limit(1)
    return session.scalars(query).one_or_none()


def end(session: Session, row: JobRow, state: JobState, kind: EventKind, data: Mapping[str, Any]) -> None:
    """A locked job ends."""
    row.state, row.finished_at, row.worker = state.value, now(), None
    append(session, row.id, kind, data)


def unfinished(session: Session) -> int:
    """Jobs that wait or run."""
    states = [state.value for state in UNFINISHED]
    return session.scalar(select(func.count()).select_from(JobRow).where(JobRow.state.in_(states))) or 0


def by_state(session: Session) -> dict[str, int]:
    """Number of jobs in each state."""
    found = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    return {state.value: 0 for state in JobState} | {str(state): int(count) for state, count in found}


def listed(
    session: Session, *, state: JobState | None, design_id: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[JobRow], str | None]:
    """One page of jobs, newest first, and the cursor of the next one."""
    query = select(JobRow).order_by(JobRow.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(JobRow.state == state.value)
    if design_id is not None:
        query = query.where(JobRow.design_id == design_id)
    if cursor is not None:
        query = query.where(JobRow.id < str(from_cursor(cursor, _ORDER, (str,))[0]))
    rows = session.scalars(query).all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], to_cursor(_ORDER, (rows[limit - 1].id,))


def artifacts(session: Session, job_id: str) -> Sequence[ArtifactRow]:
    """The files of a job by name."""
    return session.scalars(select(ArtifactRow).where(ArtifactRow.job_id == job_id).order_by(ArtifactRow.name)).all()


def artifact_of(session: Session, digest: str) -> ArtifactRow | None:
    """Some job's file with that content."""
    return session.scalars(select(ArtifactRow).where(ArtifactRow.digest == digest).limit(1)).one_or_none()


def keep_artifact(
    session: Session, *, job_id: str, step: str, name: str, digest: str, media_type: str, size_bytes: int
) -> None:
    """A file of a job that this transaction has locked; one of the same name before it is replaced."""
    row = session.get(ArtifactRow, (job_id, name)) or ArtifactRow(job_id=job_id, name=name)
    row.step, row.digest, row.media_type, row.bytes = step, digest, media_type, size_bytes
    session.add(row)
