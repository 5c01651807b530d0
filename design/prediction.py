"""Interval, Estimate, Prediction: what a design will cost on a device, how sure that is and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
AccuracyBasis = Literal["prior", "table", "corpus", "unknown"]
"""`unknown`: a model of which neither the task nor the training is known; its accuracy is left out."""


class Interval(BaseModel):
    """The true value lies in [low, high] with probability `coverage`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    coverage: Share = 0.9

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must be at most high, but got {self.low} and {self.high}")
        return self


class Estimate(BaseModel):
    """A predicted figure: its median, the interval for people to read, and the quantile limits are checked at.

    Attributes:
        value: Median.
        interval: 90 % interval.
        at_risk: What a limit is compared with at the requested risk, if one was given: the quantile of that risk. Of
            latencies of cells on a device where such cells were measured it is less cautious than the interval, and
            the chance of breaking the limit counted when designs were compared (docs/decisions/0003).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    interval: Interval
    at_risk: float | None = None


class LayerCost(BaseModel):
    """The part of one layer in a prediction; parts add up to the total (`value`) of latency and of energy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    op: str
    role: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    weight_bits: int | None
    activation_bits: int | None
    filters: int | None
    filters_kept: int | None
    macs: int
    weight_bytes: int
    latency_ms: float
    energy_mj: float
    bound: Literal["compute", "memory", "overhead", "none"]


class Assumption(BaseModel):
    """A figure that the profile did not state and where the value used instead comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    value: float | str
    reason: str


class Prediction(BaseModel):
    """What one design will cost on one device. Nothing in it was measured.

    Attributes:
        latency_ms, energy_mj: Of one inference call at `batch_size`.
        accuracy: Fraction in [0, 1]; None where nothing can be said (`accuracy_basis` is `unknown`).
        model_bytes: Packed weights with scales, biases, batch norms and learned steps.
        peak_memory_bytes: Working memory of one call.
        training_memory_bytes: Of one standard training step, float32, Adam, `training_batch_size`.
        low_memory_training_bytes: Of the same step where binary layers keep bits (Wang et al., arXiv 2102.04270); None
            in predictions made before there was such training.
        largest_training_batch: Most pictures in a standard step that the memory of the device holds, all of it; None
            where the profile does not state it.
        largest_low_memory_batch: The same of a step where binary layers keep bits.
        sources: What each figure comes from: predictor name -> version, energy model, ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: Estimate
    energy_mj: Estimate
    accuracy: Estimate | None
    model_bytes: int
    peak_memory_bytes: int
    training_memory_bytes: int
    training_batch_size: int
    low_memory_training_bytes: int | None = None
    largest_training_batch: int | None = None
    largest_low_memory_batch: int | None = None
    batch_size: int
    accuracy_basis: AccuracyBasis
    energy_model: str
    assumed: tuple[Assumption, ...]
    sources: dict[str, str]
    layers: tuple[LayerCost, ...] = ()

    @model_validator(mode="after")
    def _unknown_is_absent(self) -> Self:
        if (self.accuracy is None) != (self.accuracy_basis == "unknown"):
            raise ValueError("accuracy must be left out exactly where its basis is unknown")
        return self

    @property
    def known_accuracy(self) -> Estimate:
        """The accuracy of a design that has one: every design made for a task.

        Raises:
            ValueError: Nothing is known of it.
        """
        if self.accuracy is None:
            raise ValueError("accuracy must be known, but got a prediction without a task")
        return self.accuracy
