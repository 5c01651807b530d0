"""LearnedLatency: latency of any network on any CPU - layer model and trees agree on a mean, random effects adapt it.

    log seconds = (1 - w) log(sum of layers) + w (trees + log(MACs / peak)) + deviation of the machine

`w` falls with the distance of a network from those fitted on, where only the sum of layers is to be trusted. The
deviation is zero on average; measurements of any networks on the machine give its posterior in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from design.device import DeviceKind
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.errors import BespokeError
from design.task import Task
from predictors.cpu_facts import CpuFacts, cpu_facts
from predictors.descriptor import Descriptor
from predictors.latency_weights import LatencyWeights
from predictors.layer_model import LayerModel
from predictors.layer_terms import row_seconds
from predictors.measurement import InvalidMeasurements
from predictors.network_effects import NetworkTraits
from predictors.network_features import LOG_MACS, NETWORK_FEATURES, SHARE_INT8, network_features
from predictors.predictor import Estimates, Predictor
from predictors.random_effects import Pairs, Posterior, posterior
from predictors.roofline import executed_width
from predictors.trees import KnownTrees

_ASSUMED_VARIANCE = {"clock_ghz": 0.16, "fp32_macs_per_cycle": 0.36, "threads": 0.09, "fp16_arithmetic": 0.06}
"""Variance of log latency that an assumed figure adds: they scale the peak. The core's name stands for the second."""


class UnsupportedDevice(BespokeError):
    """A kind of device that a predictor does not know."""


@dataclass(frozen=True, kw_only=True)
class _Prior:
    """Predictions of N designs on one setting before any measurement: log seconds, and the pairs."""

    log_seconds: FloatArray
    pairs: Pairs


def pairs_of(traits: NetworkTraits, int8: FloatArray, facts: CpuFacts, setting: int = 0) -> Pairs:
    """N networks on one setting."""
    count = len(int8)
    return Pairs(
        traits=traits,
        int8=int8,
        setting=np.full(count, setting, dtype=np.int64),
        log_cores=np.full(count, np.log(facts.cores)),
        little=np.full(count, float(facts.little)),
    )


def blended(layers: FloatArray, trees: FloatArray, traits: NetworkTraits, tree_weight: float) -> FloatArray:
    """Mean of the two log predictions, N each, by how near the network is to those fitted on."""
    weight = tree_weight * traits.nearest**2
    return np.asarray((1 - weight) * (layers + traits.bias) + weight * trees)


def _prior(
    weights: LatencyWeights,
    walk: KnownTrees,
    designs: EncodedDesigns,
    width: IntArray,
    facts: CpuFacts,
    batch: int,
) -> _Prior:
    features = network_features(designs, width)
    traits = weights.effects.traits(features)
    rows = _Rows.of(designs, width)
    layers = np.log(np.maximum(designs.total(rows.seconds(facts, weights.layers, batch)), 1e-12))
    offset = features[:, LOG_MACS] + np.log(batch) - np.log(facts.macs_per_second)
    trees = walk.predict(features) + offset
    if facts.binary_speedup > 1 and (width == 1).any():
        plain = replace(facts, binary_speedup=1.0)
        slow = designs.total(rows.seconds(plain, weights.layers, batch))
        trees = trees + layers - np.log(np.maximum(slow, 1e-12))
    log_seconds = blended(layers, trees, traits, weights.tree_weight)
    return _Prior(log_seconds=log_seconds, pairs=pairs_of(traits, features[:, SHARE_INT8], facts))


@dataclass(frozen=True)
class _Rows:
    """Those of R distinct rows that some design has: a few designs often share a table with thousands.

    Attributes:
        named: Their numbers.
        rows: They themselves.
        width: Bits that each of them computes at.
        number: R.
    """

    named: IntArray
    rows: FloatArray
    width: IntArray
    number: int

    @classmethod
    def of(cls, designs: EncodedDesigns, width: IntArray) -> _Rows:
        """Of a set of designs; `width` is R."""
        named = np.flatnonzero(designs.named)
        return cls(named, designs.rows[named], width[named], len(width))

    def seconds(self, facts: CpuFacts, layers: LayerModel, batch: int) -> FloatArray:
        """Of every distinct row, R; 0 of those that no design has."""
        found = np.zeros(self.number)
        found[self.named] = row_seconds(self.rows, self.width, facts, layers.prices(facts), batch)
        return found


def _compact(designs: EncodedDesigns) -> EncodedDesigns:
    """The same designs with only the rows they name: a few designs often share a table with thousands."""
    named, ids = np.unique(designs.row_ids, return_inverse=True)
    return replace(designs, rows=designs.rows[named], row_ids=ids.reshape(designs.row_ids.shape), blocks=None)


def _added_variance(device: Descriptor) -> float:
    """Variance for figures of the peak that the profile does not state and its core's name does not tell."""
    known = {"fp32_macs_per_cycle"} if device.profile.core is not None else set()
    fields = {item.field for item in device.assumed} - known
    return sum(_ASSUMED_VARIANCE.get(field, 0.0) for field in fields)


