"""Likeness: which designs follow the model of ncnn timings on CPUs under that runtime, how far, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np

from design.device import DeviceKind, DeviceProfile
from design.encoding import Column, EncodedDesigns, FloatArray, IntArray
from predictors.descriptor import Descriptor, describe
from predictors.latency import AdaptedLatency, LearnedLatency
from predictors.latency_prior import Networks
from predictors.latency_weights import KIND, load_latency_weights
from predictors.network_features import network_features
from predictors.predictor import Estimates
from predictors.storage import WEIGHTS

KNOWN_MACS = (60e6, 200e6)
"""Nearly all networks of the ncnn timings are larger than the first; from the second on only likeness counts."""
_LEAST_LIKENESS = 0.25
"""Squared; networks further from all of the timings are not asked about."""


@cache
def ncnn_latency() -> LearnedLatency:
    """The shipped model of CPUs under ncnn."""
    return LearnedLatency(load_latency_weights(WEIGHTS / f"{KIND}.safetensors"))


@lru_cache(maxsize=256)
def _ncnn_on(profile: DeviceProfile) -> AdaptedLatency:
    """The same for one device, ready to predict."""
    return ncnn_latency().unmeasured(describe(profile))


def runs_ncnn(device: Descriptor) -> bool:
    """Whether it is a CPU whose runtime is ncnn."""
    runtime = (device.profile.runtime or "").casefold()
    return device.profile.kind is DeviceKind.CPU and runtime.startswith("ncnn") and "vulkan" not in runtime


@dataclass(frozen=True)
class Likeness:
    """How N designs follow the model of ncnn timings, on every CPU that computes their layers at the same bits.

    Attributes:
        designs: N.
        width: R, bits that each distinct layer computes at.
        weight: N, how far a design follows it: 0 (it is not asked about) to 1.
    """

    designs: EncodedDesigns
    width: IntArray
    weight: FloatArray

    @classmethod
    def of(cls, designs: EncodedDesigns, width: IntArray) -> Likeness:
        """By size, and by how like the networks of the timings the design is."""
        macs = np.log(np.maximum(designs.total(designs.rows[:, Column.MACS]), 1.0))
        low, high = np.log(KNOWN_MACS)
        weight = np.clip((macs - low) / (high - low), 0.0, 1.0)
        large = np.flatnonzero(weight > 0)
        if len(large):
            features = network_features(designs, width)[large]
            near = ncnn_latency().weights.effects.traits(features).nearest ** 2
            weight[large] *= np.clip((near - _LEAST_LIKENESS) / (1 - _LEAST_LIKENESS), 0.0, 1.0)
        return cls(designs, width, weight)

    @cached_property
    def known(self) -> IntArray:
        """Designs that follow it at all, K."""
        return np.flatnonzero(self.weight > 0)

    @cached_property
    def _networks(self) -> Networks:
        return Networks.of(ncnn_latency().weights, self.designs.take(self.known), self.width)

    def found(self, device: Descriptor) -> Estimates:
        """What the model says of the K designs that follow it (K >= 1), on one such CPU."""
        return _ncnn_on(device.profile).estimates(self._networks)

    def found_each(self, devices: Sequence[Descriptor]) -> list[Estimates]:
        """The same on each of several such CPUs."""
        return ncnn_latency().estimates_each(self._networks, devices)

    def moved(self, plain: Estimates, found: Estimates) -> Estimates:
        """Estimates of the N designs on such a CPU moved towards what the model says of K of them."""
        near = self.weight[self.known]
        median, spread = plain.median.copy(), plain.spread.copy()
        median[self.known] *= np.exp(near * np.log(found.median / median[self.known]))
        spread[self.known] = np.sqrt(near * found.spread**2 + (1 - near) * spread[self.known] ** 2)
        return Estimates(median=median, spread=spread, scale="log")
