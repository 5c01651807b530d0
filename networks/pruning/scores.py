"""Scores: what each filter is worth, by sensitivity or by one of the usual measures it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.errors import InvalidSelection
from networks.layers import Quantized
from networks.network import Network
from networks.pruning.families import Families, Family
from networks.pruning.sensitivity import sensitivities

FloatArray = NDArray[np.float64]
Scores = Mapping[str, FloatArray]
"""Family -> what each of its channels (of its choices, where it has one block) is worth; none is negative."""


class Score(Protocol):
    """A measure of filters; one whose scores are sensitivities, like `Sensitivity`, has `sensitivities = True`."""

    def __call__(self, network: Network, found: Families) -> Scores:
        """What each channel of each family is worth.

        Args:
            network: Its mode and weights are left as they were.
            found: What can be removed from it.
        """


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Empirical sensitivities (Liebenwein et al., arXiv 1911.07412).

    Attributes:
        batches: Gives the pictures to look at, held out of training, anew each time.
        per_weight: See `networks.pruning.shares`.
    """

    batches: Callable[[], Iterable[Tensor]]
    per_weight: bool = False

    def __call__(self, network: Network, found: Families) -> Scores:
        """See Score."""
        seen = sensitivities(network, found, self.batches(), per_weight=self.per_weight)
        return {family.name: seen.of(family, found) for family in found.families}


def gives_sensitivities(score: Score) -> bool:
    """Whether families can share one error bound by its scores; bounds are told for `Sensitivity` alone."""
    return isinstance(score, Sensitivity) or bool(getattr(score, "sensitivities", False))


def is_bounded(score: Score) -> bool:
    """Whether `networks.pruning.bound` speaks of its scores: shares of whole channels, which single weights are not."""
    return isinstance(score, Sensitivity) and not score.per_weight


@dataclass(frozen=True, kw_only=True)
class L1Norm:
    """Sum of a filter's absolute weights (Li et al., arXiv 1608.08710); in a residual stream, of all that write it."""

    def __call__(self, network: Network, found: Families) -> Scores:
        """See Score."""
        return _per_filter(network, found, _absolute_weights)


@dataclass(frozen=True, kw_only=True)
class NormScale:
    """Absolute scale of the batch norm behind a filter (Liu et al., arXiv 1708.06519)."""

    def __call__(self, network: Network, found: Families) -> Scores:
        """See Score.

        Raises:
            InvalidSelection: A filter without a batch norm.
        """
        scales = {unit.step.norm_of: unit.norm for unit in network.units() if unit.step.norm_of}

        def scale(network: Network, layer: str) -> Tensor:
            norm = scales.get(layer)
            if not isinstance(norm, nn.BatchNorm2d):
                raise InvalidSelection(
                    "scales of batch norms can be compared only where every filter has one",
                    f"none behind {layer!r}",
                    "Choose another score.",
                )
            return norm.weight.detach().abs()

        return _per_filter(network, found, scale)


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Drawn uniformly from 0 to 1: what any score must beat."""

    seed: int = 0

    def __call__(self, network: Network, found: Families) -> Scores:
        """See Score."""
        random = np.random.default_rng(self.seed)
        return {family.name: random.uniform(size=family.width) for family in found.families}


def _absolute_weights(network: Network, layer: str) -> Tensor:
    part = network.unit(layer).operation
    assert isinstance(part, Quantized)
    return part.filters_first(part.quantized_weight().detach()).abs().flatten(1).sum(1)


def _per_filter(network: Network, found: Families, score: Callable[[Network, str], Tensor]) -> Scores:
    """Sums of a filter's score over the layers that write a family's channels."""

    def of(family: Family) -> FloatArray:
        total = np.zeros(family.width)
        for group, channels in family.members.items():
            for layer in found.groups.owners[group]:
                with torch.no_grad():
                    total += score(network, layer).double().cpu().numpy()[channels]
        return total

    return {family.name: of(family) for family in found.families}
