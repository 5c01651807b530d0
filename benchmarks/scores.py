"""How well predicted latencies meet measured ones: ranks, errors, coverage; per device and over devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from scipy.stats import spearmanr

from design.encoding import FloatArray
from predictors.predictor import Estimates
from predictors.random_effects import NORMAL_90

Scores = dict[str, float]
WITHIN = 0.1


def rank_correlation(predicted: FloatArray, measured: FloatArray) -> float:
    """Spearman's coefficient; 0 where either side is constant."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(spearmanr(predicted, measured).statistic)


def score(predicted: FloatArray, variance: FloatArray, measured: FloatArray) -> Scores:
    """One device, one draw of measurements.

    Args:
        predicted: Q.
        variance: Q, of a further measurement.
        measured: Q.
    """
    margin = NORMAL_90 * np.sqrt(variance)
    return score_interval(predicted, predicted - margin, predicted + margin, measured)


def score_estimates(estimates: Estimates, measured: FloatArray) -> Scores:
    """Q estimates of one device."""
    return score_interval(estimates.median, *estimates.interval(), measured)


def score_interval(predicted: FloatArray, low: FloatArray, high: FloatArray, measured: FloatArray) -> Scores:
    """Q predictions with the ends of their 90 % intervals."""
    relative = np.abs(predicted / measured - 1)
    return {
        "srcc": rank_correlation(predicted, measured),
        "within_10": float((relative <= WITHIN).mean()),
        "mape_median": float(np.median(relative)),
        "coverage_90": float(((low <= measured) & (measured <= high)).mean()),
    }


def mean_of(scores: Iterable[Mapping[str, float]]) -> Scores:
    """Key by key, over those that have it."""
    every = list(scores)
    keys = dict.fromkeys(key for one in every for key in one)
    return {key: float(np.mean([one[key] for one in every if key in one])) for key in keys}


def over_devices(by_device: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    """Means over devices, the least coverage, and the devices themselves."""
    found: dict[str, object] = dict(mean_of(by_device.values()))
    covered = [one["coverage_90"] for one in by_device.values() if "coverage_90" in one]
    if covered:
        found["coverage_90_least"] = min(covered)
    return found | {"devices": {name: dict(one) for name, one in by_device.items()}}
