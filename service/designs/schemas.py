"""Designs as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from design.constraints import Constraints, Preferences
from design.design import Design
from design.device import DeviceProfile
from design.prediction import AccuracyBasis, Assumption, Prediction
from design.scalars import WHOLE
from optimizer.problem import DEFAULT_ENERGY_MODEL, FrontPoint, Method
from service.devices.schemas import DeviceReference, RestsOn

MOST_SEED = 2**32 - 1
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_-]+$")]

EXAMPLE_REQUEST: dict[str, Any] = {
    "device": "raspberry-pi-4",
    "task": "cifar10",
    "limits": {"latency_ms": 20, "model_kb": 500},
    "spaces": ["nasbench201"],
}


class DesignRequest(BaseModel):
    """A device, a task and limits; the best design is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: DeviceReference
    task: Name = Field(description="name of a task (GET /v1/tasks)", examples=["cifar10"])
    limits: Constraints = Constraints()
    preferences: Preferences = Preferences()
    spaces: Annotated[tuple[Name, ...], Field(max_length=16)] = Field(
        (), description="spaces to choose from (GET /v1/spaces); empty = all that fit the task"
    )
    seed: Annotated[int, Field(ge=0, le=MOST_SEED), WHOLE] = Field(
        0, description="the same request with the same seed has the same answer"
    )
    energy_model: Name = Field(DEFAULT_ENERGY_MODEL, description="how energy is reckoned")
    method: Method = Field(
        "auto",
        description="`auto`: the best of what was found on proxy devices, judged by this device's predictors and "
        "polished, searched only where that breaks a limit; `network`: the same from what the amortised networks "
        "propose; `search`: only searched; `both`: searched, with the proposals of `auto` beside it",
    )


class Versions(BaseModel):
    """What made the figures."""

    bespoke: str
    optimizer: str
    energy_model: str
    predictors: dict[str, str] = Field(description="source of each figure -> version")


class DesignLinks(BaseModel):
    """Where to go from here."""

    self: str
    front: str
    page: str


class DesignSummary(BaseModel):
    """A stored design in a list; figures are medians of predictions."""

    id: str
    created_at: datetime
    name: str
    digest: str
    task: str
    space: str | None
    device_id: str | None
    device_name: str
    accuracy: float
    latency_ms: float
    energy_mj: float
    model_bytes: int
    peak_memory_bytes: int
    accuracy_basis: AccuracyBasis
    limits: Constraints
    links: DesignLinks


class DesignDocument(BaseModel):
    """A stored design with everything it came from."""

    id: str
    created_at: datetime
    name: str
    digest: str = Field(description="identity of layers, precisions and filters kept (SHA-256)")
    task: str
    space: str | None
    device_id: str | None = Field(description="null if the profile came with the request")
    device: DeviceProfile = Field(description="snapshot of the profile it was designed for")
    measurements: RestsOn | None = Field(
        description="of the device when it was designed, that its costs rest on; null without any"
    )
    limits: Constraints
    preferences: Preferences
    spaces: tuple[str, ...] = Field(description="as requested; empty = all that fit the task")
    seed: int
    energy_model: str
    method: str | None = Field(description="as requested; null for designs stored before it was kept")
    approach: str = Field(description="how it was found")
    why: str | None = Field(description="why that way; null where another version found it")
    evaluations: int = Field(description="designs that the predictors were asked about")
    feasible: bool = Field(description="every limit is kept at the requested risk; only such designs are stored")
    accuracy_basis: AccuracyBasis
    assumed: tuple[Assumption, ...] = Field(description="figures that the profile did not state")
    design: Design
    prediction: Prediction
    versions: Versions
    links: DesignLinks


class FrontDocument(BaseModel):
    """Accuracy / latency / energy front around a stored design, by rising latency."""

    design_id: str
    task: str
    device_name: str
    points: tuple[FrontPoint, ...]
    predictors: dict[str, str] = Field(description="source of each figure -> version")
    measurements: RestsOn | None = Field(description="of the device, that the figures rest on; null without any")
    as_designed: bool = Field(
        description="the figures come from what those of the design came from; false: predictors or measurements have "
        "changed since or went with the device, and the design's own figures differ from those of its point here"
    )


class DesignSort(StrEnum):
    """Orders of a list of designs; `-` = from most to least."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    ACCURACY = "accuracy"
    ACCURACY_DOWN = "-accuracy"
    LATENCY = "latency_ms"
    LATENCY_DOWN = "-latency_ms"
    ENERGY = "energy_mj"
    ENERGY_DOWN = "-energy_mj"
    SIZE = "model_bytes"
    SIZE_DOWN = "-model_bytes"


class DesignFilter(BaseModel):
    """Which designs a list holds; None = any."""

    model_config = ConfigDict(frozen=True)

    task: str | None = None
    space: str | None = None
    device: str | None = None
    min_accuracy: float | None = None
    max_latency_ms: float | None = None
    max_energy_mj: float | None = None
    max_model_kb: float | None = None
