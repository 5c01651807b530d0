"""Fleets as the API takes and shows them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, core_schema

from design.constraints import Constraints, LimitName, Preferences
from design.design import Design, Genotype
from design.device import DeviceProfile
from design.prediction import AccuracyBasis, Estimate
from optimizer.fleet import MOST_DEVICES
from optimizer.problem import DEFAULT_ENERGY_MODEL
from service.designs.schemas import Name, Versions
from service.devices.schemas import MOST_ID, DeviceId, DeviceReference, Profile, RestsOn
from service.faults import FORM
from service.problems import Problem

EXAMPLE_BATCH: dict[str, Any] = {
    "devices": [
        "raspberry-pi-4",
        {"device": "jetson-nano", "limits": {"latency_ms": 5, "model_kb": 300}},
        {"name": "My board", "kind": "cpu", "core": "Cortex-A55", "cores": 4, "clock_ghz": 1.8},
    ],
    "task": "cifar10",
    "limits": {"latency_ms": 20, "model_kb": 300},
}


class FleetDevice(BaseModel):
    """A device with limits of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: DeviceReference
    limits: Constraints = Field(
        description="in place of those of the request; `risk` is that of the request: a device that states another has "
        "a problem of its own"
    )

    def limits_in(self, request: Constraints) -> Constraints:
        """Its own limits, at the risk of the request unless it names one."""
        if "risk" in self.limits.model_fields_set:
            return self.limits
        return self.limits.model_copy(update={"risk": request.risk})


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """An entry that is none of the forms: its device has a problem of its own, the others have their designs.

    Attributes:
        digest: Of the entry: requests that differ in it alone are not the same.
        entry: As it came.
        errors: Pydantic's, each with its location in the entry.
    """

    digest: str
    entry: Any
    errors: Sequence[Mapping[str, Any]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Taken as it is, written as its digest."""
        written = core_schema.plain_serializer_function_ser_schema(lambda one: one.digest)
        return core_schema.is_instance_schema(cls, serialization=written)

    @classmethod
    def of(cls, entry: Any, error: ValidationError) -> Self:
        """With what is wrong with it.

        Raises:
            RecursionError: It is nested too deeply.
        """
        digest = hashlib.sha256(json.dumps(entry, default=str).encode()).hexdigest()
        return cls(digest=digest, entry=entry, errors=[dict(one) for one in error.errors(include_url=False)])

    def device_id(self) -> str | None:
        """As requested, if one can be told."""
        named = self.entry.get("device") if isinstance(self.entry, dict) else None
        if not isinstance(named, str) or not 0 < len(named) <= MOST_ID:
            return None
        return None if any("\ud800" <= sign <= "\udfff" for sign in named) else named  # no JSON can hold half a sign


def _alone(value: Any, known: ValidatorFunctionWrapHandler) -> Any:
    """The entry, or what is wrong with it alone."""
    try:
        return known(value)
    except ValidationError as error:
        try:
            return Malformed.of(value, error)
        except RecursionError:
            raise error from None


def _form(value: Any) -> str | None:
    if isinstance(value, Malformed):
        return "<malformed>"
    if isinstance(value, str):
        return "<id>"
    if isinstance(value, FleetDevice) or (isinstance(value, dict) and "device" in value):
        return "<own>"
    return "<profile>" if isinstance(value, dict | DeviceProfile) else None


FleetEntry = Annotated[
    Annotated[DeviceId, Tag("<id>")]
    | Annotated[Profile, Tag("<profile>")]
    | Annotated[FleetDevice, Tag("<own>")]
    | Annotated[SkipJsonSchema[Malformed], Tag("<malformed>")],
    Discriminator(_form, FORM, "must be the id of a device, a device profile, or an object of `device` and `limits`"),
    WrapValidator(_alone),
]


class BatchRequest(BaseModel):
    """Many devices, one task; a design is wanted for each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    devices: Annotated[tuple[FleetEntry, ...], Field(min_length=1, max_length=MOST_DEVICES)] = Field(
        description="ids, profiles, or objects of `device` and its own `limits`; one that is malformed or not known "
        "has a problem of its own in the answer, the others have their designs"
    )
    task: Name = Field(description="name of a task (GET /v1/tasks)", examples=["cifar10"])
    limits: Constraints = Constraints()
    preferences: Preferences = Preferences()
    spaces: Annotated[tuple[Name, ...], Field(max_length=16)] = Field(
        (), description="spaces to choose from (GET /v1/spaces); empty = all that fit the task"
    )
    energy_model: Name = Field(DEFAULT_ENERGY_MODEL, description="how energy is reckoned")


class BrokenLimit(BaseModel):
    """A limit that the nearest design breaks."""

    limit: LimitName
    allowed: float
    reached: float = Field(description="at the quantile of the requested risk")


class BatchDesign(BaseModel):
    """The design proposed for one device. POST /v1/designs gives one with its layers and stores it.

    Where no design that was proposed keeps every limit, the nearest stands in the problem, as its member `nearest`.
    """

    name: str
    genotype: Genotype
    feasible: bool = Field(description="every limit is kept at the requested risk; true of every `design`")
    broken: list[BrokenLimit] = Field(description="limits that `nearest` of a problem breaks; empty if feasible")
    approach: str = Field(description="how it was found")
    why: str = Field(description="why that way")
    optimizer_version: str = Field(description="version of what found it")
    latency_ms: Estimate
    energy_mj: Estimate
    accuracy: Estimate
    accuracy_basis: AccuracyBasis
    model_bytes: int
    peak_memory_bytes: int
    training_memory_bytes: int


class BatchItem(BaseModel):
    """The answer for one device: a design, or a problem."""

    device_id: str | None = Field(description="as requested; null if the request has none there")
    device: DeviceProfile | None = Field(description="the profile it was designed for; null if it is not known")
    measurements: RestsOn | None = Field(description="of the device, that its costs rest on; null without any")
    design: BatchDesign | None = Field(description="keeps every limit; null where there is a problem")
    group: int | None = Field(description="the group that serves it, an index into `groups`")
    problem: Problem | None = Field(
        description="why there is no design; of type `infeasible-constraints` with the nearest design (`nearest`, in "
        "the form of `design`, with what is `broken`) and the limits it breaks (`violations`, as POST /v1/designs has "
        "them)"
    )


class BatchGroup(BaseModel):
    """Devices that can share one design: within all limits, each at most two points less accurate than its own."""

    name: str
    digest: str
    design: Design
    devices: list[int] = Field(description="indices into `items`")
    accuracy: float
    accuracy_lost: float = Field(
        description="mean accuracy of the devices' own designs less that of the shared one, a fraction"
    )


class BatchDocument(BaseModel):
    """Designs of a fleet, in the order of the devices requested. Nothing in it was measured, nothing is stored."""

    task: str
    approach: str
    feasible: int = Field(description="devices whose limits are all kept")
    versions: Versions | None
    items: list[BatchItem]
    groups: list[BatchGroup] = Field(description="few designs that serve every device that can be, largest first")
