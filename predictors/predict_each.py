"""Predict each: what the same designs will cost on many devices that run the same precisions, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from design.encoding import EncodedDesigns
from design.task import Task
from predictors.adapt import DEFAULT_ENERGY_MODEL
from predictors.call_energy import CallEnergy
from predictors.costs import LATENCY
from predictors.descriptor import Descriptor
from predictors.descriptors import HELD, Descriptors, alike, check_alike
from predictors.energy import EnergyModel, find_energy_model
from predictors.layer_sums import LayerSums
from predictors.ncnn_likeness import Likeness, runs_ncnn
from predictors.power import layer_energies
from predictors.power_effects import learned_energy, shipped_power_effects
from predictors.predictions import Predictions, assembled
from predictors.predictor import Estimates
from predictors.roofline import executed_width, layer_times

Costs = tuple[Estimates, CallEnergy]
"""Latency and energy by the closed form, of N designs on one device."""


def predict_each(
    designs: EncodedDesigns, devices: Sequence[Descriptor], task: Task, *, energy_model: str = DEFAULT_ENERGY_MODEL
) -> list[Predictions]:
    """The same as `predict` for each of D devices without measurements, but for last digits of sums.

    Args:
        designs: N.
        devices: D, which run the same precisions.
        task: For which pictures.
        energy_model: Name in `predictors.energy.ENERGY_MODELS`.

    Raises:
        UnknownName: No such energy model.
        ValueError: The devices do not run the same precisions.
    """
    check_alike(devices)
    pricing, effects, sums = find_energy_model(energy_model), shipped_power_effects(), LayerSums(designs)
    order, together = alike(devices), max(HELD // max(len(designs.rows), 1), 1)
    latency: list[Estimates] = []
    calls: list[CallEnergy] = []
    for first in range(0, len(devices), together):
        chunk = [devices[at] for at in order[first : first + together]]
        for latency_ms, call in _costs(designs, chunk, pricing, sums):
            latency.append(latency_ms)
            calls.append(call)
    latency = _towards_ncnn(designs, [devices[at] for at in order], latency)
    found: dict[int, Predictions] = {}
    for at, latency_ms, call in zip(order, latency, calls, strict=True):
        energy_mj = learned_energy(call, effects.prior(devices[at]), latency_ms, devices[at])
        found[at] = assembled(
            designs, devices[at], task, latency_ms=latency_ms, energy_mj=energy_mj, energy_model=energy_model
        )
    return [found[at] for at in range(len(devices))]


def _towards_ncnn(designs: EncodedDesigns, devices: Sequence[Descriptor], latency: list[Estimates]) -> list[Estimates]:
    """Estimates on D devices, those on CPUs under ncnn moved towards what its timings say."""
    asked = [at for at, device in enumerate(devices) if runs_ncnn(device)]
    if not asked:
        return latency
    likeness = Likeness.of(designs, executed_width(designs.rows, devices[0]))
    if not len(likeness.known):
        return latency
    found = dict(zip(asked, likeness.found_each([devices[at] for at in asked]), strict=True))
    return [likeness.moved(plain, found[at]) if at in found else plain for at, plain in enumerate(latency)]


def _costs(
    designs: EncodedDesigns, devices: Sequence[Descriptor], pricing: EnergyModel, sums: LayerSums
) -> list[Costs]:
    """Latency as the sum of layers, and energy, on each of D devices."""
    rows, device, number = designs.rows, Descriptors.of(devices), len(devices)
    times = layer_times(rows, device)
    seconds = LATENCY.row_seconds(rows, device, times)
    width = executed_width(rows, device)
    low = seconds * ((width > 0) & (width <= 8))
    energies = layer_energies(rows, device, pricing, times.total)
    total, total_low, static, arithmetic, memory = sums.of(
        seconds, low, energies.static, energies.arithmetic, energies.memory, number=number
    )
    latency = LATENCY.estimates(total, total_low, device)
    spread = np.broadcast_to(latency.spread, total.shape)
    return [
        (
            Estimates(median=latency.median[at], spread=spread[at], scale="log"),
            CallEnergy(static=static[at], arithmetic=arithmetic[at], memory=memory[at]),
        )
        for at in range(number)
    ]
