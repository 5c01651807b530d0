"""Measurements: latency and energy of designs as measured on one device, checked at construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.errors import BespokeError

LEAST, MOST = 1e-9, 1e12
"""Milliseconds or millijoules of one call that any device may show: a picosecond or picojoule, and decades."""
_NAMED = 5


class InvalidMeasurements(BespokeError):
    """Measured values that cannot be: outside LEAST ... MOST, or not one for each design."""


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What was measured on one device, n designs; a design may stand several times.

    Attributes:
        designs: n.
        latency_ms, energy_mj: n each, of one call; NaN = not measured.

    Raises:
        InvalidMeasurements: Lengths that differ, or a value that is zero, negative, infinite or outside LEAST ... MOST.
    """

    designs: EncodedDesigns
    latency_ms: FloatArray
    energy_mj: FloatArray

    def __post_init__(self) -> None:
        for name in ("latency_ms", "energy_mj"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != (len(self.designs),):
                raise InvalidMeasurements(
                    f"there must be one {name} for each design", f"{values.size} for {len(self.designs)} designs"
                )
            wrong = np.flatnonzero(~(np.isnan(values) | ((values >= LEAST) & (values <= MOST))))
            if len(wrong):
                named = ", ".join(f"{values[place]:g} at position {place}" for place in wrong[:_NAMED])
                more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
                raise InvalidMeasurements(
                    f"every {name} must be finite and above 0, from {LEAST:g} to {MOST:g}",
                    named + more,
                    "Leave out runs that failed: profilers report them as 0.",
                )
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.designs)

    @property
    def latency_index(self) -> IntArray:
        """Positions of the measured latencies."""
        return np.flatnonzero(~np.isnan(self.latency_ms))

    @property
    def energy_index(self) -> IntArray:
        """Positions of the measured energies."""
        return np.flatnonzero(~np.isnan(self.energy_mj))
