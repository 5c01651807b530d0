"""CallEnergy: energy of whole calls in closed form, by part - static power over time, arithmetic, memory traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray
from predictors.descriptor import Descriptor
from predictors.power import LayerEnergies

POWER_TRAITS = ("level", "arithmetic", "memory")
"""What a device's power deviates in: altogether, and where the energy goes (shares of the call's energy)."""


@dataclass(frozen=True, kw_only=True)
class CallEnergy:
    """Joules per call of N designs by part.

    Attributes:
        static: Drawn over the call's time: idle, control, clock.
        arithmetic: Operations.
        memory: Bits moved.
    """

    static: FloatArray
    arithmetic: FloatArray
    memory: FloatArray

    @cached_property
    def total(self) -> FloatArray:
        """Joules per call, N."""
        return np.asarray(self.static + self.arithmetic + self.memory)

    @property
    def time_share(self) -> FloatArray:
        """Share of the energy that grows with the call's time, N."""
        return np.asarray(self.static / self.total)

    @property
    def traits(self) -> FloatArray:
        """N x POWER_TRAITS."""
        return np.column_stack([np.ones(len(self.total)), self.arithmetic / self.total, self.memory / self.total])

    def take(self, index: IntArray) -> CallEnergy:
        """The calls at `index`."""
        return CallEnergy(static=self.static[index], arithmetic=self.arithmetic[index], memory=self.memory[index])

    def lasting(self, seconds: FloatArray, device: Descriptor, log_level: float | None = None) -> CallEnergy:
        """The same calls where they last so many seconds, N.

        Where the device's power rests on an assumed peak, what is known is the energy of a call and not the power: a
        slower device then draws less. Nothing changes there, unless `log_level` (by how much calls last longer than
        the roofline says, altogether) tells what is left for the time to say of single calls.
        """
        if not device.static_per_call:
            return replace(self, static=device.static_w * seconds)
        return self if log_level is None else replace(self, static=device.static_w * np.exp(-log_level) * seconds)


def call_energy(designs: EncodedDesigns, energies: LayerEnergies) -> CallEnergy:
    """Sums over the layers of each design."""
    parts = designs.total(np.stack([energies.static, energies.arithmetic, energies.memory], axis=1))
    return CallEnergy(static=parts[:, 0], arithmetic=parts[:, 1], memory=parts[:, 2])
