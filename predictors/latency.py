"""LearnedLatency: latency of any network on any CPU - layer model and trees agree on a mean, random effects adapt it.

    log seconds = (1 - w) log(sum of layers) + w (trees + log(MACs / peak)) + deviation of the machine

`w` falls with the distance of a network from those fitted on, where only the sum of layers is to be trusted. The
deviation is zero on average; measurements of any networks on the machine give its posterior in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from design.device import DeviceKind
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.errors import BespokeError
from design.task import Task
from predictors.cpu_facts import CpuFacts, cpu_facts
from predictors.descriptor import Descriptor
from predictors.latency_prior import Networks, Prior, pairs_of, prior_of, priors_of
from predictors.latency_weights import LatencyWeights
from predictors.layer_terms import row_seconds
from predictors.measurement import InvalidMeasurements
from predictors.network_features import NETWORK_FEATURES
from predictors.predictor import Estimates, Predictor
from predictors.random_effects import Posterior, posterior
from predictors.roofline import executed_width
from predictors.trees import KnownTrees

_ASSUMED_VARIANCE = {"clock_ghz": 0.16, "fp32_macs_per_cycle": 0.36, "threads": 0.09, "fp16_arithmetic": 0.06}
"""Variance of log latency that an assumed figure adds: they scale the peak. The core's name stands for the second."""


class UnsupportedDevice(BespokeError):
    """A kind of device that a predictor does not know."""


def _added_variance(device: Descriptor) -> float:
    """Variance for figures of the peak that the profile does not state and its core's name does not tell."""
    known = {"fp32_macs_per_cycle"} if device.profile.core is not None else set()
    fields = {item.field for item in device.assumed} - known
    return sum(_ASSUMED_VARIANCE.get(field, 0.0) for field in fields)


def _estimates(weights: LatencyWeights, found: Posterior, prior: Prior, device: Descriptor) -> Estimates:
    """What is said of N networks on a device after measurements."""
    deviation, variance = found.predict(prior.pairs)
    count = len(found.measured)
    added = _added_variance(device) if count == 0 else 0.0
    spread = np.sqrt(variance + added) * weights.widening(count)
    return Estimates(median=1e3 * np.exp(prior.log_seconds + deviation), spread=spread, scale="log")


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
        return AdaptedLatency(self.weights, device, facts, walk, self._unmeasured(facts), none, np.zeros(0))

    def estimates_each(self, networks: Networks, devices: Sequence[Descriptor]) -> list[Estimates]:
        """Milliseconds per call of N networks on each of several CPUs that run the same precisions, none measured."""
        cpus, batches = [cpu_facts(device) for device in devices], [device.batch_size for device in devices]
        priors = priors_of(self.weights, networks, cpus, batches)
        nothing = self._unmeasured(cpus[0])
        return [_estimates(self.weights, nothing, prior, device) for prior, device in zip(priors, devices, strict=True)]

    def _unmeasured(self, facts: CpuFacts) -> Posterior:
        """What no measurement says."""
        traits = self.weights.effects.traits(np.zeros((0, len(NETWORK_FEATURES))))
        return posterior(pairs_of(traits, np.zeros(0), facts), np.zeros(0), self.weights.variances)

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
        distinct = designs.take(first).compact()
        logs = np.array([np.median(np.log(1e-3 * measured[group == number])) for number in range(len(first))])
        width = executed_width(distinct.rows, device)
        walk = self.weights.trees.knowing(facts.features)
        networks = Networks.of(self.weights, distinct, width)
        prior = prior_of(self.weights, walk, networks, facts, device.batch_size)
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
        return self.estimates(Networks.of(self._weights, designs, executed_width(designs.rows, device)))

    def estimates(self, networks: Networks) -> Estimates:
        """The same of N networks looked at already for the precisions that this device runs."""
        prior = prior_of(self._weights, self._walk, networks, self._facts, self._device.batch_size)
        return _estimates(self._weights, self._posterior, prior, self._device)

    def layer_seconds(self, designs: EncodedDesigns) -> FloatArray:
        """Seconds of every distinct layer by the layer model alone, R; scale them to a design's prediction."""
        width = executed_width(designs.rows, self._device)
        prices = self._weights.layers.prices(self._facts)
        return row_seconds(designs.rows, width, self._facts, prices, self._device.batch_size)
