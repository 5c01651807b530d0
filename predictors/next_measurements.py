"""Next measurements: the designs whose measurement tells most about all the others, and what each will buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.encoding import EncodedDesigns, FloatArray
from design.errors import BespokeError
from predictors.adapt import DEFAULT_ENERGY_MODEL, Adaptation, OtherDevice
from predictors.costs import costs_of
from predictors.descriptor import Descriptor
from predictors.random_effects import NORMAL_90


class InvalidRequest(BespokeError):
    """More designs asked for than there are candidates."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One design to measure.

    Attributes:
        index: Among the candidates.
        spread_before, spread_after: Median over all candidates of high / low end of the 90 % interval of latency,
            before this measurement (and after those suggested earlier), and after it.
    """

    index: int
    spread_before: float
    spread_after: float


def next_measurements(
    device: Descriptor, candidates: EncodedDesigns, count: int, adaptation: Adaptation | None = None
) -> list[Suggestion]:
    """The most informative designs, greedily: each leaves the least mean variance over all candidates.

    Closed form: the variance after a measurement does not depend on what it will show.

    Args:
        device: What would be measured.
        candidates: C designs that matter; those suggested are among them.
        count: Suggestions, at most C.
        adaptation: What was measured before.

    Raises:
        InvalidRequest: `count` below 1 or above C.
        OtherDevice: The adaptation is of another device.
    """
    if not 1 <= count <= len(candidates):
        raise InvalidRequest(f"count must be between 1 and the {len(candidates)} candidates", str(count))
    if adaptation is not None and adaptation.device.profile != device.profile:
        raise OtherDevice("the adaptation must be of this device", repr(adaptation.device.profile.name))
    costs = costs_of(candidates, device, DEFAULT_ENERGY_MODEL)
    traits, prior = costs.traits, costs.latency_prior
    covariance, noise = np.diag(prior.variances), prior.noise * costs.scatter
    if adaptation is not None and adaptation.latency is not None:
        covariance, noise = adaptation.latency.covariance, adaptation.latency.noise * costs.scatter
    second = traits.T @ traits / len(traits)
    open_ = np.ones(len(traits), dtype=bool)
    found = []
    for _ in range(count):
        reach = traits @ covariance
        own = np.maximum((reach * traits).sum(axis=1), 0.0)
        gain = np.where(open_, ((reach @ second) * reach).sum(axis=1) / (own + noise), -np.inf)
        chosen = int(np.argmax(gain))
        open_[chosen] = False
        covariance = covariance - np.outer(reach[chosen], reach[chosen]) / (own[chosen] + noise[chosen])
        after = np.maximum(((traits @ covariance) * traits).sum(axis=1), 0.0)
        found.append(Suggestion(index=chosen, spread_before=_width(own, noise), spread_after=_width(after, noise)))
    return found


def _width(variance: FloatArray, noise: FloatArray) -> float:
    return float(np.exp(2 * NORMAL_90 * np.sqrt(np.median(variance + noise))))
