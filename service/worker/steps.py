"""Steps: what a job consists of, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


class Step(Protocol):
    """One step of every job: run by a trainer in a process of its own, or skipped for a reason that is shown."""

    @property
    def name(self) -> str:
        """Unique among the steps; shown to the user."""

    @property
    def program(self) -> str:
        """`module:function` of a `service.worker.trainer.Step`."""

    @property
    def limit_s(self) -> float | None:
        """Most seconds that one start of it may take; None = what is left for the job."""

    def skip(self, job: Json) -> str | None:
        """Why the job of this file does not need it, or None if it does.

        The answer must follow from the file alone: it is asked again after a restart.
        """


@dataclass(frozen=True, kw_only=True)
class Always:
    """A step that every job needs."""

    name: str
    program: str
    limit_s: float | None = None

    def skip(self, job: Json) -> str | None:
        """Never."""
        return None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The steps of every job, in order.

    Adding, removing or reordering steps needs a new `service.jobs.engine.VERSION`.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"step names must be unique, but got {names}")


PIPELINE = Pipeline(steps=())
"""What workers run."""
