"""Zero-shot latency of a known space's networks on a device of which nothing was measured, from its descriptor.

The shape is a blend, in standard deviations over the space, of physics (`physics.physical_ms`) and the mean of the
known devices. The level is that of physics, corrected by how far physics is off for the known devices: an effect of
the space, one of each kind of device and one of each device, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from design.device import DeviceProfile
from design.encoding import FloatArray
from predictors.descriptor import Descriptor, describe
from predictors.experts import SpaceFeatures, chip_weights
from predictors.figures import BASE_LATENCY_SPREAD
from predictors.known_space import KnownSpace
from predictors.physics import physical_ms
from predictors.predictor import Estimates
from predictors.tables import profile_of_row, reference_features

PHYSICS_WEIGHT = {"nb201": 0.5, "fbnet": 0.85, "ofa": 0.85}
"""Chosen on known devices left out with their family and with their whole kind, each setting and each family counting
once: nb201 .844 / .868 / .836 at weights 0 / .5 / 1, fbnet .602 / .732 / .762 / .751 and ofa .683 / .807 / .842 / .838
at 0 / .5 / .85 / 1."""
SPACE_VARIANCE, KIND_VARIANCE, DEVICE_VARIANCE = 0.25, 0.15, 0.2
"""Of the log of the measured over the physical level."""
SHAPE_SPREAD = 0.2
"""Standard deviation of a network's log latency around that of the blend, its level known."""
_STRAIGHT = 0.5
"""Relative latencies below this are bent so that they stay above 0."""


@dataclass(frozen=True)
class _Scale:
    """Mean and deviation of values over a space's reference networks."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: FloatArray) -> _Scale:
        return cls(float(values.mean()), max(float(values.std()), 1e-12))

    @property
    def relative(self) -> float:
        return self.deviation / self.mean

    def standard(self, values: FloatArray) -> FloatArray:
        return np.asarray((values - self.mean) / self.deviation)


def zero_shot(known: KnownSpace, features: SpaceFeatures, device: Descriptor) -> Estimates:
    """Milliseconds per call of N networks in full precision, with the spread of their logarithm.

    A network's figure does not depend on the others asked for. On a device that runs pools on its MAC array physics
    stands alone wherever networks pool: no known device does so.

    Args:
        known: What is known of the space.
        features: N networks.
        device: Described.
    """
    reference = reference_features(known.name)
    physics = physical_ms(reference.amounts, device)
    others = _mean_source(known, reference)
    by_physics, by_others = _Scale.of(physics), _Scale.of(others)
    weight = 1.0 if device.pooling_on_mac_array and _pools(reference) else PHYSICS_WEIGHT[known.name]
    mixed = weight * by_physics.standard(physics) + (1 - weight) * by_others.standard(others)
    own = weight * by_physics.standard(physical_ms(features.amounts, device))
    own = own + (1 - weight) * by_others.standard(_mean_source(known, features))
    relative = weight * by_physics.relative + (1 - weight) * by_others.relative
    shape = _positive(1 + relative * own / max(float(mixed.std()), 1e-12))
    correction, variance = _level(known, device)
    return Estimates(
        median=by_physics.mean * np.exp(correction) * shape,
        spread=np.full(len(features), np.sqrt(variance + SHAPE_SPREAD**2)),
        scale="log",
    )


def _pools(reference: SpaceFeatures) -> bool:
    return bool(np.ptp(reference.pool_macs) > 0)


def _mean_source(known: KnownSpace, features: SpaceFeatures) -> FloatArray:
    """Relative latency on the known devices, each chip once, N."""
    sources = [source.on(features) for source in known.sources]
    return np.asarray(chip_weights(sources) @ np.stack([source.values for source in sources]))


def _positive(relative: FloatArray) -> FloatArray:
    """The same above `_STRAIGHT`, an exponential that meets it there below."""
    return np.where(relative >= _STRAIGHT, relative, _STRAIGHT * np.exp(np.minimum(relative / _STRAIGHT - 1, 0.0)))


@lru_cache(maxsize=256)
def _physical_level(space: str, profile: DeviceProfile) -> float:
    """Mean over a space's reference networks, ms."""
    return float(physical_ms(reference_features(space).amounts, describe(profile)).mean())


def _level(known: KnownSpace, device: Descriptor) -> tuple[float, float]:
    """What to add to the log of the physical level, and the variance that remains.

    Known devices count whose profile the catalogue has; settings of one chip share most of their deviation. A kind of
    device that is not among them is less certain.
    """
    kinds, chips, off = [], [], []
    for source in known.sources:
        profile = profile_of_row(known.name, source.name)
        if profile is not None:
            kinds.append(profile.kind)
            chips.append(source.chip)
            off.append(np.log(source.level_ms / _physical_level(known.name, profile)))
    thin = device.latency_spread**2 - BASE_LATENCY_SPREAD[device.profile.kind] ** 2
    strange = DEVICE_VARIANCE * (device.profile.kind not in kinds)
    prior = SPACE_VARIANCE + KIND_VARIANCE + DEVICE_VARIANCE + thin + strange
    if not off:
        return 0.0, prior
    own_kind, own_chip = np.array(kinds), np.array(chips)
    shared = SPACE_VARIANCE + KIND_VARIANCE * (own_kind[:, None] == own_kind[None])
    same = DEVICE_VARIANCE * (own_chip[:, None] == own_chip[None])
    inner = shared + 0.8 * same + 0.2 * DEVICE_VARIANCE * np.eye(len(off))
    outer = SPACE_VARIANCE + KIND_VARIANCE * (own_kind == device.profile.kind)
    solved = np.linalg.solve(inner, np.column_stack([np.array(off), outer]))
    return float(outer @ solved[:, 0]), float(prior - outer @ solved[:, 1])
