"""Devices as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import Fact, Setting
from design.errors import InvalidProfile
from service.faults import FORM

Source = Literal["catalogue", "own"]

EXAMPLE_PROFILE: dict[str, Any] = {
    "name": "My Raspberry Pi 4",
    "kind": "cpu",
    "cores": 4,
    "clock_ghz": 1.8,
    "simd_bits": 128,
    "peak_gmacs": {"fp32": 28.8, "int8": 57.6},
    "memory_bandwidth_gbps": 12.8,
    "last_level_cache_kb": 1024,
    "ram_kb": 4194304,
}


def _printable(profile: DeviceProfile) -> DeviceProfile:
    for field in ("name", "chip", "core", "isa", "runtime"):
        value = getattr(profile, field)
        if value is not None and not value.isprintable():
            raise InvalidProfile(f"{field} must hold printable characters alone", repr(value), pointer=f"/{field}")
    return profile


Profile = Annotated[DeviceProfile, AfterValidator(_printable)]
"""A profile as it comes in a request."""

MOST_ID = 120
DeviceId = Annotated[str, Field(min_length=1, max_length=MOST_ID, description="`id` or `id@setting` of a known device")]


def _form(value: Any) -> str | None:
    if isinstance(value, str):
        return "<id>"
    return "<profile>" if isinstance(value, dict | DeviceProfile) else None


DeviceReference = Annotated[
    Annotated[DeviceId, Tag("<id>")] | Annotated[Profile, Tag("<profile>")],
    Discriminator(_form, FORM, "must be the id of a device or a device profile"),
    Field(description="`id` or `id@setting` of a known device, or a device profile", examples=["raspberry-pi-4"]),
]


class RestsOn(BaseModel):
    """The measurements of a device that a figure rests on, beside its profile."""

    count: int
    digest: str = Field(description="of their content (SHA-256)")


class DeviceSummary(BaseModel):
    """A device in a list."""

    id: str
    name: str
    kind: DeviceKind
    chip: str | None
    source: Source = Field(description="from the catalogue, or registered by the user")
    settings: list[str] = Field(description="ways to run it: `id@setting`; empty for own devices")
    href: str


class DeviceDocument(BaseModel):
    """One device with every known figure and its origin."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "dev_01ktz5x2g8q6w3v9a4n7m1c0bd",
                "source": "own",
                "name": EXAMPLE_PROFILE["name"],
                "kind": "cpu",
                "family": None,
                "notes": "",
                "created_at": "2026-11-23T10:00:00Z",
                "figures": {},
                "settings": {},
                "profile": EXAMPLE_PROFILE,
                "origin": None,
                "measurements": 0,
                "href": "/v1/devices/dev_01ktz5x2g8q6w3v9a4n7m1c0bd",
            }
        }
    )

    id: str
    source: Source
    name: str
    kind: DeviceKind
    family: str | None
    notes: str
    created_at: datetime | None = Field(description="null for the catalogue")
    figures: dict[str, Fact] = Field(description="each figure with its source or derivation; empty for own devices")
    settings: dict[str, Setting] = Field(description="ways to run it; empty for own devices")
    profile: DeviceProfile = Field(description="what predictions compute with, under the default setting")
    origin: str | None = Field(description="address of the catalogue device it is a copy of; null for all others")
    measurements: int = Field(description="measurements that its predictions rest on, beside the profile")
    href: str
