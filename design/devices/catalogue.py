"""The device catalogue: one TOML file per chip or board, every figure with its source or its derivation."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.device import DeviceKind, DeviceProfile
from design.errors import UnknownName


class Fact(BaseModel):
    """One figure of a device and where it comes from.

    Exactly one of `source` (a document that states it) and `derived` (how it follows from other figures) is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | int | bool | str | list[list[int]]
    source: str | None = None
    derived: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.source is None) == (self.derived is None):
            raise ValueError("a figure must have either a source or a derivation")
        return self


class Setting(BaseModel):
    """How a device is run: these override nothing but batch size, threads, runtime and launch overhead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: Annotated[int, Field(gt=0)] = 1
    threads: Annotated[int, Field(gt=0)] | None = None
    runtime: str | None = None
    launch_overhead_us: Annotated[float, Field(ge=0)] | None = None


class CatalogueDevice(BaseModel):
    """One chip or board of the catalogue.

    Attributes:
        id: Stable name in addresses, lower case with dashes.
        family: Chips of one family must stay on one side of any train/test split.
        figures: Field of DeviceProfile (dotted for nested ones, e.g. `peak_gmacs.fp32`) -> Fact.
        settings: Name -> Setting; `default` must exist.
        tables: Measured table -> {row name in that table -> setting}.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    name: str
    kind: DeviceKind
    family: str
    figures: dict[str, Fact]
    settings: dict[str, Setting]
    tables: dict[str, dict[str, str]] = {}
    notes: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "default" not in self.settings:
            raise ValueError(f"{self.id}: settings must contain 'default'")
        for table, rows in self.tables.items():
            for row, setting in rows.items():
                if setting not in self.settings:
                    raise ValueError(f"{self.id}: row {row!r} of {table} names the unknown setting {setting!r}")
        for setting in self.settings:
            self.profile(setting)
        return self

    def profile(self, setting: str = "default") -> DeviceProfile:
        """The device as a DeviceProfile under one of its settings.

        Raises:
            UnknownName: The setting does not exist.
        """
        if setting not in self.settings:
            raise UnknownName(
                f"the setting of {self.id} must be one of {', '.join(sorted(self.settings))}", repr(setting)
            )
        fields: dict[str, Any] = {"name": self.name, "kind": self.kind}
        for path, fact in self.figures.items():
            head, _, leaf = path.partition(".")
            if leaf:
                fields.setdefault(head, {})[leaf] = fact.value
            else:
                fields[head] = fact.value
        fields |= self.settings[setting].model_dump(exclude_none=True)
        return DeviceProfile.model_validate(fields)


@cache
def catalogue() -> dict[str, CatalogueDevice]:
    """All devices of the catalogue, id -> device, sorted by id."""
    found = {}
    for file in files("design.devices").joinpath("data").iterdir():
        if file.name.endswith(".toml"):
            device = CatalogueDevice.model_validate(tomllib.loads(file.read_text("utf-8")))
            if file.name != f"{device.id}.toml" or device.id in found:
                raise ValueError(f"{file.name} must be named after its id {device.id!r}, once")
            found[device.id] = device
    return dict(sorted(found.items()))


def find_device(address: str) -> DeviceProfile:
    """The profile at `id` or `id@setting`.

    Raises:
        UnknownName: No such device or setting.
    """
    name, _, setting = address.partition("@")
    device = catalogue().get(name)
    if device is None:
        near = [other for other in catalogue() if name.split("-")[0] in other][:5]
        hint = f"Similar: {', '.join(near)}." if near else "`bespoke devices` and GET /v1/devices list all."
        raise UnknownName("the device must be in the catalogue", repr(address), hint)
    return device.profile(setting or "default")
