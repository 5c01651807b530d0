"""UniversalLatency: one latency predictor for all networks and all kinds of devices, from the Descriptor alone.

    seconds(layer) = price model ^ share x roofline ^ (1 - share)

Two views of each layer, equally additive: prices fitted on every measured table, and the closed form that knows none.
On CPUs that run ncnn, networks like those of its public timings follow the model fitted on these (`LearnedLatency`):
log latency moves towards it by how near a network is, and not at all below sixty million multiply-adds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from design.device import DeviceKind, DeviceProfile
from design.encoding import Column, EncodedDesigns, FloatArray
from design.task import Task
from predictors.descriptor import Descriptor, describe
from predictors.latency import AdaptedLatency, LearnedLatency
from predictors.latency_weights import KIND, load_latency_weights
from predictors.predictor import Estimates
from predictors.price_model import runtime_class
from predictors.roofline import LOW_BIT_SPREAD, LayerTimes, executed_width, layer_times
from predictors.storage import WEIGHTS
from predictors.universal_weights import UniversalWeights, shipped_weights
from predictors.work_terms import priced_seconds

KNOWN_MACS = (60e6, 200e6)
"""Nearly all networks of the ncnn timings are larger than the first; from the second on only likeness counts."""
_LEAST_LIKENESS = 0.25
"""Squared; networks further from all of the timings are not asked about."""
_TINY = 1e-30


@cache
def ncnn_latency() -> LearnedLatency:
    """The shipped model of CPUs under ncnn."""
    return LearnedLatency(load_latency_weights(WEIGHTS / f"{KIND}.safetensors"))


@lru_cache(maxsize=256)
def _ncnn_on(profile: DeviceProfile) -> AdaptedLatency:
    """The same for one device, ready to predict."""
    return ncnn_latency().unmeasured(describe(profile))


@lru_cache(maxsize=1024)
def _shipped_prices(profile: DeviceProfile) -> FloatArray:
    """What the shipped weights price each term of work at on a device, TERMS."""
    return shipped_weights().prices.prices(describe(profile))


def runs_ncnn(device: Descriptor) -> bool:
    """Whether it is a CPU whose runtime is ncnn."""
    runtime = (device.profile.runtime or "").casefold()
    return device.profile.kind is DeviceKind.CPU and runtime.startswith("ncnn") and "vulkan" not in runtime


@dataclass(frozen=True)
class LatencyParts:
    """N designs on one device.

    Attributes:
        times: Of each distinct row by the roofline: what bounds it.
        row_seconds: R, of the sum of layers; where estimates differ from the sum, layers are scaled to them.
        estimates: Milliseconds per call, N.
    """

    times: LayerTimes
    row_seconds: FloatArray
    estimates: Estimates


class UniversalLatency:
    """Latency of a call on any device, with 90 % intervals calibrated on chips left out.

    Args:
        weights: What was fitted; the shipped ones if None.
    """

    name = "universal-latency"
    version = "1"

    def __init__(self, weights: UniversalWeights | None = None) -> None:
        self._weights = weights

    @property
    def weights(self) -> UniversalWeights:
        """What was fitted."""
        return self._weights or shipped_weights()

    def row_seconds(self, rows: FloatArray, device: Descriptor, times: LayerTimes) -> FloatArray:
        """Seconds of every distinct row, R; `times` as of the roofline."""
        weights = self.weights
        share = float(weights.shares[runtime_class(device)])
        if share == 0:
            return times.total
        prices = weights.prices.prices(device) if self._weights else _shipped_prices(device.profile)
        priced = priced_seconds(rows, device, prices)
        return np.asarray(np.maximum(priced, _TINY) ** share * times.total ** (1 - share))

    def mean_parts(self, designs: EncodedDesigns, device: Descriptor) -> LatencyParts:
        """Latency of N designs as the sum of their layers alone, whatever the runtime."""
        rows = np.asfortranarray(designs.rows)  # columns in one piece
        times = layer_times(rows, device)
        seconds = self.row_seconds(rows, device, times)
        width = executed_width(rows, device)
        low = seconds * ((width > 0) & (width <= 8))
        total, total_low = designs.total(np.stack([seconds, low], axis=1)).T
        total = np.maximum(total, _TINY)
        estimates = Estimates(median=1e3 * total, spread=self._spread(device, total_low / total), scale="log")
        return LatencyParts(times, seconds, estimates)

    def parts(self, designs: EncodedDesigns, device: Descriptor) -> LatencyParts:
        """Everything about the latency of N designs."""
        found = self.mean_parts(designs, device)
        return replace(found, estimates=_towards_ncnn(designs, device, found.estimates)) if runs_ncnn(device) else found

    def _spread(self, device: Descriptor, low: FloatArray) -> FloatArray:
        """Of log latency before any measurement: wider with every assumed figure and share of low precision (N)."""
        own = np.sqrt(device.latency_spread**2 + (LOW_BIT_SPREAD * low) ** 2)
        return np.asarray(own * self.weights.widening(0, runtime_class(device)))

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task | None) -> Estimates:
        """Milliseconds per call of N designs."""
        del task
        return self.parts(designs, device).estimates


def _towards_ncnn(designs: EncodedDesigns, device: Descriptor, plain: Estimates) -> Estimates:
    """Estimates moved towards the model of ncnn timings, by size and likeness."""
    weight, found = ncnn_weight(designs, device)
    known = np.flatnonzero(weight > 0)
    if not len(known):
        return plain
    near = weight[known]
    median, spread = plain.median.copy(), plain.spread.copy()
    median[known] *= np.exp(near * np.log(found.median[known] / median[known]))
    spread[known] = np.sqrt(near * found.spread[known] ** 2 + (1 - near) * spread[known] ** 2)
    return Estimates(median=median, spread=spread, scale="log")


def ncnn_weight(designs: EncodedDesigns, device: Descriptor) -> tuple[FloatArray, Estimates]:
    """How far each of N designs is like the networks of the ncnn timings (0 to 1), and what their model says.

    Designs of weight 0 are not asked about.
    """
    macs = np.log(np.maximum(designs.total(designs.rows[:, Column.MACS]), 1.0))
    low, high = np.log(KNOWN_MACS)
    weight = np.clip((macs - low) / (high - low), 0.0, 1.0)
    large = np.flatnonzero(weight > 0)
    median, spread = np.ones(len(designs)), np.ones(len(designs))
    if len(large):
        likeness = ncnn_latency().likeness(designs, device, large)
        weight[large] *= np.clip((likeness**2 - _LEAST_LIKENESS) / (1 - _LEAST_LIKENESS), 0.0, 1.0)
    known = np.flatnonzero(weight > 0)
    if len(known):
        near = designs.take(known)
        found = _ncnn_on(device.profile).predict(near, device, None)
        median[known], spread[known] = found.median, found.spread
    return weight, Estimates(median=median, spread=spread, scale="log")
