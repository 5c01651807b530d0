"""Steps: what a job consists of, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from service.worker.reasons import (
    bits_are_full,
    filters_stay,
    no_whole_numbers,
    nothing_to_compare,
    straight_to_bits,
)

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
class Unless:
    """A step that is skipped where there is a reason.

    Attributes:
        reason: Why the job of a file does not need it, or None.
    """

    name: str
    program: str
    reason: Callable[[Json], str | None]
    limit_s: float | None = None

    def skip(self, job: Json) -> str | None:
        """The reason."""
        return self.reason(job)


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


_PROGRAMS = "service.worker.programs"
PIPELINE = Pipeline(
    steps=(
        Always(name="prepare data", program=f"{_PROGRAMS}.prepare:run"),
        Unless(name="train", program=f"{_PROGRAMS}.training:full_precision", reason=straight_to_bits),
        Unless(name="prune", program=f"{_PROGRAMS}.pruning:run", reason=filters_stay),
        Unless(name="significance", program=f"{_PROGRAMS}.inspection:significant_layers", reason=nothing_to_compare),
        Unless(name="quantize", program=f"{_PROGRAMS}.training:quantized", reason=bits_are_full),
        Unless(name="calibrate", program=f"{_PROGRAMS}.inspection:ranges", reason=no_whole_numbers),
        Always(name="export", program=f"{_PROGRAMS}.exporting:run"),
        Always(name="verify", program=f"{_PROGRAMS}.verification:run"),
        Always(name="measure", program=f"{_PROGRAMS}.measurement:run"),
        Always(name="report", program=f"{_PROGRAMS}.reporting:run"),
    )
)
"""What workers run."""
