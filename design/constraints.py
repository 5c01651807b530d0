"""Constraints and Preferences: what a design must keep to, and what matters most among those that do."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.errors import BespokeError
from design.scalars import NUMBER

LEAST_LIMIT, MOST_LIMIT = 1e-30, 1e12
"""In the unit of each limit: beyond what any request means, within what ratios of figures bear."""
LEAST_RISK, MOST_RISK = 1e-15, 0.5
"""Quantiles further out say nothing: no prediction is known that well."""
DEFAULT_RISK = 0.1
Limit = Annotated[float, Field(ge=LEAST_LIMIT, le=MOST_LIMIT, allow_inf_nan=False), NUMBER]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False), NUMBER]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]
Risk = Annotated[float, Field(ge=LEAST_RISK, le=MOST_RISK, allow_inf_nan=False), NUMBER]
LimitName = Literal["latency_ms", "energy_mj", "model_kb", "peak_memory_kb", "training_memory_kb", "min_accuracy"]


class Constraints(BaseModel):
    """Limits a design must keep at the accepted `risk` (docs/decisions/0003); kilobytes are 1,000 bytes.

    Costs are limited to 1e-30 ... 1e12 in their units. Numbers must come as numbers: text and truth values are refused.

    Attributes:
        latency_ms: Time of one inference call at the device's batch size.
        energy_mj: Energy of one inference call.
        model_kb: Packed size of the model file's weights.
        peak_memory_kb: Working memory of one inference.
        training_memory_kb: Memory of one training step (see `design.counts.training_memory_bytes`).
        min_accuracy: Least accuracy, a fraction in [0, 1].
        risk: The chance of breaking a limit that the user accepts, for each limit on its own; 1e-15 ... 0.5.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: Limit | None = None
    energy_mj: Limit | None = None
    model_kb: Limit | None = None
    peak_memory_kb: Limit | None = None
    training_memory_kb: Limit | None = None
    min_accuracy: Share | None = None
    risk: Risk = DEFAULT_RISK

    def limits(self) -> dict[LimitName, float]:
        """The limits that are set, in the order of the fields."""
        names: tuple[LimitName, ...] = LimitName.__args__  # type: ignore[attr-defined]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class Preferences(BaseModel):
    """Weights (0 ... 1e6) of what matters among designs that keep every limit; only their ratios count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: Weight = 1.0
    latency: Weight = 0.0
    energy: Weight = 0.0
    size: Weight = 0.0

    @model_validator(mode="after")
    def _one_is_positive(self) -> Self:
        if self.accuracy + self.latency + self.energy + self.size <= 0:
            raise BespokeError("at least one preference must be positive", "all zero")
        return self
