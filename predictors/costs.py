"""Costs: what N designs cost on a device before any measurement, and what a device may deviate in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from design.encoding import EncodedDesigns, FloatArray
from predictors.call_energy import CallEnergy, call_energy
from predictors.descriptor import Descriptor
from predictors.design_traits import TRAITS, design_traits
from predictors.deviations import DeviationPrior
from predictors.energy import find_energy_model
from predictors.layer_terms import PARTS
from predictors.power import LayerEnergies, layer_energies
from predictors.power_effects import PowerEffects, PowerPrior, learned_energy, shipped_power_effects
from predictors.predictor import Estimates
from predictors.roofline import LOW_BIT_SPREAD, LayerTimes, latency, layer_times

SHARE_VARIANCE, SLOPE_VARIANCE, NOISE = 0.1, 0.004, 0.012
"""Variances of log latency: of a part that takes all the time, per unit of log size, and of one measurement."""
_LEAST_LEVEL = 0.25


@dataclass(frozen=True)
class Costs:
    """N designs on one device.

    Attributes:
        times, energies: Of each distinct row.
        latency_ms: N, before any measurement.
        power: How kinds of devices deviate from the closed form of energy; None = as shipped.
    """

    designs: EncodedDesigns
    device: Descriptor
    times: LayerTimes
    energies: LayerEnergies
    latency_ms: Estimates
    power: PowerEffects | None = None

    @cached_property
    def traits(self) -> FloatArray:
        """N x TRAITS."""
        return design_traits(self.designs, self.times, self.device)

    @cached_property
    def call_energy(self) -> CallEnergy:
        """Energy of N calls by the closed form, over the time of the roofline."""
        return call_energy(self.designs, self.energies)

    @cached_property
    def power_prior(self) -> PowerPrior:
        """How the device's power deviates from the closed form."""
        effects = self.power or shipped_power_effects()
        return effects.prior(self.device)

    def energy_mj(self, latency_ms: Estimates) -> Estimates:
        """Energy of N designs that take `latency_ms` (N), before any energy is measured."""
        return learned_energy(self.call_energy, self.power_prior, latency_ms, self.device)

    @property
    def latency_prior(self) -> DeviationPrior:
        """Of the log deviation of latency."""
        return _prior(self.device.latency_spread)


def _prior(spread: float) -> DeviationPrior:
    """The level takes what the shares of time do not explain of the spread."""
    variances = np.full(len(TRAITS), SLOPE_VARIANCE)
    variances[1 : 1 + len(PARTS)] = SHARE_VARIANCE
    variances[1 + len(PARTS)] = LOW_BIT_SPREAD**2
    variances[0] = max(spread**2 - SHARE_VARIANCE / 2 - NOISE, _LEAST_LEVEL * spread**2)
    return DeviationPrior(variances=variances, noise=NOISE)


def costs_of(
    designs: EncodedDesigns, device: Descriptor, energy_model: str, power: PowerEffects | None = None
) -> Costs:
    """Costs of N designs, closed form.

    Args:
        designs: N.
        device: Where they run.
        energy_model: Name in `predictors.energy.ENERGY_MODELS`.
        power: How kinds of devices deviate from the closed form of energy; None = as shipped.

    Raises:
        UnknownName: No such energy model.
    """
    rows = np.asfortranarray(designs.rows)  # columns in one piece
    times = layer_times(rows, device)
    energies = layer_energies(rows, device, find_energy_model(energy_model), times.total)
    return Costs(designs, device, times, energies, latency(designs, times, device), power)
