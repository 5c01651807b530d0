"""Fits LearnedLatency: mean on all machines, random effects and intervals on machines left out.

Everything that describes deviations from the mean (variances, network effects, widening) is fitted on predictions for
machines whose twin group the mean had not seen, so that it describes a device never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.calibrate_latency import (
    CALIBRATION_COUNTS,
    effects_of,
    machines_of,
    novelty,
    pairs_at,
    widenings,
)
from predictors.fit_mean import CANDIDATES, Arrays, Mean, MeanOptions, choose, fit_mean
from predictors.latency_prior import blended
from predictors.latency_weights import LatencyWeights
from predictors.random_effects import Pairs, fit_variances


def fit_latency(
    table: Arrays, index: IntArray, *, seed: int, candidates: Sequence[MeanOptions] = CANDIDATES
) -> tuple[LatencyWeights, MeanOptions]:
    """Fit everything to the pairs at `index`; two fits with one seed are equal.

    Returns:
        The weights and the options that inner folds chose.
    """
    options, predicted = choose(table, index, candidates, seed)
    mean = fit_mean(table, index, options, seed)
    deviation = table.table.log_seconds[index] - predicted
    effects = effects_of(table, index, deviation, mean.bias)
    variances = fit_variances(machines_of(table, index, deviation, effects, seed))
    factors = widenings(table, index, deviation, mean.bias, variances, seed)
    factor = float(factors[CALIBRATION_COUNTS.index(10)])
    unknown = novelty(table, index, deviation, options, variances, factor, seed)
    weights = LatencyWeights(
        layers=mean.layers,
        trees=mean.trees,
        effects=replace(effects, unknown=np.array([unknown])),
        variances=variances,
        tree_weight=options.tree_weight,
        counts=np.array(CALIBRATION_COUNTS, dtype=np.float64),
        widenings=factors,
    )
    return weights, options


def predict_pairs(weights: LatencyWeights, data: Arrays, index: IntArray) -> tuple[FloatArray, Pairs]:
    """Zero-shot log seconds and the pairs of the random effects, of the pairs at `index`."""
    mean = Mean(layers=weights.layers, bias=np.zeros(len(data.table.networks)), trees=weights.trees)
    layers, trees = mean.predict(data, index)
    pairs = pairs_at(data, index, weights.effects.traits(data.networks))
    return blended(layers, trees, pairs.traits, weights.tree_weight), pairs
