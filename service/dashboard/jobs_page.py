"""JobsPage, JobPage: jobs as the pages show them; every figure already worded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.jobs import repository
from service.jobs.client import worded
from service.jobs.states import EventKind, JobState
from service.models import ArtifactRow, JobEventRow, JobRow
from service.units import kilobytes, milliseconds, percent, significant

PAGE = 25
MOST_EVENTS = 5_000
REPORT = "report.html"
_ENDINGS = {
    EventKind.STEP_FINISHED: "done",
    EventKind.STEP_SKIPPED: "skipped",
    EventKind.STEP_STARTED: "running",
    EventKind.STEP_RETRIED: "running",
}


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """One job of the list."""

    id: str
    name: str
    dataset: str
    state: str
    step: str
    made: str
    made_iso: str


@dataclass(frozen=True, kw_only=True)
class JobList:
    """Everything that `jobs.html` shows."""

    lines: tuple[JobLine, ...]
    following: str | None


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step: its state, and how far it is or why it was skipped."""

    name: str
    state: str
    note: str


@dataclass(frozen=True, kw_only=True)
class FileLine:
    """One file of a job."""

    name: str
    size: str
    href: str


@dataclass(frozen=True, kw_only=True)
class ComparedLine:
    """A figure, predicted and measured."""

    name: str
    predicted: str
    interval: str
    measured: str
    how: str


@dataclass(frozen=True, kw_only=True)
class JobPage:
    """Everything that `job.html` shows.

    Attributes:
        last: Number of the newest event that the page knows; the stream goes on behind it.
        report_href: Of the report, once there is one.
        said: What happened so far, newest first, without progress.
    """

    id: str
    name: str
    design_id: str
    dataset: str
    state: str
    running: bool
    can_retry: bool
    made: str
    took: str
    options: tuple[tuple[str, str], ...]
    steps: tuple[StepLine, ...]
    compared: tuple[ComparedLine, ...]
    host: str
    files: tuple[FileLine, ...]
    report_href: str | None
    error: str
    said: tuple[tuple[str, str], ...]
    last: int


def job_list(session: Session, cursor: str | None) -> JobList:
    """One page of jobs, newest first."""
    rows, after = repository.listed(session, state=None, design_id=None, limit=PAGE, cursor=cursor)
    return JobList(lines=tuple(_line(session, row) for row in rows), following=after)


def _line(session: Session, row: JobRow) -> JobLine:
    progress = "" if row.progress is None else f" {percent(row.progress)}"
    return JobLine(
        id=row.id,
        name=repository.design_name(session, row.id),
        dataset=row.dataset,
        state=row.state,
        step=f"{row.step}{progress}" if row.step else "",
        made=_moment(row.created_at),
        made_iso=row.created_at.isoformat(timespec="seconds"),
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def job_page(session: Session, job_id: str) -> JobPage | None:
    """The page of a job, or None if there is none of that id."""
    row = repository.find(session, job_id)
    if row is None:
        return None
    events = repository.events(session, job_id, limit=MOST_EVENTS)
    files = repository.artifacts(session, job_id)
    state, result = JobState(row.state), row.result or {}
    return JobPage(
        id=row.id,
        name=repository.design_name(session, row.id),
        design_id=row.design_id,
        dataset=row.dataset,
        state=row.state,
        running=not state.ended,
        can_retry=state in (JobState.FAILED, JobState.CANCELLED),
        made=_moment(row.created_at),
        took=f"{significant(row.spent_s)} s",
        options=tuple(
            (name.replace("_", " "), _stated(value)) for name, value in row.options.items() if value is not None
        ),
        steps=step_lines(events),
        compared=tuple(_compared(one) for one in result.get("comparisons", ())),
        host=str(result.get("host", "")),
        files=tuple(_file(one) for one in files),
        report_href=next((f"/jobs/{row.id}/report" for one in files if one.name == REPORT), None),
        error=str((row.error or {}).get("detail", "")),
        said=tuple((one.at.strftime("%H:%M:%S"), _said(one)) for one in reversed(events) if _tells(one)),
        last=events[-1].number if events else 0,
    )


def step_lines(events: Sequence[JobEventRow]) -> tuple[StepLine, ...]:
    """The steps that events speak of, in order; what was running when a job ended has ended with it."""
    found: dict[str, StepLine] = {}
    begun: dict[str, datetime] = {}
    for event in events:
        kind, step = EventKind(event.kind), str(event.data.get("step") or "")
        if kind is EventKind.STEP_STARTED:
            begun[step] = event.at
        if kind in _ENDINGS:
            note = str(event.data.get("reason", ""))
            if kind is EventKind.STEP_FINISHED and step in begun:
                note = f"{significant((event.at - begun[step]).total_seconds())} s"
            found[step] = StepLine(name=step, state=_ENDINGS[kind], note=note)
        elif kind is EventKind.PROGRESS and step in found:
            note = _said(event).removeprefix(f"{step} ")
            found[step] = StepLine(name=step, state="running", note=note)
        elif kind in (EventKind.FAILED, EventKind.CANCELLED, EventKind.HANDED_OVER):
            for name, line in found.items():
                if line.state == "running":
                    found[name] = StepLine(name=name, state=kind.value.replace("-", " "), note=line.note)
    return tuple(found.values())


def _stated(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _tells(event: JobEventRow) -> bool:
    return EventKind(event.kind) is not EventKind.PROGRESS


def _said(event: JobEventRow) -> str:
    return worded({"kind": event.kind, "data": event.data})


def _file(row: ArtifactRow) -> FileLine:
    return FileLine(name=row.name, size=kilobytes(row.bytes), href=f"/v1/artifacts/{row.digest}")


def _compared(one: dict[str, Any]) -> ComparedLine:
    interval = one["interval"]
    return ComparedLine(
        name=one["name"],
        predicted="unknown" if one["predicted"] is None else _figure(one["unit"], one["predicted"]),
        interval=f"{_figure(one['unit'], interval['low'])} to {_figure(one['unit'], interval['high'])}"
        if interval
        else "",
        measured=_figure(one["unit"], one["measured"]),
        how=one["how"],
    )


def _figure(unit: str, value: float) -> str:
    words = {"fraction": percent, "ms": milliseconds}
    return words[unit](value) if unit in words else kilobytes(round(value))
