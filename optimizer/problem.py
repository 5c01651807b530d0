"""Problem and Answer: what the optimizer is asked and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from design.constraints import Constraints, LimitName, Preferences
from design.design import Design, Genotype
from design.device import DeviceProfile
from design.prediction import Prediction
from design.task import Task
from predictors.adapt import Adaptation

DEFAULT_ENERGY_MODEL = "horowitz"
Method = Literal["auto", "network", "both", "search"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One request.

    Attributes:
        spaces: Names of the spaces to choose from; empty = all that fit the task.
        seed: The same problem with the same seed has the same answer.
        adaptation: What measurements said of the device; every cost rests on it.
        method: `auto` answers with the best of what was found on proxy devices, polished, and searches only where
            that breaks a limit; `network` the same with what the amortised networks propose; `search` only searches;
            `both` searches and lets the proposals of `auto` compete.
    """

    device: DeviceProfile
    task: Task
    constraints: Constraints = field(default_factory=Constraints)
    preferences: Preferences = field(default_factory=Preferences)
    spaces: tuple[str, ...] = ()
    seed: int = 0
    energy_model: str = DEFAULT_ENERGY_MODEL
    adaptation: Adaptation | None = None
    method: Method = "auto"


class Violation(BaseModel):
    """A limit that the nearest design breaks: one that was asked for, or the RAM or flash of a microcontroller.

    Attributes:
        allowed: In the unit of the limit: of RAM and flash too, which profiles state in kilobytes of 1,024 bytes.
        reached: The design's figure that it is compared with at the requested risk (`Estimates.limit_quantile`).
        tightest: The tightest value of this limit that any design found can keep, were it the only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: LimitName
    allowed: float
    reached: float
    tightest: float


class FrontPoint(BaseModel):
    """A member of the front: no design looked at for it is better in accuracy and no worse in latency and energy.

    But for the design that was chosen, which may be beaten: a front drawn afterwards looks at more than was looked at
    to choose it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genotype: Genotype
    name: str
    accuracy: float
    latency_ms: float
    energy_mj: float
    model_bytes: int
    peak_memory_bytes: int
    feasible: bool
    chosen: bool


class Answer(BaseModel):
    """The best design, or the nearest where no design keeps every limit.

    Attributes:
        feasible: Every limit is kept at the requested risk.
        violations: Empty if feasible.
        front: Accuracy / latency / energy front around the design, by rising latency, where designs were searched; None
            where they were proposed: `optimizer.front` draws it when somebody wants to see it.
        approach: How it was found, e.g. `exact enumeration` or `NSGA-II`.
        why: Why that way, for people (`optimizer.approaches`); None where it is not known.
        evaluations: Designs that the predictors were asked about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    design: Design
    prediction: Prediction
    feasible: bool
    violations: tuple[Violation, ...] = ()
    front: tuple[FrontPoint, ...] | None = None
    approach: str
    why: str | None = None
    optimizer_version: str
    evaluations: int
    seed: int
