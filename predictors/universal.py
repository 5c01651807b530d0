"""UniversalLatency: one latency predictor for all networks and all kinds of devices, from the Descriptor alone.

    seconds(layer) = price model ^ share x roofline ^ (1 - share)

Two views of each layer, equally additive: prices fitted on every measured table, and the closed form that knows none.
On CPUs that run ncnn, networks like those of its public timings follow the model fitted on these (`LearnedLatency`):
log latency moves towards it by how near a network is, and not at all below sixty million multiply-adds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from design.device import DeviceProfile
from design.encoding import EncodedDesigns, FloatArray
from design.task import Task
from predictors.descriptor import Descriptor, describe
from predictors.descriptors import AnyDescriptor, figure_of, rows_of
from predictors.ncnn_likeness import Likeness, runs_ncnn
from predictors.predictor import Estimates
from predictors.price_model import runtime_class
from predictors.roofline import LOW_BIT_SPREAD, LayerTimes, executed_width, layer_times
from predictors.universal_weights import UniversalWeights, shipped_weights
from predictors.work_terms import priced_seconds

_TINY = 1e-30


@lru_cache(maxsize=1024)
def _shipped_prices(profile: DeviceProfile) -> FloatArray:
    """What the shipped weights price each term of work at on a device, TERMS."""
    return shipped_weights().prices.prices(describe(profile))


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

    def row_seconds(self, rows: FloatArray, device: AnyDescriptor, times: LayerTimes) -> FloatArray:
        """Seconds of every distinct row, R or on several devices D x R; `times` as of the roofline."""
        share = figure_of(device, lambda one: float(self.weights.shares[runtime_class(one)]))
        if isinstance(share, float) and share == 0:
            return times.total
        priced = np.maximum(priced_seconds(rows, device, rows_of(device, self._prices), times.traffic), _TINY)
        logs = share * np.log(priced)
        logs += (1 - share) * np.log(np.maximum(times.total, _TINY))
        return np.asarray(np.exp(logs) * (times.total > 0))

    def _prices(self, device: Descriptor) -> FloatArray:
        """What a device prices each term of work at, TERMS."""
        return self._weights.prices.prices(device) if self._weights else _shipped_prices(device.profile)

    def mean_parts(self, designs: EncodedDesigns, device: Descriptor) -> LatencyParts:
        """Latency of N designs as the sum of their layers alone, whatever the runtime."""
        rows = np.asfortranarray(designs.rows)  # columns in one piece
        times = layer_times(rows, device)
        seconds = self.row_seconds(rows, device, times)
        width = executed_width(rows, device)
        low = seconds * ((width > 0) & (width <= 8))
        total, total_low = designs.total(np.stack([seconds, low], axis=1)).T
        return LatencyParts(times, seconds, self.estimates(total, total_low, device))

    def estimates(self, seconds: FloatArray, low_seconds: FloatArray, device: AnyDescriptor) -> Estimates:
        """Estimates of N designs before any measurement, on several devices D x N.

        Args:
            seconds: Sums over their layers.
            low_seconds: The same of layers that compute at 8 bits or fewer.
            device: Where they run.
        """
        total = np.maximum(seconds, _TINY)
        return Estimates(median=1e3 * total, spread=self._spread(device, low_seconds / total), scale="log")

    def parts(self, designs: EncodedDesigns, device: Descriptor) -> LatencyParts:
        """Everything about the latency of N designs."""
        found = self.mean_parts(designs, device)
        if not runs_ncnn(device):
            return found
        likeness = Likeness.of(designs, executed_width(designs.rows, device))
        if not len(likeness.known):
            return found
        return replace(found, estimates=likeness.moved(found.estimates, likeness.found(device)))

    def _spread(self, device: AnyDescriptor, low: FloatArray) -> FloatArray:
        """Of log latency before any measurement: wider with every assumed figure and share of low precision (N)."""
        own = np.sqrt(device.latency_spread**2 + (LOW_BIT_SPREAD * low) ** 2)
        return np.asarray(own * figure_of(device, lambda one: self.weights.widening(0, runtime_class(one))))

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task | None) -> Estimates:
        """Milliseconds per call of N designs."""
        del task
        return self.parts(designs, device).estimates
