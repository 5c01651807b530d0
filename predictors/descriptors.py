"""Descriptors: several devices as one, for formulas that price the layers of all of them in one pass.

A figure that all devices agree in is a number, any other an array with a row for each device (D x 1). Formulas over R
layers then give R numbers, or D x R, and no device another number than it has alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray
from predictors.descriptor import Descriptor
from predictors.peaks import BitPairs

HELD = 60_000
"""Figures of layers held at once: of more devices together a pass no longer fits a cache."""
Figure = float | FloatArray
Flag = bool | NDArray[np.bool_]


def shared(values: list[Any]) -> Any:
    """What all values are, or all of them, D x 1."""
    return values[0] if len(set(values)) == 1 else np.array(values)[:, None]


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """D devices that run the same precisions. The other attributes are those of `Descriptor`."""

    devices: tuple[Descriptor, ...]
    supported_bits: BitPairs
    float_macs_per_second: Figure
    memory_bytes_per_second: Figure
    cache_bytes_per_second: Figure
    cache_bytes: Figure
    launch_overhead_s: Figure
    batch_size: Figure
    static_w: Figure
    latency_spread: Figure
    float_bits: Figure
    binary_lanes: Figure
    winograd: Flag
    eager: Flag
    pooling_on_mac_array: Flag
    weights_in_flash: Flag

    @classmethod
    def of(cls, devices: Sequence[Descriptor]) -> Self:
        """One for several; there must be one at least.

        Raises:
            ValueError: They do not run the same precisions.
        """
        check_alike(devices)
        names = [one.name for one in fields(cls)][2:]
        figures = {name: shared([getattr(one, name) for one in devices]) for name in names}
        return cls(devices=tuple(devices), supported_bits=devices[0].supported_bits, **figures)

    def __len__(self) -> int:
        return len(self.devices)

    def figure(self, of: Callable[[Descriptor], float]) -> Figure:
        """A further figure of each device."""
        found: Figure = shared([of(one) for one in self.devices])
        return found

    def rows(self, of: Callable[[Descriptor], FloatArray]) -> FloatArray:
        """K figures of each device, D x K."""
        return np.stack([of(one) for one in self.devices])


AnyDescriptor = Descriptor | Descriptors


def check_alike(devices: Sequence[Descriptor]) -> None:
    """See that devices can be described together.

    Raises:
        ValueError: They do not run the same precisions.
    """
    if len({one.supported_bits for one in devices}) > 1:
        raise ValueError("devices described together must run the same precisions")


def figure_of(device: AnyDescriptor, of: Callable[[Descriptor], float]) -> Figure:
    """A figure of one device or of several."""
    return device.figure(of) if isinstance(device, Descriptors) else of(device)


def rows_of(device: AnyDescriptor, of: Callable[[Descriptor], FloatArray]) -> FloatArray:
    """K figures of one device, or D x K of several."""
    return device.rows(of) if isinstance(device, Descriptors) else of(device)


def alike(devices: Sequence[Descriptor]) -> list[int]:
    """Positions of devices, those of one kind and setting next to each other: they agree in most figures."""

    def setting(at: int) -> tuple[str | int | bool, ...]:
        one = devices[at]
        return one.profile.kind.value, one.winograd, one.eager, one.pooling_on_mac_array, one.float_bits, one.batch_size

    return sorted(range(len(devices)), key=setting)


def anywhere(flag: Flag) -> bool:
    """Whether it holds for any device."""
    return flag if isinstance(flag, bool) else bool(flag.any())
