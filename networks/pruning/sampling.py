"""Sampling: which channels of a family remain, and how those that do stand for the others.

The three variants of Liebenwein et al. (arXiv 1911.07412) and of their code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EQUAL_DIGITS = 4
"""Digits behind the point in which scores must differ to tell channels apart."""
STEPS = 50
NEARLY = 1e-9


class Variant(StrEnum):
    """How channels are chosen.

    RANDOM: m draws with replacement from p; channel j then counts count_j / (m p_j) times.
    PARTIAL: Channels that m draws are sure to hit (p_j >= 1 / m) are kept as they are, the rest is drawn.
    DETERMINISTIC: The largest, as they are.
    """

    RANDOM = "random"
    PARTIAL = "partial"
    DETERMINISTIC = "deterministic"


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Random draws from a family.

    Attributes:
        samples: m; not whole where nothing was drawn but might have been.
        total: Sum of the scores of those that were drawn from.
        tries: Which try it was that was taken, from 1; 0 where nothing was chosen among tries.
    """

    samples: float
    total: float
    tries: int = 0

    @property
    def log_tries(self) -> float:
        """ln(t (t + 1)): try t may fail with 1 / (t (t + 1)) of delta, all tries together with delta."""
        return math.log(self.tries * (self.tries + 1)) if self.tries else 0.0


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Channels that remain.

    Attributes:
        kept: Ascending.
        factors: By which the weights that read each of them are multiplied; None: 1.
        draws: Where some were drawn.
    """

    kept: IntArray
    factors: FloatArray | None = None
    draws: Draws | None = None


def distribution(scores: FloatArray) -> FloatArray:
    """p_j = s_j / S; uniform where all are 0."""
    total = scores.sum()
    return scores / total if total > 0 else np.full(len(scores), 1 / len(scores))


def expected_distinct(probabilities: FloatArray, samples: float) -> float:
    """Channels that m draws with replacement are expected to hit: sum of 1 - (1 - p_j)^m."""
    if samples == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        return float(-np.expm1(samples * np.log1p(-probabilities)).sum())


def samples_to_keep(probabilities: FloatArray, count: float) -> float:
    """The m whose expected number of distinct channels is `count` (at most those that can be drawn), by bisection."""
    possible = int((probabilities > 0).sum())
    wanted = min(float(count), possible - NEARLY * possible)
    low, high = 0.0, 1.0
    while expected_distinct(probabilities, high) < wanted:
        high *= 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_distinct(probabilities, middle) < wanted else (low, middle)
    return high


def choose(
    scores: FloatArray,
    count: int,
    variant: Variant,
    random: np.random.Generator,
    *,
    share: float = 1.0,
    tries: int = 0,
    least: int = 1,
    ties: FloatArray | None = None,
) -> Chosen:
    """Choose channels so that `count` are expected to remain (exactly so many in the deterministic variant).

    Args:
        scores: s_j, none negative.
        count: From 1 to their number.
        variant: How.
        random: Not drawn from in the deterministic variant.
        share: Of the samples that `count` asks for that are drawn; one at least.
        tries: See Draws.
        least: So many remain; where fewer are drawn, the largest of the others do, with factor 0.
        ties: What counts among those whose scores agree in EQUAL_DIGITS digits, in the deterministic variant: many
            sensitivities in narrow layers are 1, and last digits depend on how pictures came in batches. None: the
            order.
    """
    if count >= len(scores):
        return Chosen(kept=np.arange(len(scores)))
    if variant is Variant.DETERMINISTIC:
        if ties is None:
            return Chosen(kept=np.sort(np.argsort(-scores, kind="stable")[:count]))
        return Chosen(kept=np.sort(np.lexsort((-ties, -np.round(scores, EQUAL_DIGITS)))[:count]))
    sure = np.zeros(len(scores), dtype=np.bool_)
    if variant is Variant.PARTIAL:
        probabilities = distribution(scores)
        certain = probabilities * samples_to_keep(probabilities, count) >= 1
        largest = np.argsort(-scores, kind="stable")[: count - 1]  # one draw at least stands for the rest
        sure[largest] = certain[largest]
    rest = np.flatnonzero(~sure)
    factors = sure.astype(np.float64)
    probabilities = distribution(scores[rest])
    samples = max(1, round(share * samples_to_keep(probabilities, count - int(sure.sum()))))
    factors[rest] = draw_samples(probabilities, samples, random)
    kept = np.flatnonzero(factors)
    if len(kept) < least:
        kept = np.sort(np.lexsort((-scores, factors == 0))[:least])
    draws = Draws(samples=samples, total=float(scores[rest].sum()), tries=tries)
    return Chosen(kept=kept, factors=factors[kept], draws=draws)


def draw_samples(probabilities: FloatArray, samples: int, random: np.random.Generator) -> FloatArray:
    """count_j / (m p_j) of each channel for m draws, 0 where it was not drawn."""
    hits = random.multinomial(samples, probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = hits / (samples * probabilities)
    return np.where(hits > 0, found, 0.0)
