"""Second looks: what uniform designs offer a device of a fleet whose limits the first pass breaks.

The same designs for all devices: of every space and uniform precision those that no other beats in accuracy, size and
work at once, thinned to a few that lie far apart. What they are on any device is known once, so that a look is one
prediction of those that the device can run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from design.counts import bit_operations
from design.encoding import EncodedDesigns, IntArray
from design.precision import Bits
from design.space import Space
from design.task import Task
from optimizer.neural import uniform
from optimizer.objective import Objective, Scores
from optimizer.pareto import front
from optimizer.problem import Problem
from optimizer.repair import Mask, mask_in, open_mask
from predictors.descriptor import Descriptor
from predictors.predict import Predictions, own_figures, predict, together

OFFERED = 8
"""Designs of each space and precision."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a second look found best.

    Attributes:
        scores, predictions: Of that design (N = 1).
        evaluations: Designs looked at.
    """

    space: Space
    scores: Scores
    predictions: Predictions
    evaluations: int


@lru_cache(maxsize=64)
def offered(space: Space, task: Task) -> EncodedDesigns:
    """The designs of one space, at most OFFERED of each precision."""
    genes = space.genes(task)
    known = uniform(space, task, open_mask(genes).choices)  # type: ignore[arg-type]  # by identity
    own = own_figures(known, task)
    work = np.maximum(bit_operations(known), 1.0)
    costs = np.column_stack([np.log(1 - own.accuracy.median), np.log(own.model_bytes), np.log(work)])
    assert known.genotypes is not None
    bits = known.genotypes[:, [gene for gene, one in enumerate(genes) if one.precisions]]
    _, precision = np.unique(bits[:, bits.shape[1] // 2], return_inverse=True)
    chosen = []
    for number in range(int(precision.max()) + 1):
        same = np.flatnonzero(precision == number)
        chosen.append(same[front(costs[same], int(costs[same, 1].argmin()), OFFERED)])
    return known.take(np.concatenate(chosen)).compact()


@lru_cache(maxsize=64)
def _offered_together(spaces: tuple[Space, ...], task: Task) -> EncodedDesigns:
    return together([offered(space, task) for space in spaces], task)  # type: ignore[arg-type]  # by identity


def second_look(
    problem: Problem, device: Descriptor, objective: Objective, usable: Sequence[tuple[Space, Mask]]
) -> Offer | None:
    """The best of the designs offered, as they stand; None if the device can run none of them."""
    task, spaces = problem.task, tuple(space for space, _ in usable)
    genotypes = [_genotypes(offered(space, task)) for space in spaces]  # type: ignore[arg-type]  # by identity
    runs = [
        np.flatnonzero((mask.apply(own) == own).all(axis=1)) for (_, mask), own in zip(usable, genotypes, strict=True)
    ]
    begun = np.cumsum([0, *(len(own) for own in genotypes[:-1])])
    index = np.concatenate([own + first for own, first in zip(runs, begun, strict=True)])
    if not len(index):
        return None
    designs = _offered_together(spaces, task).take(index)
    chosen = [own[which] for own, which in zip(genotypes, runs, strict=True)]
    return _best(problem, device, objective, spaces, designs, chosen)


def adapted_look(
    problem: Problem, device: Descriptor, objective: Objective, usable: Sequence[tuple[Space, Mask]]
) -> Offer:
    """The best of the designs offered with every precision that the device lacks replaced by the nearest it has."""
    spaces = tuple(space for space, _ in usable)
    designs, genotypes = _adapted(spaces, problem.task, tuple(device.supported_bits))
    return _best(problem, device, objective, spaces, designs, genotypes)


@lru_cache(maxsize=64)
def _adapted(
    spaces: tuple[Space, ...], task: Task, supported_bits: tuple[tuple[Bits, Bits], ...]
) -> tuple[EncodedDesigns, tuple[IntArray, ...]]:
    parts = []
    for space in spaces:
        mask = mask_in(space, task, supported_bits)  # type: ignore[arg-type]  # by identity
        assert mask is not None
        own = mask.apply(_genotypes(offered(space, task)))  # type: ignore[arg-type]  # by identity
        parts.append(space.rows(task, np.unique(space.canonical(task, own), axis=0)))
    return together(parts, task), tuple(_genotypes(part) for part in parts)


def _best(
    problem: Problem,
    device: Descriptor,
    objective: Objective,
    spaces: Sequence[Space],
    designs: EncodedDesigns,
    genotypes: Sequence[IntArray],
) -> Offer:
    """The best of designs of several spaces, of each those with these genotypes."""
    found = predict(designs, device, problem.task, energy_model=problem.energy_model, adaptation=problem.adaptation)
    best, begun = list[Offer](), 0
    for space, own in zip(spaces, genotypes, strict=True):
        if len(own):
            predicted = found.take(np.arange(begun, begun + len(own)))
            scores = Scores.of(own, predicted, problem.constraints.risk)
            at = objective.first(scores, 1)
            best.append(
                Offer(space=space, scores=scores.take(at), predictions=predicted.take(at), evaluations=len(designs))
            )
        begun += len(own)
    return min(best, key=lambda one: objective.rank(one.scores))


def _genotypes(designs: EncodedDesigns) -> IntArray:
    assert designs.genotypes is not None
    return designs.genotypes
