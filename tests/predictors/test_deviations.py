from __future__ import annotations

import time

import numpy as np
import pytest

from predictors.deviations import (
    LEVEL_STEPS,
    NOISE_STEPS,
    NOTHING,
    DeviationPrior,
    Deviations,
    _contradictions,
    condition,
)
from tests.predictors.measured_cells import within_seconds

PRIOR = DeviationPrior(variances=np.array([0.2, 0.1, 0.05]), noise=0.01)


def problem(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    traits = np.column_stack([np.ones(count), random.normal(size=(count, 2))])
    weights = random.normal(size=3) * np.sqrt(PRIOR.variances)
    return traits, traits @ weights + 0.1 * random.normal(size=count)


def slow_twin(
    traits: np.ndarray, deviation: np.ndarray, added: np.ndarray, query: np.ndarray, level: float, noise: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The same as a Gaussian process: one n x n system, and its evidence."""
    variances = PRIOR.variances * np.array([level, 1, 1])
    inner = traits @ np.diag(variances) @ traits.T + np.diag(noise * PRIOR.noise + added)
    cross = query @ np.diag(variances) @ traits.T
    mean = cross @ np.linalg.solve(inner, deviation)
    own = np.einsum("ij,j,ij->i", query, variances, query)
    variance = own - np.einsum("ij,ji->i", cross, np.linalg.solve(inner, cross.T)) + noise * PRIOR.noise
    evidence = -0.5 * deviation @ np.linalg.solve(inner, deviation) - 0.5 * np.linalg.slogdet(inner)[1]
    return mean, variance, float(evidence)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_weights_in_closed_form_equal_a_mixture_of_gaussian_processes(count: int) -> None:
    traits, deviation = problem(count)
    query = problem(9, seed=1)[0]
    found = condition(PRIOR, traits, deviation, np.zeros(count))
    means, variances, scores = [], [], []
    for level, level_weight in LEVEL_STEPS:
        for noise, noise_weight in NOISE_STEPS:
            mean, variance, evidence = slow_twin(traits, deviation, found.added, query, level, noise)
            means.append(mean)
            variances.append(variance)
            scores.append(evidence + level_weight + noise_weight)
    weights = np.exp(np.array(scores) - max(scores))
    weights /= weights.sum()
    mean = weights @ np.array(means)
    second = weights @ (np.array(variances) + np.array(means) ** 2)
    own_mean, own_variance = found.predict(query)
    np.testing.assert_allclose(own_mean, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(own_variance, second - mean**2, rtol=1e-6)


def test_scatter_of_each_design_is_noise_of_its_own() -> None:
    """Against one n x n system with the noise of every design on its diagonal, for each member of the mixture."""
    traits, deviation = problem(12)
    scatter = np.exp(np.random.default_rng(2).normal(size=12))
    query, own = problem(9, seed=1)[0], np.full(9, 3.0)
    found = condition(PRIOR, traits, deviation, np.zeros(12), scatter)
    means, variances, scores = [], [], []
    for level, level_weight in LEVEL_STEPS:
        for noise, noise_weight in NOISE_STEPS:
            more = found.added + noise * PRIOR.noise * (scatter - 1)
            mean, variance, evidence = slow_twin(traits, deviation, more, query, level, noise)
            means.append(mean)
            variances.append(variance + noise * PRIOR.noise * (own - 1))
            scores.append(evidence + level_weight + noise_weight)
    weights = np.exp(np.array(scores) - max(scores))
    weights /= weights.sum()
    mean = weights @ np.array(means)
    second = weights @ (np.array(variances) + np.array(means) ** 2)
    own_mean, own_variance = found.predict(query, own)
    np.testing.assert_allclose(own_mean, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(own_variance, second - mean**2, rtol=1e-6)


def test_what_scatters_more_teaches_less() -> None:
    traits, deviation = np.ones((2, 3)) * [1, 0, 0], np.array([0.0, 0.4])
    found = [condition(PRIOR, traits, deviation, np.zeros(2), np.array(own)).mean[0] for own in ([1, 30], [30, 1])]
    assert found[0] < 0.1 < 0.3 < found[1]


def test_leaving_one_out_in_closed_form_is_near_leaving_it_out() -> None:
    traits, deviation = problem(25)
    found = condition(PRIOR, traits, deviation, np.zeros(25))
    for place in range(0, 25, 6):
        rest = np.arange(25) != place
        others = condition(PRIOR, traits[rest], deviation[rest], np.zeros(24))
        assert found.left_out[place] == pytest.approx(others.predict(traits[[place]])[0][0], abs=0.02)


def test_contradicting_measurements_are_set_aside_and_change_nothing() -> None:
    traits, deviation = problem(30)
    clean = condition(PRIOR, traits, deviation, np.zeros(30))
    wrong = deviation.copy()
    wrong[[3, 17]] += [6.9, -2.0]
    found = condition(PRIOR, traits, wrong, np.zeros(30))
    assert set(np.flatnonzero(found.added >= NOTHING)) >= {3, 17}
    query = problem(9, seed=1)[0]
    assert np.abs(found.predict(query)[0] - clean.predict(query)[0]).max() < 0.1


def test_a_device_far_off_its_profile_is_believed() -> None:
    """All measurements agree on a factor of 20: the level moves there, nothing is set aside."""
    traits, deviation = problem(6)
    found = condition(PRIOR, traits, deviation + 3.0, np.zeros(6))
    assert (found.added < NOTHING).all()
    assert found.mean[0] == pytest.approx(condition(PRIOR, traits, deviation, np.zeros(6)).mean[0] + 3.0, abs=0.15)


def test_spread_falls_with_measurements_and_no_measurement_is_harmless() -> None:
    query = problem(9, seed=1)[0]

    def spread(count: int) -> float:
        traits, deviation = problem(count)
        return float(np.sqrt(condition(PRIOR, traits, deviation, np.zeros(count)).predict(query)[1]).mean())

    assert spread(1) > spread(4) > spread(30)


@pytest.mark.parametrize("odd", [{3: np.nan}, {3: np.inf}, {0: -np.inf, 5: np.nan}, dict.fromkeys(range(12), np.nan)])
@pytest.mark.parametrize("place", ["deviation", "added"])
def test_setting_aside_ends_whatever_comes(odd: dict[int, float], place: str) -> None:
    traits, deviation = problem(12)
    deviation[7] += 9.0
    given = {"deviation": deviation, "added": np.zeros(12)}
    given[place][list(odd)] = list(odd.values())
    with within_seconds(5), np.errstate(all="ignore"):
        _contradictions(PRIOR, traits, given["deviation"], given["added"])


def test_thousands_of_measurements_take_no_longer_than_seconds() -> None:
    traits, deviation = problem(8000)
    deviation[::5] += 5.0
    begun = time.perf_counter()
    found = condition(PRIOR, traits, deviation, np.zeros(8000))
    assert time.perf_counter() - begun < 3.0
    assert (found.added[::5] >= NOTHING).all()
    assert isinstance(found, Deviations)
