"""MonitorRecord: what a monitor saw of a training, as plain values for JSON and reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """What a verdict says."""

    HEADROOM = "headroom"
    SHARPENING = "progressive sharpening"
    EDGE = "at the edge"
    DIVERGING = "diverging"
    CATAPULT = "catapult"
    SPIKE = "spike"
    NOISE = "noise of small batches"
    DEAD_SIGNS = "dead signs"
    UNKNOWN = "too few readings"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A finding in plain language.

    Attributes:
        step: Since when, or at which step.
        words: What is seen, what it means and what to do.
    """

    finding: Finding
    step: int
    words: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was seen at one step. None: not measured, or no number.

    Attributes:
        step: From 0.
        learning_rate: Of the step.
        loss: Mean batch loss since the last reading.
        loss_deviation: Of the batch losses since then.
        highest_loss: Of them.
        probe_loss: On the fixed pictures, before the step.
        gradient_norm: Of the batch, before clipping.
        clipped: What clipping multiplied the gradient by.
        sharpness: Largest eigenvalue, weight decay added; preconditioned where the step is.
        sampling_error: Its standard error for the pictures drawn.
        residual: Relative residual of its vector: over a few hundredths it is a lower bound.
        threshold: Where the step rule turns unstable at this step size; higher where gradients are clipped.
        critical_sharpness: 2 over the critical step size.
        critical_ratio: The step taken over the critical one; its edge is 1 whatever the rule.
        critical_outcome: `found`, `never rises` or `rises at once` (see `CriticalStep`).
        flip_ratio: Share of the binary weights with another sign than at the last reading.
        flip_steps: Steps since then.
        dead_weights: Share of binary weights whose gradient is exactly 0: outside the window of the straight-through
            gradient, or nothing reads them.
        dead_channels: Share of the channels of binary activations that have one sign on all pictures and positions.
        seconds: That this reading took.
    """

    step: int
    learning_rate: float
    loss: float | None
    loss_deviation: float | None
    highest_loss: float | None
    gradient_norm: float | None
    clipped: float = 1.0
    probe_loss: float | None = None
    sharpness: float | None = None
    sampling_error: float | None = None
    residual: float | None = None
    threshold: float | None = None
    critical_sharpness: float | None = None
    critical_ratio: float | None = None
    critical_outcome: str | None = None
    flip_ratio: float | None = None
    flip_steps: int | None = None
    dead_weights: float | None = None
    dead_channels: float | None = None
    seconds: float = 0.0

    @property
    def sharpness_ratio(self) -> float | None:
        """Sharpness over its threshold."""
        if self.sharpness is None or self.threshold is None:
            return None
        return self.sharpness / self.threshold

    @property
    def ratio(self) -> float | None:
        """How near the edge (1): by the eigenvalue where it was measured, else by the critical step."""
        own = self.sharpness_ratio
        return self.critical_ratio if own is None else own


@dataclass(frozen=True, kw_only=True)
class StartAdvice:
    """What the first reading says about the step size.

    Attributes:
        step: Of the reading.
        sharpness: Then.
        largest_rate: The largest stable step size at that curvature.
        suggested_rate: 0.7 of it.
        planned_rate: The peak of the options.
        words: For people.
    """

    step: int
    sharpness: float
    largest_rate: float
    suggested_rate: float
    planned_rate: float
    words: str


@dataclass(frozen=True, kw_only=True)
class MonitorRecord:
    """All that was seen.

    Attributes:
        readings: In order.
        verdicts: In order of their steps; the last one is how the training stood at the end.
        start: None without an eigenvalue at the first reading.
        threshold: The formula of the threshold with its figures at the last reading.
        measures: Which curvature the sharpness is of; empty where it was not measured.
        critical_measures: What the critical sharpness is.
        statistics: What batch norms used; None without.
        pictures: Probe pictures.
        chunk: Of them in one pass.
        steps: Of the whole training.
        overhead: Time of watching over time of training itself, this process.
        failed: Why watching, or a part of it, was given up.
    """

    readings: tuple[Reading, ...]
    verdicts: tuple[Verdict, ...]
    start: StartAdvice | None
    threshold: str
    measures: str
    critical_measures: str
    statistics: str | None
    pictures: int
    chunk: int
    steps: int
    overhead: float
    failed: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain lists, dictionaries and numbers."""
        found = asdict(self)
        found["readings"] = list(found["readings"])
        found["verdicts"] = [one | {"finding": str(one["finding"])} for one in found["verdicts"]]
        return found

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> MonitorRecord:
        """What `as_json` gave."""
        start = content["start"]
        return cls(
            **content
            | {
                "readings": tuple(Reading(**one) for one in content["readings"]),
                "verdicts": tuple(Verdict(**one | {"finding": Finding(one["finding"])}) for one in content["verdicts"]),
                "start": None if start is None else StartAdvice(**start),
            }
        )
