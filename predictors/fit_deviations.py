"""Fits what a device may deviate in from a mean that has not seen its chip, and how wide intervals must be for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from design.encoding import FloatArray, IntArray
from predictors.design_traits import TRAITS, design_traits, scatter_terms
from predictors.deviations import DeviationPrior, condition
from predictors.layer_terms import PARTS
from predictors.price_model import RUNTIMES, PriceModel, runtime_class
from predictors.random_effects import NORMAL_90
from predictors.timed_tables import TimedDevice
from predictors.universal import UniversalLatency
from predictors.universal_weights import UniversalWeights

SEED = 0
CALIBRATION_COUNTS = (0, 1, 3, 10, 20)
COVERAGE, HIGHEST = 0.9, 0.97
"""Level of the quantile, and the highest that few families raise it to."""
LEAST_FAMILIES, OTHERS_WORTH = 3, 3
"""Chip families from which on a runtime class has a factor of its own, and how many families the others count as."""
START = np.array([0.8] + [0.1] * len(PARTS) + [0.25] + [0.004] * 4)
"""Variances that fitting starts from and is pulled to: level (of the squared spread), other traits."""
SCATTER_START = np.array([0.012, 0.02, 0.02])
_PULL, _FREEDOM, _MOST_PAIRS, _DRAWS = 0.3, 4.0, 40, 2
_BOUNDS = (-9.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One timed device as predicted by models that saw no chip of its family.

    Attributes:
        one: The device.
        deviation: n, log measured over predicted.
        traits: n x TRAITS.
        scatter_terms: n x SCATTER.
        spread: n, standard deviation before any measurement, not widened.
    """

    one: TimedDevice
    deviation: FloatArray
    traits: FloatArray
    scatter_terms: FloatArray
    spread: FloatArray


def left_out(one: TimedDevice, prices: PriceModel, shares: FloatArray) -> LeftOut:
    """Deviations of one device from a mean that has not seen it."""
    weights = UniversalWeights(
        prices=prices,
        shares=shares,
        variances=START,
        scatter=SCATTER_START,
        counts=np.zeros(1),
        widenings=np.ones((len(RUNTIMES), 1)),
    )
    found = UniversalLatency(weights).mean_parts(one.designs, one.device)
    traits = design_traits(one.designs, found.times, one.device)
    return LeftOut(
        one=one,
        deviation=np.log(1e-3 * one.latency_ms) - np.log(1e-3 * found.estimates.median),
        traits=traits,
        scatter_terms=scatter_terms(one.designs, found.times, traits),
        spread=found.estimates.spread,
    )


def fit_deviations(found: Sequence[LeftOut]) -> tuple[FloatArray, FloatArray]:
    """Variances of traits (TRAITS) and of scatter (SCATTER): maximum likelihood, Student-t of 4 degrees of freedom."""
    alike = Counter((own.one.group, own.one.family) for own in found)
    prepared = []
    for number, own in enumerate(found):
        chosen = np.random.default_rng([SEED, number]).permutation(len(own.deviation))[:_MOST_PAIRS]
        traits = own.traits[chosen].copy()
        traits[:, 0] *= own.one.device.latency_spread
        scatter = own.scatter_terms[chosen]
        prepared.append((traits, scatter, own.deviation[chosen], alike[own.one.group, own.one.family] ** -0.5))
    start, cut = np.log(np.concatenate([START, SCATTER_START])), len(TRAITS)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(logs)
        value, gradient = _PULL * float(((logs - start) ** 2).sum()), 2 * _PULL * (logs - start)
        for traits, scatter, deviation, weight in prepared:
            count = len(deviation)
            inverse = np.linalg.inv((traits * variances[:cut]) @ traits.T + np.diag(scatter @ variances[cut:]))
            solved = inverse @ deviation
            energy = float(deviation @ solved)
            fit = (_FREEDOM + count) * float(np.log1p(energy / (_FREEDOM - 2)))
            value += 0.5 * weight * (fit - float(np.linalg.slogdet(inverse)[1]))
            slope = inverse - (_FREEDOM + count) / (_FREEDOM - 2 + energy) * np.outer(solved, solved)
            own = np.append(((slope @ traits) * traits).sum(axis=0), np.diag(slope) @ scatter)
            gradient = gradient + 0.5 * weight * own * variances
        return value, gradient

    bounds = [_BOUNDS] * len(start)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    variances = np.exp(best.x)
    return np.asarray(variances[:cut]), np.asarray(variances[cut:])


