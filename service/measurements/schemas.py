"""Measurements as the API takes and shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from design.design import Genotype
from design.errors import BespokeError
from design.scalars import NUMBER
from predictors.measurement import LEAST
from service.predictions.schemas import DesignReference

MOST_ROWS = 20_000
"""Measurements of one device, and rows of one table."""
LONGEST_NOTE = 500
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)

EXAMPLE_REQUEST: dict[str, Any] = {
    "measurements": [
        {"network": "resnet20", "latency_ms": 4.4},
        {"network": "resnet56", "latency_ms": 12.1, "note": "mean of 50 runs, governor performance"},
        {"network": "mobilenet_v2", "task": "cifar10", "latency_ms": 19.8, "energy_mj": 41.5},
        {
            "design": {"space": "nasbench201", "task": "cifar10", "values": [3, 1, 3, 1, 3, 3] + [0] * 6},
            "latency_ms": 19,
        },
    ]
}
EXAMPLE_TABLE = "network,task,latency_ms,energy_mj\nresnet20,cifar10,4.4,\nmobilenet_v2,cifar10,19.8,41.5\n"


def _within_reach(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise BespokeError("a moment must lie between the years 1970 and 3000", moment.isoformat())
    return moment.astimezone(UTC)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise BespokeError("a note must hold printable characters alone", repr(text)[:80])
    return text


def _believable(value: float) -> float:
    if 0 < value < LEAST:
        raise BespokeError(
            f"a measured figure must be 0 (a run that failed) or at least {LEAST:g}",
            f"{value:g}",
            "Give milliseconds and millijoules of one call.",
        )
    return value


Latency = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False), NUMBER, AfterValidator(_believable)]
Energy = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False), NUMBER, AfterValidator(_believable)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(_printable)]
Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
Figure = Literal["latency_ms", "energy_mj"]
Use = Literal["used", "down-weighted", "set aside"]


class MeasurementInput(DesignReference):
    """What was measured of one network: latency, energy or both, of one call at the device's batch size."""

    latency_ms: Latency | None = Field(
        None, description="of one inference call; 0 is kept but never believed, else at least 1e-9"
    )
    energy_mj: Energy | None = Field(None, description="of one inference call; as for latency")
    measured_at: Moment | None = Field(None, description="when, with a time zone")
    note: Note | None = Field(None, description="anything worth knowing")

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.latency_ms is None and self.energy_mj is None:
            raise BespokeError("latency_ms or energy_mj must be given", "neither of them")
        return self


class MeasurementsRequest(BaseModel):
    """Rows that are stored together, or none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurements: Annotated[tuple[MeasurementInput, ...], Field(min_length=1, max_length=MOST_ROWS)]


class FigureVerdict(BaseModel):
    """What became of one figure of a row when the predictors were adapted."""

    figure: Figure
    use: Use
    reason: str = Field(description="empty for what is used as it came")


class MeasurementDocument(BaseModel):
    """One measurement as it is kept, and what became of it."""

    id: str
    created_at: datetime
    name: str = Field(description="what people call the network")
    task: str
    network: str | None = Field(description="its name, if it was measured under one")
    genotype: Genotype | None = Field(description="its vector, if it comes from a space")
    latency_ms: float | None
    energy_mj: float | None
    measured_at: datetime | None
    note: str | None
    verdicts: tuple[FigureVerdict, ...] = Field(description="one for each figure measured")


class ErrorFigures(BaseModel):
    """How far predictions are from the measurements that count (those set aside do not)."""

    count: int = Field(description="networks compared")
    median_error: float = Field(description="median of |predicted - measured| / measured")
    within_10: float = Field(description="share within 10 %")
    spearman: float | None = Field(description="rank correlation; null where it is not defined")


class FigureErrors(BaseModel):
    """Errors of one figure; null where nothing can be said."""

    before: ErrorFigures | None = Field(description="of predictions from the profile alone")
    after: ErrorFigures | None = Field(description="of predictions from the profile and the other measurements")


class AdaptationDocument(BaseModel):
    """What the measurements did to the predictions for their device."""

    count: int = Field(description="measurements stored for this device")
    digest: str = Field(description="of their content (SHA-256): the same measurements give the same predictions")
    energy_model: str
    latency: FigureErrors
    energy: FigureErrors
    advice: tuple[str, ...] = Field(description="for people")


class Suggestion(BaseModel):
    """A network worth measuring next, and what that buys."""

    name: str
    task: str
    network: str | None
    genotype: Genotype | None
    spread_before: float = Field(
        description="high over low end of the 90 % interval of latency, median over all candidates, "
        "once those above are measured"
    )
    spread_after: float = Field(description="the same once this one is measured, too (reckoned, whatever it shows)")


class SuggestionsDocument(BaseModel):
    """What to measure next, the most informative first."""

    device_id: str
    count: int = Field(description="measurements these rest on")
    items: tuple[Suggestion, ...]


class MeasurementsAnswer(BaseModel):
    """What was stored, what became of each row, and what it did."""

    device_id: str = Field(description="the device that now has the measurements")
    device_created: bool = Field(description="a copy of the catalogue device was made to hold them")
    device_href: str
    stored: int
    items: tuple[MeasurementDocument, ...] = Field(description="the rows stored, in their order")
    adaptation: AdaptationDocument
    next: tuple[Suggestion, ...] = Field(description="which networks to measure next")
