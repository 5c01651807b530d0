"""Neighbours: the catalogue devices most like a profile, from which figures it does not state are inferred."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter
from statistics import median
from typing import Any

import numpy as np

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue
from design.encoding import FloatArray, IntArray

NEIGHBOURS = 3
_NO_FAMILY = -1
_OTHER_ISA = 4.0  # squared distance in standard deviations between instruction-set families
_UNSHARED = 1.0  # squared distance counted for a figure that only one of the two states
COMPARED = (
    "cores",
    "clock_ghz",
    "simd_bits",
    "fp32_macs_per_cycle",
    "peak_gmacs.fp32",
    "peak_gmacs.int8",
    "memory_bandwidth_gbps",
    "last_level_cache_kb",
    "ram_kb",
    "process_nm",
    "tdp_w",
)
"""Figures that devices are compared in, on a log scale."""
_FAMILIES = (
    ("armv7e-m", "mcu-dsp"),
    ("armv8-m", "mcu-dsp"),
    ("armv8.1-m", "mcu-dsp"),
    ("armv6-m", "mcu-plain"),
    ("armv7", "armv7"),
    ("arm", "arm64"),
    ("aarch64", "arm64"),
    ("x86", "x86"),
    ("rv32", "riscv"),
    ("rv64", "riscv"),
    ("riscv", "riscv"),
    ("mips", "mips"),
    ("loongarch", "loongarch"),
    ("xtensa", "xtensa"),
)


@lru_cache(maxsize=4096)
def isa_family(isa: str | None) -> str | None:
    """Coarse family of an instruction-set text, e.g. `arm64`; None where nothing is stated."""
    text = (isa or "").strip().casefold()
    if not text:
        return None
    return next((family for start, family in _FAMILIES if text.startswith(start)), text.split()[0])


@lru_cache(maxsize=4096)
def core_key(core: str | None) -> str | None:
    """Comparable form of a core's name: of `Kryo 280 Gold (Cortex-A73)` it is `cortexa73`."""
    if core is None:
        return None
    inner = re.search(r"\((cortex[^)]*)\)", core.casefold())
    return re.sub(r"[^a-z0-9]", "", inner[1] if inner else core.casefold())


_getter: Callable[..., attrgetter[Any]] = cache(attrgetter)
"""Reads attributes by their (dotted) names."""


def figure(profile: DeviceProfile, field: str) -> float | None:
    """A stated figure by its (dotted) name."""
    value = _getter(field)(profile)
    return None if value is None else float(value)


def _logs(profile: DeviceProfile) -> FloatArray:
    """Logarithms of COMPARED, NaN where nothing is stated."""
    return np.asarray(np.log(np.maximum(np.array(_getter(*COMPARED)(profile), dtype=np.float64), 1e-3)))


@cache
def _profiles() -> dict[str, DeviceProfile]:
    return {name: device.profile() for name, device in catalogue().items()}


@cache
def _scale() -> FloatArray:
    """Standard deviation of each of COMPARED over the catalogue."""
    logs = np.array([_logs(profile) for profile in _profiles().values()])
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    variance = np.where(known, (logs - mean) ** 2, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.sqrt(variance) + 1e-3)


@dataclass(frozen=True)
class _Kind:
    """The D catalogue devices of one kind, sorted by id.

    Attributes:
        ids: D.
        profiles: D.
        names: D.
        cores: D comparable names.
        numbers: Instruction-set family -> its number, from 0.
        families: D such numbers; -1 where none is stated.
        logs: COMPARED x D.
    """

    ids: tuple[str, ...]
    profiles: tuple[DeviceProfile, ...]
    names: tuple[str, ...]
    cores: tuple[str | None, ...]
    numbers: dict[str, int]
    families: IntArray
    logs: FloatArray


@cache
def _of_kind(kind: DeviceKind) -> _Kind:
    own = {name: profile for name, profile in _profiles().items() if profile.kind == kind}
    families = [isa_family(profile.isa) for profile in own.values()]
    numbers = {family: number for number, family in enumerate(sorted({one for one in families if one is not None}))}
    logs = [_logs(profile) for profile in own.values()]
    return _Kind(
        ids=tuple(own),
        profiles=tuple(own.values()),
        names=tuple(profile.name for profile in own.values()),
        cores=tuple(core_key(profile.core) for profile in own.values()),
        numbers=numbers,
        families=np.array([_NO_FAMILY if one is None else numbers[one] for one in families], dtype=np.int64),
        logs=np.ascontiguousarray(np.reshape(logs, (-1, len(COMPARED))).T),
    )


@cache
def _quotients(kind: DeviceKind, fields: tuple[str, ...]) -> tuple[float | None, ...]:
    """The first figure over the product of the others, of each device of a kind; None where one is missing or 0."""
    found: list[float | None] = []
    for device in _of_kind(kind).profiles:
        known = [value for value in (figure(device, field) for field in fields) if value]
        found.append(known[0] / float(np.prod(known[1:])) if len(known) == len(fields) else None)
    return tuple(found)


class Neighbourhood:
    """The catalogue devices of a profile's kind, nearest first; the device of the same name is left out."""

    def __init__(self, profile: DeviceProfile) -> None:
        self._kind, self._all = profile.kind, _of_kind(profile.kind)
        own = _logs(profile)
        stated = np.flatnonzero(np.isfinite(own))
        squared = ((self._all.logs[stated] - own[stated, None]) / _scale()[stated, None]) ** 2
        distance = np.where(np.isfinite(squared), squared, _UNSHARED).sum(axis=0)
        family = isa_family(profile.isa)
        if family is not None:
            number = self._all.numbers.get(family, len(self._all.numbers))
            other = (self._all.families != number) & (self._all.families != _NO_FAMILY)
            distance = distance + _OTHER_ISA * other
        order: list[int] = np.argsort(distance, kind="stable").tolist()
        self._order = [index for index in order if self._all.names[index] != profile.name]
        self._core = core_key(profile.core)

    def median(self, *fields: str, same_core: bool = False) -> tuple[float, str] | None:
        """Median of the quotient field / (further fields) over the nearest devices that state them all.

        Args:
            fields: A figure and those it is divided by.
            same_core: Only devices with the profile's core.

        Returns:
            The median and the names of the devices, or None if no device states it.
        """
        if same_core and self._core is None:
            return None
        quotients, cores = _quotients(self._kind, fields), self._all.cores
        values: list[float] = []
        names: list[str] = []
        for index in self._order:
            value = quotients[index]
            if value is None or (same_core and cores[index] != self._core):
                continue
            values.append(value)
            names.append(self._all.ids[index])
            if len(values) == NEIGHBOURS:
                break
        if not values:
            return None
        return median(values), ", ".join(names)
