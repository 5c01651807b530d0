"""Place: where a body has a device and its limits, so that problems point at what is there."""

from __future__ import annotations

from dataclasses import dataclass

from design.errors import BespokeError
from service.designs.batch_schemas import FleetDevice, FleetEntry
from service.errors import refused
from service.problems import Refusal

_DEVICE = "/device"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the device and the limits of one design stand in a body, as JSON pointers.

    Attributes:
        entry: What has the device; `""` is the whole body.
        device: The device itself, an id or a profile.
        limits: The limits that it has to keep.
        named: The device is an id, so that the body has nothing below it.
    """

    entry: str = ""
    device: str = _DEVICE
    limits: str = "/limits"
    named: bool = False

    @classmethod
    def in_fleet(cls, index: int, entry: FleetEntry) -> Place:
        """Of one entry of a fleet: an id, a profile, or a device with limits of its own."""
        own = f"/devices/{index}"
        if isinstance(entry, FleetDevice):
            named = isinstance(entry.device, str)
            return cls(entry=own, device=f"{own}{_DEVICE}", limits=f"{own}/limits", named=named)
        return cls(entry=own, device=own, named=isinstance(entry, str))

    def of_device(self, member: str) -> str:
        """A member of the profile (`/ram_kb`), or the device itself where the body has but its id."""
        return self.device if self.named else self.device + member

    def refused(self, error: BespokeError) -> Refusal:
        """An error of the library about the design of this device, as a refusal that points into the body."""
        refusal = refused(error)
        for fault in refusal.faults:
            pointer = fault.pointer or ""
            if pointer == _DEVICE or pointer.startswith(f"{_DEVICE}/"):
                fault.pointer = self.of_device(pointer.removeprefix(_DEVICE))
            else:
                fault.pointer = pointer or self.entry
        return refusal


BODY = Place()
"""Of a body with one device, given by its profile."""
