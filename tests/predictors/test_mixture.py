from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, spearmanr

from design.encoding import FloatArray, IntArray
from predictors import mixture
from predictors.experts import CONSTANT_VARIANCE, Expert, SpaceFeatures, chip_weights
from predictors.mixture import NOISE_GRID, NOISE_MARGIN, VARIANCE_GRID, posterior
from tests.predictors.small_tables import measured, small_space, small_table


def _prior(expert: Expert, features: SpaceFeatures, rows: IntArray, columns: IntArray, factor: float) -> FloatArray:
    """Slow twin of the prior covariance, entry by entry."""
    found = np.zeros((len(rows), len(columns)))
    of = expert.variances
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            total = of["mean"] * expert.mean[row] * expert.mean[column]
            total += of["own"] * float(np.dot(expert.own[row], expert.own[column]))
            total += of["all"] * float(np.dot(expert.all[row], expert.all[column]))
            for name, group in features.groups.items():
                total += of[name] * float(np.dot(group[row], group[column]))
            distance = float(((features.flat[row] - features.flat[column]) ** 2).sum())
            total += of["smooth"] * np.exp(-distance / (2 * of["length"]))
            found[i, j] = factor * total + CONSTANT_VARIANCE
    return found


def _slow(
    experts: list[Expert], features: SpaceFeatures, rows: IntArray, latency: FloatArray, query: IntArray
) -> tuple[FloatArray, FloatArray]:
    """The mixture from dense normal densities in milliseconds."""
    scale, count = latency.mean(), len(rows)
    scores, means, variances = [], [], []
    for expert in experts:
        unit = scale * expert.spread
        for log_factor, variance_prior in VARIANCE_GRID:
            factor = float(np.exp(log_factor))
            inner, outer = (_prior(expert, features, index, rows, factor) for index in (rows, query))
            own = np.diag(_prior(expert, features, query, query, factor))
            for log_noise, noise_prior in NOISE_GRID:
                noise = expert.variances["noise"] * np.exp(log_noise)
                dense = inner + noise * np.eye(count)
                centre = scale * (1 + expert.spread * expert.mean[rows])
                evidence = multivariate_normal(centre, unit**2 * dense).logpdf(latency)
                scores.append(evidence + variance_prior + noise_prior + expert.log_weight)
                solved = np.linalg.solve(dense, outer.T)
                means.append(scale * (1 + expert.spread * expert.mean[query]) + solved.T @ (latency - centre))
                variances.append(unit**2 * (own + NOISE_MARGIN * noise - (outer.T * solved).sum(axis=0)))
    weights = np.exp(np.array(scores) - logsumexp(scores))
    mean = weights @ np.array(means)
    return mean, weights @ (np.array(variances) + np.array(means) ** 2) - mean**2


def test_posterior_equals_a_dense_slow_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "LEAST_WEIGHT", 0.0)
    rows, latency, query = measured(8)
    features = small_table().features
    experts = small_space().experts(features)
    fast = posterior(experts, features, rows, latency, query[:6])
    mean, variance = _slow(experts, features, rows, latency, query[:6])
    assert fast.set_aside.size == 0
    assert np.allclose(fast.mean_ms, mean, rtol=1e-9, atol=0)
    assert np.allclose(fast.variance_ms2, variance, rtol=1e-7, atol=0)
    assert sum(fast.weights.values()) == pytest.approx(1.0)


def test_members_passed_over_change_nothing_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, latency, query = measured(12)
    features = small_table().features
    experts = small_space().experts(features)
    quick = posterior(experts, features, rows, latency, query)
    monkeypatch.setattr(mixture, "LEAST_WEIGHT", 0.0)
    whole = posterior(experts, features, rows, latency, query)
    assert np.allclose(quick.mean_ms, whole.mean_ms, rtol=1e-3)
    assert quick.weights == whole.weights


def test_evidence_finds_the_right_relatives() -> None:
    features = small_table().features
    rows, latency, query = measured(20, "titanx_1")
    found = posterior(small_space("titanx_1").experts(features), features, rows, latency, query)
    assert found.weights["gpu_small_batch"] == max(found.weights.values())


