"""DevicePage: a device of the catalogue or of the user as its page and the list show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from design.device import DeviceProfile
from design.devices.catalogue import CatalogueDevice
from predictors.descriptor import describe
from service.dashboard.design_page import AssumedLine, assumed_lines
from service.units import DASH, memory
from service.wording import fact_origin, fact_text


@dataclass(frozen=True, kw_only=True)
class DeviceLine:
    """One line of the list."""

    id: str
    name: str
    kind: str
    core: str
    cores: str
    clock: str
    ram: str
    settings: str


@dataclass(frozen=True, kw_only=True)
class FigureLine:
    """One figure with its origin."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class SettingLine:
    """One setting of a catalogue device and the address under which it is asked for."""

    address: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DevicePage:
    """Everything that `device.html` shows."""

    id: str
    name: str
    kind: str
    notes: str
    own: bool
    figures: tuple[FigureLine, ...]
    settings: tuple[SettingLine, ...]
    assumed: tuple[AssumedLine, ...]
    designs_href: str
    api_href: str


def device_line(device_id: str, profile: DeviceProfile, settings: str = "") -> DeviceLine:
    """One line of the list."""
    return DeviceLine(
        id=device_id,
        name=profile.name,
        kind=profile.kind.value,
        core=profile.core or DASH,
        cores=DASH if profile.cores is None else str(profile.cores),
        clock=DASH if profile.clock_ghz is None else f"{profile.clock_ghz:g} GHz",
        ram=DASH if profile.ram_kb is None else memory(profile.ram_kb),
        settings=settings,
    )


def catalogue_line(device: CatalogueDevice) -> DeviceLine:
    """One line of the list, for a device of the catalogue."""
    return device_line(device.id, device.profile(), ", ".join(device.settings))


def catalogue_page(device: CatalogueDevice) -> DevicePage:
    """The page of a device of the catalogue."""
    figures = [
        FigureLine(name=name, value=fact_text(fact), origin=fact_origin(fact))
        for name, fact in sorted(device.figures.items())
    ]
    settings = []
    for name, setting in device.settings.items():
        stated = setting.model_dump(exclude_none=True)
        address = device.id if name == "default" else f"{device.id}@{name}"
        settings.append(SettingLine(address=address, text=", ".join(f"{key} {value}" for key, value in stated.items())))
    return _page(device.id, device.profile(), device.notes, figures, settings, own=False)


def own_page(device_id: str, profile: DeviceProfile, origin: str | None = None) -> DevicePage:
    """The page of a device that the user registered, or of a copy of the catalogue device at `origin`."""
    stated = profile.model_dump(mode="json", exclude_none=True, exclude={"name", "kind"})
    figures = [
        FigureLine(name=name, value=str(value), origin="as registered") for name, value in sorted(_flat(stated).items())
    ]
    notes = "Registered here." if origin is None else f"A copy of {origin} that keeps your measurements."
    return _page(device_id, profile, notes, figures, [], own=True)


def _page(
    device_id: str,
    profile: DeviceProfile,
    notes: str,
    figures: list[FigureLine],
    settings: list[SettingLine],
    *,
    own: bool,
) -> DevicePage:
    return DevicePage(
        id=device_id,
        name=profile.name,
        kind=profile.kind.value,
        notes=notes,
        own=own,
        figures=tuple(figures),
        settings=tuple(settings),
        assumed=assumed_lines(describe(profile).assumed),
        designs_href="/?" + urlencode({"device": device_id}),
        api_href=f"/v1/devices/{device_id}",
    )


def _flat(stated: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures by dotted name."""
    found: dict[str, Any] = {}
    for name, value in stated.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
