"""Allocation: how many choices each family keeps, as one number moves from all removed to all kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from design.architecture import Architecture
from networks.pruning.bound import BERNSTEIN, BoundOptions, LayerBound, epsilon_for, logarithm, samples_for
from networks.pruning.families import Families
from networks.pruning.sampling import distribution, expected_distinct, samples_to_keep
from networks.pruning.scores import Scores

FloatArray = NDArray[np.float64]
LOOSEST, TIGHTEST = math.log(1e6), math.log(1e-9)
"""Logarithms of the largest and smallest epsilon of the search."""


class Allocation(Protocol):
    """Numbers kept of every family, in their order."""

    def wanted(self, position: float) -> FloatArray:
        """Choices that each family would keep, not rounded; never less at a larger position.

        Args:
            position: From 0 (as few as possible) to 1 (all).
        """


@dataclass(frozen=True, kw_only=True)
class SameShare:
    """The same share of each family, whatever its layers do.

    Attributes:
        sizes: Choices of each family.
    """

    sizes: Sequence[int]

    def wanted(self, position: float) -> FloatArray:
        """See Allocation."""
        return position * np.array(self.sizes, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class SharedEpsilon:
    """As many as m(epsilon) draws are expected to hit, one epsilon for all layers (arXiv 1911.07412).

    Families of which few channels carry most of every sum (small S) need few draws: that is what tells layers apart.
    An equal epsilon makes the largest error bound of any layer as small as the budget allows.

    Attributes:
        scores: Sensitivities of each family.
        logs: `bound.logarithm` of each family, the largest of the layers that read it.
        options: Constants of the bound; a common factor shifts epsilon and leaves the numbers as they are.
    """

    scores: Sequence[FloatArray]
    logs: Sequence[float]
    options: BoundOptions = BERNSTEIN

    def wanted(self, position: float) -> FloatArray:
        """See Allocation."""
        if position >= 1:
            return np.array([len(own) for own in self.scores], dtype=np.float64)
        epsilon = math.exp(LOOSEST + position * (TIGHTEST - LOOSEST))
        return np.array(
            [
                expected_distinct(distribution(own), samples_for(epsilon, float(own.sum()), log, self.options))
                for own, log in zip(self.scores, self.logs, strict=True)
            ]
        )


def shared_epsilon(
    architecture: Architecture, found: Families, scores: Scores, options: BoundOptions = BERNSTEIN
) -> SharedEpsilon:
    """The allocation of an architecture's families by their sensitivities."""
    logs = [
        max(_logarithm(architecture, found, name, options) for name in found.read_by(one)) for one in found.families
    ]
    return SharedEpsilon(scores=[scores[one.name] for one in found.families], logs=logs, options=options)


def _logarithm(architecture: Architecture, found: Families, name: str, options: BoundOptions) -> float:
    return logarithm(architecture.layer(name), options, unsigned=name in found.unsigned)


def whole(wanted: FloatArray, sizes: Sequence[int], multiple: int = 1) -> tuple[int, ...]:
    """Whole numbers of choices: rounded up to a multiple, at least one of each family, at most all."""
    up = np.ceil(np.maximum(wanted, 1) / multiple - 1e-9).astype(np.int64) * multiple
    return tuple(int(one) for one in np.minimum(up, sizes))


def bounds(
    architecture: Architecture,
    found: Families,
    scores: Scores,
    counts: Mapping[str, int],
    options: BoundOptions = BERNSTEIN,
) -> tuple[LayerBound, ...]:
    """`layer_bound` of every layer that reads a family, where each family keeps its number wherever it is read."""
    return tuple(layer_bound(architecture, found, scores, name, counts, options) for name in found.readers)


def layer_bound(
    architecture: Architecture,
    found: Families,
    scores: Scores,
    name: str,
    counts: Mapping[str, int],
    options: BoundOptions = BERNSTEIN,
) -> LayerBound:
    """What the theorem says of a layer that reads families: the samples that keep as many, and their epsilon.

    A layer that reads several families has the sum of their epsilons: each is drawn apart, and its part of a sum is off
    by at most its epsilon times the whole sum. Samples and sensitivities add up too. A family kept whole errs nowhere;
    for one of which nothing is kept, epsilon is infinite.

    Args:
        architecture: Before anything is removed.
        found: Of it.
        scores: Sensitivities.
        name: Of the layer.
        counts: Family -> choices that are left of what the layer reads.
        options: Constants of the bound.
    """
    read = [one for one in found.families if name in found.read_by(one)]
    log = _logarithm(architecture, found, name, options) + math.log(len(read))
    epsilon = samples = total = 0.0
    for one in read:
        own, count = scores[one.name], counts[one.name]
        total += float(own.sum())
        if count < one.size:
            drawn = samples_to_keep(distribution(own), count) if count else 0.0
            samples += drawn
            epsilon += epsilon_for(drawn, float(own.sum()), log, options)
    return LayerBound(
        layer=name,
        sensitivity=total,
        samples=samples,
        distinct=sum(counts[one.name] for one in read),
        epsilon=epsilon,
        delta=options.delta,
    )
