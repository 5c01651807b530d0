"""Predictions as the API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from design.design import Design, Genotype
from design.device import DeviceProfile
from design.errors import BespokeError
from design.prediction import Prediction
from optimizer.problem import DEFAULT_ENERGY_MODEL
from service.designs.schemas import Name
from service.devices.schemas import DeviceReference, RestsOn
from service.faults import FORM

MOST_DEVICES = 1_000

EXAMPLE_REQUEST: dict[str, Any] = {"network": "resnet20", "devices": ["raspberry-pi-4", "jetson-nano"], "layers": True}


def _form(value: Any) -> str | None:
    """A genotype is told from a design by what it holds."""
    if isinstance(value, Genotype) or (isinstance(value, dict) and "space" in value):
        return "<genotype>"
    return "<design>" if isinstance(value, dict | Design) else None


InlineDesign = Annotated[
    Annotated[Design, Tag("<design>")] | Annotated[Genotype, Tag("<genotype>")],
    Discriminator(_form, FORM, "must be a design, or an object of `space`, `task` and `values`"),
]


class DesignReference(BaseModel):
    """A design in one of three forms, and the task it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    design: InlineDesign | None = Field(None, description="a design, or the vector of one: space, task and values")
    design_id: Annotated[str, Field(max_length=40)] | None = Field(None, description="a stored design")
    network: Name | None = Field(None, description="a named network (GET /v1/networks), 32-bit and not pruned")
    task: Name | None = Field(None, description="left out: the task that the design or network was made for")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("design", "design_id", "network") if getattr(self, name) is not None]
        if len(given) != 1:
            raise BespokeError(
                "exactly one of design, design_id and network must be given", " and ".join(given) or "none of them"
            )
        return self


class PredictionRequest(DesignReference):
    """A design and the devices it is to run on."""

    devices: Annotated[tuple[DeviceReference, ...], Field(min_length=1, max_length=MOST_DEVICES)]
    energy_model: Name = Field(DEFAULT_ENERGY_MODEL, description="how energy is reckoned")
    layers: bool = Field(False, description="with the share of every layer")


class DevicePrediction(BaseModel):
    """The prediction for one device."""

    device_id: str | None = Field(description="as requested; null if the profile came with the request")
    device: DeviceProfile = Field(description="the profile it was predicted for")
    measurements: RestsOn | None = Field(description="of this device, that the figures rest on; null without any")
    prediction: Prediction


class PredictionVersions(BaseModel):
    """What made the figures; each prediction lists the sources of its own."""

    bespoke: str
    energy_model: str


class PredictionDocument(BaseModel):
    """Predictions of one design, in the order of the devices requested. Nothing in it was measured."""

    name: str
    digest: str
    space: str | None
    design_id: str | None
    network: str | None
    task: str | None = Field(description="null: an uploaded model of whose task nothing was said; no accuracy then")
    notes: tuple[str, ...] = Field((), description="what reading an uploaded model left out or approximated")
    versions: PredictionVersions
    items: list[DevicePrediction]
