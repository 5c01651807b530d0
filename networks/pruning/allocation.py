"""Allocation: how many choices each family keeps, as one number moves from all removed to all kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from design.architecture import Architecture
from networks.pruning.bound import (
    BERNSTEIN,
    BoundOptions,
    LayerBound,
    epsilon_for,
    logarithm,
    removed_share,
    samples_for,
)
from networks.pruning.choices import reads_at_once, worth_of_choices
from networks.pruning.families import Families
from networks.pruning.sampling import Draws, distribution, expected_distinct, samples_to_keep
from networks.pruning.scores import Scores

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
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
        scores: Sensitivities of each family's choices.
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
    """The allocation of an architecture's families by the sensitivities of their channels."""
    logs = [
        max(_logarithm(architecture, found, name, options) for name in found.read_by(one)) for one in found.families
    ]
    own = [worth_of_choices(found, one, scores[one.name], most=1) for one in found.families]
    return SharedEpsilon(scores=own, logs=logs, options=options)


def _logarithm(architecture: Architecture, found: Families, name: str, options: BoundOptions) -> float:
    return logarithm(architecture.layer(name), options, unsigned=name in found.unsigned)


def whole(
    wanted: FloatArray, sizes: Sequence[int], multiple: int | Sequence[int] = 1, least: int | Sequence[int] = 1
) -> tuple[int, ...]:
    """Whole numbers of choices: rounded up to a multiple, at least so many (one) of each family, at most all."""
    step = np.asarray(multiple)
    up = np.ceil(np.maximum(wanted, least) / step - 1e-9).astype(np.int64) * step
    return tuple(int(one) for one in np.minimum(up, sizes))


def bounds(
    architecture: Architecture,
    found: Families,
    scores: Scores,
    kept: Mapping[int, IntArray],
    options: BoundOptions = BERNSTEIN,
    drawn: Mapping[str, Draws] | None = None,
) -> tuple[LayerBound, ...]:
    """What can be said of every layer that reads families.

    A layer that reads several families has the sum of their epsilons: each is drawn apart, and its part of a sum is off
    by at most its epsilon times the whole sum. Samples and sensitivities add up too. A family that is read r times over
    has r times its sensitivities. One kept whole errs nowhere; where nothing of one is kept, epsilon is infinite. Of a
    grouped convolution the sums of the group that loses most are told.

    Args:
        architecture: Before anything is removed.
        found: Of it.
        scores: Sensitivities.
        kept: Group -> channels that are left.
        options: Constants of the bound.
        drawn: Family -> its draws, where channels were drawn; families that are not named are kept whole.
    """
    return tuple(_layer_bound(architecture, found, scores, name, kept, options, drawn) for name in found.readers)


def _layer_bound(
    architecture: Architecture,
    found: Families,
    scores: Scores,
    name: str,
    kept: Mapping[int, IntArray],
    options: BoundOptions,
    drawn: Mapping[str, Draws] | None,
) -> LayerBound:
    read = [one for one in found.families if name in found.read_by(one)]
    log = _logarithm(architecture, found, name, options) + math.log(len(read))
    epsilon = samples = 0.0
    total, removed = np.zeros((2, found.grouped.get(name, (1, 0))[0]))
    distinct = 0
    for one in read:
        own = scores[one.name]
        pieces = [piece for piece in found.readers[name] if piece.group in one.members]
        times = np.zeros(len(total))
        stays = np.array([np.isin(one.members[piece.group], kept[piece.group]) for piece in pieces])
        for piece, stay in zip(pieces, stays, strict=True):
            sees = reads_at_once(found, name, piece, one)
            removed += (~stay * own).reshape(one.blocks, -1).sum(axis=1) @ sees
            total += own.reshape(one.blocks, -1).sum(axis=1) @ sees
            times += sees.any(axis=0)
        count = int(stays.sum(axis=1).min()) // one.blocks
        distinct += int(stays.sum())
        draws = None if drawn is None else drawn.get(one.name)
        if drawn is None and count < one.size:
            choices = worth_of_choices(found, one, own, most=1)
            enough = samples_to_keep(distribution(choices), count) if count else 0.0
            draws = Draws(samples=enough, total=float(choices.sum()))
        if draws is not None:
            samples += draws.samples
            epsilon += epsilon_for(draws.samples, float(times.max()) * draws.total, log + draws.log_tries, options)
    return LayerBound(
        layer=name,
        sensitivity=float(total.max()),
        samples=samples,
        distinct=distinct,
        epsilon=epsilon,
        delta=options.delta,
        removed_share=removed_share(float(removed.max()), options) if drawn is None else None,
    )
