"""Calibrates the intervals of LearnedLatency on machines, and on networks, that its parts have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.fit_mean import INNER_FOLDS, Arrays, MeanOptions, fit_mean, folds
from predictors.latency_prior import blended
from predictors.network_effects import NetworkEffects, NetworkTraits, fit_network_effects
from predictors.network_features import SHARE_INT8
from predictors.random_effects import COMPONENTS, NORMAL_90, Pairs, posterior

CALIBRATION_COUNTS = (0, 1, 3, 10, 20)
COVERAGE = 0.9
_MOST_PAIRS, _DRAWS = 70, 3
_NOVEL_COUNT = 10
_HIGHEST_NOVELTY = 4.0


def pairs_at(data: Arrays, index: IntArray, traits: NetworkTraits) -> Pairs:
    """The pairs at `index` for the random effects; `traits` of all N networks."""
    table = data.table
    setting, network = table.setting[index], table.network[index]
    facts = [table.facts[number] for number in setting]
    whole = Pairs(
        traits=traits,
        int8=data.networks[:, SHARE_INT8],
        setting=np.zeros(len(table.networks), dtype=np.int64),
        log_cores=np.zeros(len(table.networks)),
        little=np.zeros(len(table.networks)),
    ).take(network)
    return Pairs(
        traits=whole.traits,
        int8=whole.int8,
        setting=setting,
        log_cores=np.log([own.cores for own in facts]),
        little=np.array([float(own.little) for own in facts]),
    )


def machine_means(data: Arrays, index: IntArray, deviation: FloatArray) -> FloatArray:
    """Machines x N, mean log deviation of each network on each machine, NaN where there is none."""
    machine = data.table.pair_machine[index]
    numbers, row = np.unique(machine, return_inverse=True)
    shape = (len(numbers), len(data.table.networks))
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (row, data.table.network[index]), deviation)
    np.add.at(count, (row, data.table.network[index]), 1.0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def effects_of(data: Arrays, index: IntArray, deviation: FloatArray, bias: FloatArray) -> NetworkEffects:
    """Network effects anchored at the networks among the pairs at `index`; `bias` of all N networks."""
    known = np.unique(data.table.network[index])
    means = machine_means(data, index, deviation)[:, known]
    return fit_network_effects(data.networks[known], bias[known], means)


def machines_of(
    data: Arrays, index: IntArray, deviation: FloatArray, effects: NetworkEffects, seed: int
) -> list[tuple[Pairs, FloatArray]]:
    """Pairs and log deviations of each machine, at most _MOST_PAIRS drawn from each."""
    traits = effects.traits(data.networks)
    machine = data.table.pair_machine[index]
    found = []
    for number in np.unique(machine):
        here = np.flatnonzero(machine == number)
        if len(here) > _MOST_PAIRS:
            here = np.random.default_rng([seed, int(number)]).choice(here, _MOST_PAIRS, replace=False)
        found.append((pairs_at(data, index[here], traits), deviation[here]))
    return found


def _scores(machines: Sequence[tuple[Pairs, FloatArray]], variances: FloatArray, seed: int) -> list[FloatArray]:
    """|error| / spread after each of CALIBRATION_COUNTS random measurements."""
    scores: list[FloatArray] = []
    for count in CALIBRATION_COUNTS:
        own = [np.zeros(0)]
        for number, (pairs, deviation) in enumerate(machines):
            for draw in range(_DRAWS if count else 1):
                order = np.random.default_rng([seed, count, number, draw]).permutation(len(deviation))
                seen, rest = order[:count], order[count:]
                if len(rest):
                    mean, variance = posterior(pairs.take(seen), deviation[seen], variances).predict(pairs.take(rest))
                    own.append(np.abs(deviation[rest] - mean) / np.sqrt(variance))
        scores.append(np.concatenate(own))
    return scores


def widenings(
    data: Arrays, index: IntArray, deviation: FloatArray, bias: FloatArray, variances: FloatArray, seed: int
) -> FloatArray:
    """Conformal factors on the spread for each of CALIBRATION_COUNTS.

    The quantile of |error| / spread over that of a normal, on machines that neither the mean nor the network effects
    have seen; the level is raised by one part in the number of machines, the unit that is exchangeable.
    """
    fold = folds(data.table.pair_twin[index], INNER_FOLDS, seed + 1)
    pooled: list[list[FloatArray]] = [[] for _ in CALIBRATION_COUNTS]
    for number in range(INNER_FOLDS):
        others, own = fold != number, fold == number
        effects = effects_of(data, index[others], deviation[others], bias)
        machines = machines_of(data, index[own], deviation[own], effects, seed)
        for place, found in enumerate(_scores(machines, variances, seed)):
            pooled[place].append(found)
    level = min(1.0, COVERAGE * (1 + 1 / len(np.unique(data.table.pair_machine[index]))))
    factors: list[float] = []
    for own in pooled:
        together = np.concatenate(own)
        if len(together):
            factors.append(float(np.quantile(together, level)) / NORMAL_90)
        else:  # no machine has so many pairs
            factors.append(factors[-1] if factors else 1.0)
    return np.array(factors)


def _novel_errors(
    data: Arrays, index: IntArray, deviation: FloatArray, options: MeanOptions, variances: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Errors on networks AND machines left out after measurements of known networks, their variance, their novelty."""
    table = data.table
    names = np.unique([name for name, _ in table.networks], return_inverse=True)[1]
    twin_fold = folds(table.pair_twin[index], INNER_FOLDS, seed + 2)
    network_fold = folds(names, INNER_FOLDS, seed + 2)
    errors, spreads, novelties = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for number in range(INNER_FOLDS):
        known = network_fold != number
        train = (twin_fold != number) & known[table.network[index]]
        mean = fit_mean(data, index[train], options, seed)
        effects = effects_of(data, index[train], deviation[train], mean.bias)
        traits = replace(effects, unknown=np.zeros(1)).traits(data.networks)
        own = index[twin_fold == number]
        layers, trees = mean.predict(data, own)
        pairs = pairs_at(data, own, traits)
        away = table.log_seconds[own] - blended(
            layers - mean.bias[table.network[own]], trees, pairs.traits, options.tree_weight
        )
        machine = table.pair_machine[own]
        for place in np.unique(machine):
            here = np.flatnonzero(machine == place)
            old, new = here[known[table.network[own[here]]]], here[~known[table.network[own[here]]]]
            if len(new) == 0 or len(old) < _NOVEL_COUNT:
                continue
            seen = np.random.default_rng([seed, number, int(place)]).choice(old, _NOVEL_COUNT, replace=False)
            found = posterior(pairs.take(seen), away[seen], variances)
            middle, variance = found.predict(pairs.take(new))
            errors.append(away[new] - middle)
            spreads.append(variance)
            novelties.append(1 - pairs.traits.nearest[new] ** 2)
    return np.concatenate(errors), np.concatenate(spreads), np.concatenate(novelties)


def novelty(
    data: Arrays,
    index: IntArray,
    deviation: FloatArray,
    options: MeanOptions,
    variances: FloatArray,
    widening: float,
    seed: int,
) -> float:
    """Mean squared loading to assume of a network unlike all anchors, so that its intervals hold what they say.

    The least added variance per unit of novelty (1 - similarity ** 2) with which 90 % of the errors on left-out
    networks of left-out machines, after measurements of known networks, lie inside.
    """
    errors, spreads, shares = _novel_errors(data, index, deviation, options, variances, seed)
    if len(errors) == 0:
        return 1.0

    def covered(added: float) -> float:
        bound = NORMAL_90 * np.sqrt(widening**2 * (spreads + added * shares))
        return float((np.abs(errors) <= bound).mean())

    low, high = 0.0, _HIGHEST_NOVELTY
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if covered(middle) >= COVERAGE else (middle, high)
    return high / float(variances[COMPONENTS.index("loadings")])