def test_prior_weight_moves_belief() -> None:
    features = small_table().features
    rows, latency, query = measured(5)
    experts = small_space().experts(features)
    favoured = [replace(one, log_weight=50.0 * (one.name == "server_cpu")) for one in experts]
    found = posterior(favoured, features, rows, latency, query)
    assert found.weights["server_cpu"] > 0.99


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_units_scale_predictions(unit: float) -> None:
    features, (rows, latency, query) = small_table().features, measured(10)
    experts = small_space().experts(features)
    one, other = (posterior(experts, features, rows, scale * latency, query) for scale in (1.0, unit))
    assert np.allclose(other.mean_ms, unit * one.mean_ms, rtol=1e-9)
    assert np.allclose(other.variance_ms2, unit**2 * one.variance_ms2, rtol=1e-6)


def test_order_of_measurements_does_not_matter() -> None:
    features, (rows, latency, query) = small_table().features, measured(10)
    experts = small_space().experts(features)
    turned = np.random.default_rng(4).permutation(10)
    one = posterior(experts, features, rows, latency, query)
    other = posterior(experts, features, rows[turned], latency[turned], query)
    assert np.allclose(one.mean_ms, other.mean_ms, rtol=1e-9)


def test_a_network_measured_twice_is_no_contradiction() -> None:
    features, (rows, latency, query) = small_table().features, measured(10)
    experts = small_space().experts(features)
    one = posterior(experts, features, rows, latency, query)
    twice = posterior(experts, features, np.append(rows, rows[0]), np.append(latency, latency[0]), query)
    assert twice.set_aside.size == 0
    assert np.allclose(one.mean_ms, twice.mean_ms, rtol=0.05)


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_one_disturbed_measurement_is_set_aside(factor: float) -> None:
    features, (rows, latency, query) = small_table().features, measured(12)
    experts = small_space().experts(features)
    disturbed = latency.copy()
    disturbed[4] *= factor
    found = posterior(experts, features, rows, disturbed, query)
    assert found.set_aside.tolist() == [4]
    truth = small_table().row("raspi4")[query]
    assert np.median(np.abs(found.mean_ms / truth - 1)) < 0.05
    without = posterior(experts, features, np.delete(rows, 4), np.delete(latency, 4), query)
    assert np.allclose(found.mean_ms, without.mean_ms)


def test_whole_milliseconds_widen_intervals_and_keep_ranks() -> None:
    features, (rows, latency, query) = small_table().features, measured(15)
    experts = small_space().experts(features)
    fine = posterior(experts, features, rows, latency, query)
    coarse = posterior(experts, features, rows, np.maximum(np.round(latency), 1.0), query)
    truth = small_table().row("raspi4")[query]
    assert coarse.set_aside.size == 0
    assert float(spearmanr(coarse.mean_ms, truth).statistic) > 0.9
    assert np.median(coarse.variance_ms2) > np.median(fine.variance_ms2)


def test_more_measurements_bring_smaller_errors_and_intervals() -> None:
    features = small_table().features
    experts = small_space().experts(features)
    errors, spreads = [], []
    for count in (2, 30):
        rows, latency, query = measured(count)
        found = posterior(experts, features, rows, latency, query)
        errors.append(float(np.median(np.abs(found.mean_ms / small_table().row("raspi4")[query] - 1))))
        spreads.append(float(np.median(found.variance_ms2)))
    assert errors[1] < errors[0]
    assert spreads[1] < spreads[0]


def test_functions_of_all_devices_at_once_equal_those_one_by_one() -> None:
    known, features = small_space(), small_table().features
    mean = next(expert for expert in known.experts(features) if expert.name == "far").mean
    values = np.stack([source.on(features).values for source in known.sources])
    assert (
        np.corrcoef(mean, np.asarray(chip_weights([source.on(features) for source in known.sources]) @ values))[0, 1]
        > 1 - 1e-9
    )


def test_what_the_others_say_is_what_they_say_without_a_measurement() -> None:
    features, (rows, latency, query) = small_table().features, measured(12)
    experts = small_space().experts(features)
    found = posterior(experts, features, rows, latency, query[:2])
    for place in (0, 5, 11):
        kept = np.delete(np.arange(12), place)
        alone = posterior(experts, features, rows[kept], latency[kept], rows[place : place + 1])
        assert found.left_out_ms[place] == pytest.approx(alone.mean_ms[0], rel=0.01)  # but for the common scale


def test_a_disturbed_measurement_is_told_by_the_others() -> None:
    features, (rows, latency, query) = small_table().features, measured(12)
    disturbed = latency.copy()
    disturbed[4] *= 10
    found = posterior(small_space().experts(features), features, rows, disturbed, query)
    assert found.left_out_ms[4] == pytest.approx(latency[4], rel=0.1)
