"""Proxy devices as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from design.device import DeviceKind
from predictors.monotonicity import Verdict
from predictors.roofline import Bound
from predictors.space_rank import Basis
from service.devices.schemas import Source

EXAMPLE: dict[str, Any] = {
    "id": "arduino-uno-q",
    "name": "Arduino UNO Q",
    "kind": "cpu",
    "source": "catalogue",
    "href": "/v1/devices/arduino-uno-q",
    "verdict": "adapt",
    "front_reusable": False,
    "explanation": "Both are limited by arithmetic: 91% of the predicted time here, 90% there. ...",
    "bounds": {"compute": 0.9, "memory": 0.01, "overhead": 0.09},
    "spaces": [
        {
            "space": "resnet",
            "basis": "predicted",
            "verdict": "adapt",
            "rank": {"rho": 0.99, "low": 0.98, "high": 0.995, "designs": 300},
            "expected": {"rho": 0.95, "low": 0.82, "high": 0.99, "designs": 300},
            "reuse_chance": 0.82,
            "limit": {"proxy_ms": 18.0, "agreement": 1.0},
        }
    ],
}
Rho = Annotated[float, Field(ge=-1, le=1)]


class Rank(BaseModel):
    """Spearman's rank correlation with its 90 % interval."""

    rho: Rho
    low: Rho
    high: Rho
    designs: int = Field(description="designs compared")


class Limit(BaseModel):
    """A latency limit of the device, said in milliseconds of the proxy."""

    proxy_ms: float | None = Field(description="null: by this relation every design breaks the limit")
    agreement: float = Field(ge=0, le=1, description="share of the designs that both limits judge alike")


class SpaceDocument(BaseModel):
    """How alike the two devices rank the designs of one space."""

    space: str
    basis: Basis = Field(description="whether both were measured, or only predicted")
    verdict: Verdict
    rank: Rank = Field(description="of measurements or of predictions, by the basis")
    expected: Rank = Field(description="what measuring both would show; the verdict is its")
    reuse_chance: float = Field(ge=0, le=1, description="that the measured correlation is 0.9 or more")
    limit: Limit | None = Field(description="null unless `limit_ms` was given")


class ProxyDocument(BaseModel):
    """A known device that may stand in for another."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    name: str
    kind: DeviceKind
    source: Source
    href: str
    verdict: Verdict = Field(
        description="reuse: its fronts serve as they are; adapt: measure some designs and bend its latencies; "
        "no: measure this device instead"
    )
    front_reusable: bool
    explanation: str = Field(description="for people")
    bounds: dict[Bound, float] = Field(description="share of the proxy's predicted time that each resource bounds")
    spaces: tuple[SpaceDocument, ...]
