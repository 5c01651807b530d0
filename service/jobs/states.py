"""States of a job, and the kinds of events that lead from one to the next."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless it is retried."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


class EventKind(StrEnum):
    """What can happen to a job; each name is the `event` of a server-sent event."""

    QUEUED = "queued"
    STARTED = "started"
    STEP_STARTED = "step-started"
    STEP_SKIPPED = "step-skipped"
    STEP_RETRIED = "step-retried"
    STEP_FINISHED = "step-finished"
    PROGRESS = "progress"
    ARTIFACT = "artifact"
    HANDED_OVER = "handed-over"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


LAST = frozenset({EventKind.SUCCEEDED, EventKind.FAILED, EventKind.CANCELLED})
"""After one of these a job has ended."""
