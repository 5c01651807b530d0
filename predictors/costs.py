"""Costs: what N designs cost on a device before any measurement, and what a device may deviate in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from design.encoding import EncodedDesigns, FloatArray
from predictors.call_energy import CallEnergy, call_energy
from predictors.descriptor import Descriptor
from predictors.design_traits import design_traits, scatter_terms
from predictors.deviations import DeviationPrior
from predictors.energy import find_energy_model
from predictors.power import LayerEnergies, layer_energies
from predictors.power_effects import PowerEffects, PowerPrior, learned_energy, shipped_power_effects
from predictors.predictor import Estimates
from predictors.roofline import LayerTimes
from predictors.universal import LatencyParts, UniversalLatency

LATENCY = UniversalLatency()


@dataclass(frozen=True)
class Costs:
    """N designs on one device.

    Attributes:
        model: What predicts latency.
        latency: Of layers and designs, before any measurement.
        energies: Of each distinct row, over the time of the roofline.
        power: How kinds of devices deviate from the closed form of energy; None = as shipped.
    """

    designs: EncodedDesigns
    device: Descriptor
    model: UniversalLatency
    latency: LatencyParts
    energies: LayerEnergies
    power: PowerEffects | None = None

    @property
    def times(self) -> LayerTimes:
        """Of each distinct row, by the roofline."""
        return self.latency.times

    @property
    def latency_ms(self) -> Estimates:
        """N, before any measurement."""
        return self.latency.estimates

    @cached_property
    def traits(self) -> FloatArray:
        """N x TRAITS."""
        return design_traits(self.designs, self.times, self.device)

    @cached_property
    def scatter(self) -> FloatArray:
        """N, variance of each design around its traits."""
        return np.asarray(scatter_terms(self.designs, self.times, self.traits) @ self.model.weights.scatter)

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
        """Of the log deviation of latency, learned on chips left out; noise is in units of `scatter`."""
        variances = self.model.weights.variances.copy()
        variances[0] *= self.device.latency_spread**2
        return DeviationPrior(variances=variances, noise=1.0)


def costs_of(
    designs: EncodedDesigns,
    device: Descriptor,
    energy_model: str,
    power: PowerEffects | None = None,
    model: UniversalLatency = LATENCY,
) -> Costs:
    """Costs of N designs before any measurement.

    Args:
        designs: N.
        device: Where they run.
        energy_model: Name in `predictors.energy.ENERGY_MODELS`.
        power: How kinds of devices deviate from the closed form of energy; None = as shipped.
        model: What predicts latency.

    Raises:
        UnknownName: No such energy model.
    """
    pricing, parts = find_energy_model(energy_model), model.parts(designs, device)
    energies = layer_energies(designs.rows, device, pricing, parts.times.total)
    return Costs(designs, device, model, parts, energies, power)