def adapted(
    own: LeftOut, variances: FloatArray, scatter: FloatArray, count: int, draw: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Deviations and spreads predicted after `count` random measurements, and which designs were asked for."""
    order = np.random.default_rng([SEED, count, draw]).permutation(len(own.deviation))
    seen, rest = order[:count], order[count:]
    if not count:
        return np.zeros(len(rest)), own.spread[rest], rest
    of = variances.copy()
    of[0] *= own.one.device.latency_spread**2
    prior, each = DeviationPrior(variances=of, noise=1.0), own.scatter_terms @ scatter
    after = condition(prior, own.traits[seen], own.deviation[seen], np.zeros(count), each[seen])
    mean, variance = after.predict(own.traits[rest], each[rest])
    return mean, np.sqrt(variance), rest


def widenings(found: Sequence[LeftOut], variances: FloatArray, scatter: FloatArray) -> FloatArray:
    """Conformal factors on the spread, RUNTIMES x CALIBRATION_COUNTS.

    The quantile of |error| / spread over that of a normal; chip families of a group of tables weigh equally, and the
    level is raised by one part in their number, since families are what is exchangeable. After measurements a runtime
    class has its own factor, drawn to that of all by a few families' worth; one of fewer than LEAST_FAMILIES is like
    nothing known, and takes the widest of the others.
    """
    runtime = np.array([runtime_class(own.one.device) for own in found])
    families = np.array([own.one.family for own in found])
    factors = np.zeros((len(RUNTIMES), len(CALIBRATION_COUNTS)))
    for place, count in enumerate(CALIBRATION_COUNTS):
        scored = [_scores(own, variances, scatter, count) for own in found]
        factors[:, place] = common = _factor(found, scored, np.arange(len(found)))
        if not count:
            continue
        known = {}
        for number in np.unique(runtime):
            own = np.array([n for n in np.flatnonzero(runtime == number) if len(scored[n])], dtype=np.int64)
            size = len(set(families[own]))
            if size >= LEAST_FAMILIES:
                known[number] = (size * _factor(found, scored, own) + OTHERS_WORTH * common) / (size + OTHERS_WORTH)
        factors[:, place] = max(known.values(), default=common)
        for number, factor in known.items():
            factors[number, place] = factor
    return factors


def _scores(own: LeftOut, variances: FloatArray, scatter: FloatArray, count: int) -> FloatArray:
    """|error| / spread of one device after `count` measurements, over draws; empty where it has too few."""
    if len(own.deviation) <= count:
        return np.zeros(0)
    scores = []
    for draw in range(_DRAWS if count else 1):
        mean, spread, rest = adapted(own, variances, scatter, count, draw)
        scores.append(np.abs(own.deviation[rest] - mean) / spread)
    return np.concatenate(scores)


def _factor(found: Sequence[LeftOut], scored: Sequence[FloatArray], chosen: IntArray) -> float:
    """Of the devices chosen: the quantile of their scores over that of a normal."""
    keys = [(found[number].one.group, found[number].one.family) for number in chosen if len(scored[number])]
    alike = Counter(keys)
    level = min(HIGHEST, COVERAGE * (1 + 1 / len({family for _, family in keys})))
    own = [scored[number] for number in chosen if len(scored[number])]
    score = np.concatenate(own)
    weight = np.concatenate([np.full(len(one), 1 / len(one) / alike[key]) for one, key in zip(own, keys, strict=True)])
    order = np.argsort(score)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(score[order][min(int(np.searchsorted(share, level)), len(score) - 1)]) / NORMAL_90
