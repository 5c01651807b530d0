from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from predictors.predictor import LIMIT_SLACK, Estimates, Scale


def estimates(scale: Scale) -> Estimates:
    return Estimates(median=np.array([0.2, 0.9]), spread=np.array([0.5, 0.1]), scale=scale)


def test_log_intervals_are_factors_around_the_median() -> None:
    low, high = estimates("log").interval(0.9)
    assert high[0] / 0.2 == pytest.approx(math.exp(1.6449 * 0.5), rel=1e-4)
    np.testing.assert_allclose(low * high, np.array([0.2, 0.9]) ** 2)


def test_logit_intervals_stay_fractions() -> None:
    wide = Estimates(median=np.array([0.5, 1.0, 0.0]), spread=np.full(3, 30.0), scale="logit")
    low, high = wide.interval()
    assert np.all(low >= 0)
    assert np.all(high <= 1)
    assert low[0] + high[0] == pytest.approx(1)


def test_counts_have_no_interval() -> None:
    low, high = estimates("exact").interval()
    np.testing.assert_array_equal(low, high)


@pytest.mark.parametrize("scale", ["log", "logit"])
def test_the_median_is_the_half_quantile_and_quantiles_rise(scale: Scale) -> None:
    found = estimates(scale)
    np.testing.assert_allclose(found.quantile(0.5), found.median)
    steps = np.array([found.quantile(p) for p in (0.05, 0.1, 0.5, 0.9, 0.95)])
    assert np.all(np.diff(steps, axis=0) > 0)


def test_one_estimate_carries_the_interval_and_the_quantile_asked_for() -> None:
    found = estimates("log")
    one = found.at(1, 0.9)
    assert one.value == 0.9
    assert one.interval.low < one.value < (one.at_risk or 0) < one.interval.high
    assert found.at(0).at_risk is None
    assert found.take(np.array([1])).median.tolist() == [0.9]


def test_limits_of_well_known_designs_are_checked_with_the_common_spread_and_less() -> None:
    plain = Estimates(median=np.array([2.0, 2.0]), spread=np.array([0.5, 0.5]), scale="log")
    known = replace(plain, common_spread=np.array([0.2, np.nan]))
    assert known.interval()[1] == pytest.approx(plain.interval()[1])
    assert known.limit_quantile(0.9)[0] == pytest.approx(2 * np.exp((1.2816 - LIMIT_SLACK) * 0.2), rel=1e-4)
    assert known.limit_quantile(0.99)[0] == pytest.approx(2 * np.exp((2.3263 - LIMIT_SLACK) * 0.2), rel=1e-4)
    assert known.limit_quantile(0.6)[0] == known.limit_quantile(0.4)[0] == 2.0
    assert known.limit_quantile(0.01)[0] == pytest.approx(2 / np.exp((2.3263 - LIMIT_SLACK) * 0.2), rel=1e-4)
    assert known.limit_quantile(0.9)[1] == pytest.approx(plain.limit_quantile(0.9)[1])
    assert plain.limit_quantile(0.9) == pytest.approx(plain.quantile(0.9))
    assert known.take(np.array([1])).common_spread is not None
    assert known.at(0, 0.9).at_risk == pytest.approx(float(known.limit_quantile(0.9)[0]))
