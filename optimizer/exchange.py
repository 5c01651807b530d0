"""Exchange: sets of changes to a design that together promise most, by adding up what each does alone.

Costs add up over layers, so that what the predictors say of every single change foretells what many will do together.
Limits are priced (Lagrange multipliers): under each of many prices every gene takes the choice that is worth most, and
the changes worth most come first. Pairs of one change that gains and one that pays for it are looked at beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from design.encoding import FloatArray, IntArray
from design.space import Space
from design.task import Task
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.observation import log_odds
from optimizer.repair import Mask
from optimizer.trials import Trials

SIZES: IntArray = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 64])
"""Changes taken together, the first so many; and all that are worth something."""
PRICES: FloatArray = np.geomspace(0.02, 30.0, 14)
"""Of each limit alone, in utility for a cost (or an error) greater by a factor of e."""
JOINT = 24
"""Prices of all limits at once, drawn."""
PAIRED = 24
SAVING = 5.0
"""What relieving a limit counts where pairs are chosen."""
SIZE_CLASSES = 8
"""At most one in so many of the sets taken has about the same number of changes: few changes are foretold best, many
reach furthest."""
_ACCURACY = LIMITS.index("min_accuracy")
_COSTS = ("latency_ms", "energy_mj", "model_bytes", "peak_memory_bytes")
_LEAST = 0.02
"""Share of a cost that must remain, whatever is foretold."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Every single change of one design that its device can run, M of them.

    Attributes:
        genes, choices: M, what is changed to what.
        genotypes: M x G, canonical.
    """

    genes: IntArray
    choices: IntArray
    genotypes: IntArray

    @classmethod
    def of(cls, trials: Trials, genotype: IntArray) -> Changes:
        """Those of a canonical genotype (G) that have an effect, with every gene as the device can run it."""
        return cls.within(trials.space, trials.task, trials.mask, genotype)

    @classmethod
    def within(cls, space: Space, task: Task, mask: Mask, genotype: IntArray) -> Changes:
        """The same within a mask of a space."""
        genes = np.repeat(np.arange(len(genotype)), [len(own) for own in mask.choices])
        choices = np.concatenate([np.asarray(own) for own in mask.choices])
        changed = np.repeat(genotype[None], len(genes), axis=0)
        changed[np.arange(len(genes)), genes] = choices
        found = space.canonical(task, mask.apply(changed))
        index = np.flatnonzero((found != genotype).any(axis=1))
        return cls(genes=genes[index], choices=choices[index], genotypes=found[index])

    def __len__(self) -> int:
        return len(self.genes)


def combined(objective: Objective, here: Scores, changes: Changes, near: Scores, count: int) -> IntArray:
    """The `count` sets of changes that promise most, as genotypes (not yet canonical), at most count x G.

    Args:
        objective: What is better.
        here: The design (N = 1) that is changed.
        changes: Of it, M.
        near: What is predicted of each, M.
        count: At most so many.
    """
    if len(changes) == 0:
        return here.genotypes
    base = additive_figures(here)[0]
    delta = additive_figures(near) - base
    gain = objective.utility(near) - objective.utility(here)
    worse = objective.beyond(near.at_risk) - objective.beyond(here.at_risk)
    sets, added = _priced(gain, worse, delta, changes.genes)
    pairs = _pairs(gain, worse, changes.genes)
    total = np.concatenate([added, delta[pairs].sum(axis=1)])
    sizes = np.concatenate([(sets >= 0).sum(axis=1), np.full(len(pairs), 2)])
    guess = _scores(base, total, here)
    order = np.lexsort((-objective.utility(guess), objective.violation(guess)))
    order = order[_distinct(total[order])]
    chosen = order[_varied(np.searchsorted(SIZES, sizes[order]), count)]
    found = np.repeat(here.genotypes, len(chosen), axis=0)
    for row, number in zip(found, chosen.tolist(), strict=True):
        own = sets[number][sets[number] >= 0] if number < len(sets) else pairs[number - len(sets)]
        row[changes.genes[own]] = changes.choices[own]
    return found


@lru_cache(maxsize=8)
def prices(limits: int) -> FloatArray:
    """Prices of limits, L x limits, in utility for a cost (or an error) greater by a factor of e; the first are 0."""
    found: list[FloatArray] = [np.zeros((1, limits))]
    if limits:
        found.append(np.kron(np.eye(limits), PRICES[:, None]).astype(np.float64))
    if limits > 1:
        rng = np.random.default_rng(0)
        level = np.exp(rng.uniform(np.log(PRICES[1]), np.log(PRICES[-1]), size=(JOINT, 1)))
        drawn: FloatArray = level * rng.dirichlet(np.full(limits, 0.7), size=JOINT)
        found.append(drawn)
    return np.concatenate(found)


def _priced(gain: FloatArray, worse: FloatArray, delta: FloatArray, genes: IntArray) -> tuple[IntArray, FloatArray]:
    """Under each price the first changes of SIZES, of each gene the best: S x most changes (-1: none), and their sums.

    Args:
        gain: M, utility.
        worse: M x limits.
        delta: M x figures that add up.
        genes: M, rising.
    """
    value = gain - prices(worse.shape[1]) @ worse.T
    starts = np.flatnonzero(np.diff(genes, prepend=-1))
    lengths = np.diff(np.append(starts, len(genes)))
    place = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1) + starts[:, None]
    best = place[np.arange(len(place)), value[:, place].argmax(axis=2)]  # price x gene
    worth = np.take_along_axis(value, best, axis=1)
    order = np.argsort(-worth, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    used = np.take_along_axis(worth, order, axis=1) > 0
    most = max(int(used.sum(axis=1).max()), 1)
    best, used = best[:, :most], used[:, :most]
    sums = np.cumsum(delta[best] * used[:, :, None], axis=1)
    sizes = np.append(SIZES[: int(np.searchsorted(SIZES, most))], most)
    sets = np.where(used & (np.arange(most) < sizes[:, None, None]), best, -1)  # size x price x change
    found, added = sets.reshape(-1, most), sums[:, sizes - 1].swapaxes(0, 1).reshape(-1, delta.shape[1])
    several = (found >= 0).sum(axis=1) > 1  # single changes have been predicted already
    return found[several], added[several]


def _pairs(gain: FloatArray, worse: FloatArray, genes: IntArray) -> IntArray:
    """Pairs of a change that gains most and one that saves most, of two genes, P x 2."""
    gainers = np.argsort(-gain, kind="stable")[:PAIRED]
    savers = np.argsort(-(gain - SAVING * worse.clip(max=0).sum(axis=1)), kind="stable")[:PAIRED]
    found = np.stack([gainers.repeat(len(savers)), np.tile(savers, len(gainers))], axis=1)
    return np.asarray(found[genes[found[:, 0]] != genes[found[:, 1]]])


def additive_figures(scores: Scores) -> FloatArray:
    """Figures that add up over changes, N x 11: costs as they are, accuracies as log odds."""
    risk = scores.at_risk.copy()
    risk[:, _ACCURACY] = log_odds(risk[:, _ACCURACY])
    return np.column_stack([risk, *(getattr(scores, name) for name in _COSTS), log_odds(scores.accuracy)])


def _scores(base: FloatArray, added: FloatArray, here: Scores) -> Scores:
    """What sets of changes promise: figures of a design (11) and what is added to them, N x 11."""
    costs = np.ones(len(base), dtype=np.bool_)
    costs[[_ACCURACY, -1]] = False
    total = base + added
    total[:, costs] = np.maximum(total[:, costs], _LEAST * base[costs])
    risk, own = total[:, : len(LIMITS)], total[:, len(LIMITS) :]
    risk[:, _ACCURACY] = _chance(risk[:, _ACCURACY])
    figures: dict[str, Any] = {name: own[:, column] for column, name in enumerate(_COSTS)}
    return replace(here, at_risk=risk, accuracy=_chance(own[:, -1]), doubt=np.repeat(here.doubt, len(total)), **figures)


def _chance(odds: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-odds)))


def _distinct(added: FloatArray) -> IntArray:
    """The first of those with the same sums, in order."""
    _, first = np.unique(added @ np.random.default_rng(1).random(added.shape[1]), return_index=True)
    return np.sort(first)


def _varied(classes: IntArray, count: int) -> IntArray:
    """Of N in order the first `count`, but of each class no more than its share."""
    share = max(count // SIZE_CLASSES, 1)
    order = np.argsort(classes, kind="stable")
    sorted_classes = classes[order]
    first = np.searchsorted(sorted_classes, sorted_classes)
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - first
    return np.flatnonzero(place < share)[:count]