class LearnedLatency:
    """Latency of one inference call on CPUs, with 90 % intervals calibrated on machines left out.

    Args:
        weights: What was fitted.
        fallback: Answers for other kinds of devices.
    """

    name = "learned-latency"
    version = "1"

    def __init__(self, weights: LatencyWeights, fallback: Predictor | None = None) -> None:
        self.weights = weights
        self.fallback = fallback

    def supports(self, device: Descriptor) -> bool:
        """Whether the device is of a kind that it was fitted on."""
        return device.profile.kind is DeviceKind.CPU

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """Milliseconds per call of N designs.

        Raises:
            UnsupportedDevice: Not a CPU, and no fallback.
        """
        if self.supports(device):
            return self.unmeasured(device).predict(designs, device, task)
        if self.fallback is None:
            raise UnsupportedDevice("the device must be a CPU", device.profile.kind.value, "Use the roofline.")
        return self.fallback.predict(designs, device, task)

    def unmeasured(self, device: Descriptor) -> AdaptedLatency:
        """The predictor of one CPU before any measurement.

        Raises:
            UnsupportedDevice: Not a CPU.
        """
        if not self.supports(device):
            raise UnsupportedDevice("the device must be a CPU", device.profile.kind.value, "Use the roofline.")
        facts, none = cpu_facts(device), np.zeros(0, dtype=np.int64)
        walk = self.weights.trees.knowing(facts.features)
        traits = self.weights.effects.traits(np.zeros((0, len(NETWORK_FEATURES))))
        found = posterior(pairs_of(traits, np.zeros(0), facts), np.zeros(0), self.weights.variances)
        return AdaptedLatency(self.weights, device, facts, walk, found, none, np.zeros(0))

    def likeness(self, designs: EncodedDesigns, device: Descriptor, index: IntArray) -> FloatArray:
        """How like the networks fitted on each of the designs at `index` is (1: one of them)."""
        features = network_features(designs, executed_width(designs.rows, device))
        return self.weights.effects.traits(features[index]).nearest

    def adapt(self, designs: EncodedDesigns, latency_ms: FloatArray, device: Descriptor) -> AdaptedLatency:
        """The same predictor after M measurements on one device, in closed form.

        Repeated measurements of one design count once, by their median.

        Args:
            designs: The M designs measured.
            latency_ms: M, per call.
            device: What they were measured on.

        Raises:
            InvalidMeasurements: A time that is not finite and above zero, or not one for each design.
            UnsupportedDevice: Not a CPU.
        """
        if not self.supports(device):
            raise UnsupportedDevice("the device must be a CPU", device.profile.kind.value, "Use the roofline.")
        measured = np.asarray(latency_ms, dtype=np.float64)
        if measured.shape != (len(designs),):
            raise InvalidMeasurements("there must be one time for each design", f"{len(measured)} for {len(designs)}")
        if not bool(np.all(np.isfinite(measured) & (measured > 0))):
            wrong = measured[~(np.isfinite(measured) & (measured > 0))]
            raise InvalidMeasurements("times must be finite and above 0 ms", f"{wrong[0]:g}", "Leave failed runs out.")
        facts = cpu_facts(device)
        _, first, group = np.unique(designs.row_ids, axis=0, return_index=True, return_inverse=True)
        distinct = _compact(designs.take(first))
        logs = np.array([np.median(np.log(1e-3 * measured[group == number])) for number in range(len(first))])
        width = executed_width(distinct.rows, device)
        walk = self.weights.trees.knowing(facts.features)
        prior = _prior(self.weights, walk, distinct, width, facts, device.batch_size)
        found = posterior(prior.pairs, logs - prior.log_seconds, self.weights.variances)
        return AdaptedLatency(self.weights, device, facts, walk, found, group, prior.log_seconds)


class AdaptedLatency:
    """LearnedLatency after measurements on one device (none: as before).

    Attributes:
        doubtful: M, measurements that the others contradict and that count for little.

    Args:
        weights: What was fitted.
        device: What was measured.
        facts: Of its CPU.
        walk: Trees for this CPU.
        found: What the D distinct designs measured say.
        group: M, number of the design of each measurement.
        log_seconds: D, of the designs before any measurement.
    """

    name = "learned-latency-adapted"
    version = LearnedLatency.version

    def __init__(
        self,
        weights: LatencyWeights,
        device: Descriptor,
        facts: CpuFacts,
        walk: KnownTrees,
        found: Posterior,
        group: IntArray,
        log_seconds: FloatArray,
    ) -> None:
        self._weights, self._walk, self._facts, self._device = weights, walk, facts, device
        self._posterior, self._group, self._log_seconds = found, group, log_seconds
        self.doubtful: NDArray[np.bool_] = found.doubtful[group] > 0

    def left_out_ms(self) -> FloatArray:
        """What the other designs say of each measurement, M, in closed form."""
        return np.asarray(1e3 * np.exp(self._log_seconds + self._posterior.left_out()))[self._group]

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task | None) -> Estimates:
        """Milliseconds per call of N designs on the device that was measured.

        Raises:
            UnsupportedDevice: Another device or setting than the one measured.
        """
        if device.profile != self._device.profile:
            raise UnsupportedDevice("the device must be the one measured", device.profile.name, "Adapt to it first.")
        weights, width = self._weights, executed_width(designs.rows, device)
        prior = _prior(weights, self._walk, designs, width, self._facts, device.batch_size)
        deviation, variance = self._posterior.predict(prior.pairs)
        count = len(self._posterior.measured)
        added = _added_variance(device) if count == 0 else 0.0
        spread = np.sqrt(variance + added) * weights.widening(count)
        return Estimates(median=1e3 * np.exp(prior.log_seconds + deviation), spread=spread, scale="log")

    def layer_seconds(self, designs: EncodedDesigns) -> FloatArray:
        """Seconds of every distinct layer by the layer model alone, R; scale them to a design's prediction."""
        width = executed_width(designs.rows, self._device)
        prices = self._weights.layers.prices(self._facts)
        return row_seconds(designs.rows, width, self._facts, prices, self._device.batch_size)
