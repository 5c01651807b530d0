from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.encoding import EncodedDesigns, FloatArray
from predictors.adapt import Adaptation, adapt
from predictors.costs import costs_of
from predictors.descriptor import Descriptor, describe
from predictors.measurement import Measurements
from predictors.predict import predict
from predictors.predictor import Estimates
from tests.predictors.measured_cells import TASK, cells, device, true_ms

OWN = device()
DESIGNS = cells(200)
TIME = true_ms(DESIGNS, OWN)
SEEN, REST = np.arange(10), np.arange(10, 200)


def true_mj(time_ms: FloatArray, own: Descriptor = OWN, level: float = 1.7, noise: float = 0.03) -> FloatArray:
    """Energy on a device that draws `level` times what its profile says."""
    costs = costs_of(DESIGNS, own, "horowitz")
    call = costs.call_energy.lasting(1e-3 * time_ms, own, 0.0)
    return np.asarray(1e3 * level * call.total * np.exp(noise * np.random.default_rng(1).normal(size=len(DESIGNS))))


def measured(
    energy_mj: FloatArray | None, latency_ms: FloatArray | None, designs: EncodedDesigns = DESIGNS
) -> Measurements:
    count = len(SEEN)
    nothing = np.full(count, np.nan)
    return Measurements(
        designs=designs.take(SEEN),
        latency_ms=nothing if latency_ms is None else latency_ms[SEEN],
        energy_mj=nothing if energy_mj is None else energy_mj[SEEN],
    )


def after(found: Adaptation, own: Descriptor = OWN) -> Estimates:
    return predict(DESIGNS.take(REST), own, TASK, adaptation=found).energy_mj


def error(found: Estimates, truth: FloatArray) -> float:
    return float(np.median(np.abs(found.median / truth[REST] - 1)))


def covered(found: Estimates, truth: FloatArray) -> float:
    low, high = found.interval()
    return float(((low <= truth[REST]) & (truth[REST] <= high)).mean())


@pytest.mark.parametrize("latency", [True, False])
def test_ten_energies_bring_the_error_down_with_intervals_that_hold(latency: bool) -> None:
    energy = true_mj(TIME)
    found = adapt(OWN, measured(energy, TIME if latency else None))
    before = predict(DESIGNS.take(REST), OWN, TASK).energy_mj
    assert error(before, energy) > 0.4
    assert error(after(found), energy) < 0.08
    assert covered(after(found), energy) > 0.85
    assert (after(found).spread < before.spread).all()
    assert found.energy_before is not None
    assert found.energy_after is not None
    assert found.energy_before.mape_median > 0.4
    assert found.energy_after.mape_median < 0.15


def test_a_device_measured_slower_draws_longer() -> None:
    found = adapt(OWN, measured(None, TIME))
    plain = predict(DESIGNS.take(REST), OWN, TASK).energy_mj
    same_power = true_mj(TIME, level=1.0, noise=0.0)
    assert np.median(after(found).median / plain.median) > 1.5
    ratio = after(found).median / same_power[REST]
    assert ratio.std() / ratio.mean() < 0.1
    assert (after(found).spread < plain.spread).all()
    assert found.energy is None


def test_energies_of_single_calls_follow_the_time_even_where_the_level_of_power_is_unknown() -> None:
    own = describe(DeviceProfile(name="any", kind=DeviceKind.NPU))
    assert own.static_per_call
    time = true_ms(DESIGNS, own)
    energy = true_mj(time, own, level=0.3)
    found = adapt(own, measured(energy, time))
    assert error(after(found, own), energy) < 0.15
    assert covered(after(found, own), energy) > 0.85


def test_one_wrong_value_is_set_aside_and_named() -> None:
    energy = true_mj(TIME)
    wrong = energy.copy()
    wrong[3] *= 1000
    found, clean = (adapt(OWN, measured(values, TIME)) for values in (wrong, energy))
    verdict = next(one for one in found.verdicts if (one.position, one.figure) == (3, "energy_mj"))
    assert verdict.verdict == "set aside"
    assert "microjoules?" in verdict.reason
    np.testing.assert_allclose(after(found).median, after(clean).median, rtol=0.05)


def test_a_latency_that_does_not_count_does_not_tell_the_time_of_its_energy() -> None:
    energy, wrong = true_mj(TIME), TIME.copy()
    wrong[5] *= 1000
    found, clean = (adapt(OWN, measured(energy, values)) for values in (wrong, TIME))
    np.testing.assert_allclose(after(found).median, after(clean).median, rtol=0.05)
    assert {one.verdict for one in found.verdicts if one.figure == "energy_mj"} == {"used"}


@pytest.mark.parametrize(("factor", "word"), [(1000.0, "microjoules"), (0.001, "joules")])
def test_a_whole_column_in_another_unit_counts_for_nothing_and_says_so(factor: float, word: str) -> None:
    found = adapt(OWN, measured(factor * true_mj(TIME), TIME))
    energies = [one for one in found.verdicts if one.figure == "energy_mj"]
    assert len(energies) == len(SEEN)
    assert all(one.verdict == "set aside" and f"{word}?" in one.reason for one in energies)
    without = after(adapt(OWN, measured(None, TIME)))
    np.testing.assert_array_equal(after(found).median, without.median)
    np.testing.assert_array_equal(after(found).spread, without.spread)
    assert found.energy_after is None


def test_power_above_the_stated_and_below_idle_is_said() -> None:
    profile = OWN.profile.model_copy(update={"tdp_w": 6.0, "idle_w": 2.0})
    own = describe(profile)
    high = adapt(own, measured(20.0 * TIME, TIME)).advice
    assert any("up to 20 W" in one and "tdp_w = 6" in one for one in high)
    low = adapt(own, measured(1.0 * TIME, TIME)).advice
    assert any("as little as 1 W" in one and "idle power was subtracted" in one for one in low)
    assert not any("W over" in one for one in adapt(own, measured(4.0 * TIME, TIME)).advice)


def test_designs_whose_time_is_known_better_have_their_energy_known_better() -> None:
    found = adapt(OWN, measured(true_mj(TIME), TIME))
    costs = costs_of(DESIGNS.take(REST), OWN, "horowitz")
    latency = found.latency_ms(DESIGNS.take(REST), costs)
    exact, vague = replace(latency, spread=np.full(len(REST), 1e-3)), replace(latency, spread=2 * latency.spread)
    better, usual, worse = (found.energy_mj(costs, one).spread for one in (exact, latency, vague))
    assert (better < usual).all()
    assert (usual < worse).all()


def test_energies_without_latencies_agree_with_a_dense_gaussian_process() -> None:
    """The slow twin: all covariances written out, one level of noise."""
    energy = true_mj(TIME)
    found = adapt(OWN, measured(energy, None)).energy
    assert found is not None
    costs = costs_of(DESIGNS, OWN, "horowitz")
    call = costs.call_energy.lasting(1e-3 * costs.latency_ms.median, OWN, found.log_level)
    prior, time = costs.power_prior, costs.latency_prior
    follow = call.time_share[:, None] * costs.traits
    covariance = call.traits @ prior.covariance @ call.traits.T + (follow * time.variances) @ follow.T
    deviation = np.log(energy / (1e3 * call.total)) - call.traits @ prior.mean
    noise = np.diag(prior.noise + call.time_share[SEEN] ** 2 * time.noise * costs.scatter[SEEN])
    gain = covariance[REST][:, SEEN] @ np.linalg.inv(covariance[np.ix_(SEEN, SEEN)] + noise)
    dense = 1e3 * call.total[REST] * np.exp(call.traits[REST] @ prior.mean + gain @ deviation[SEEN])
    rest = costs_of(DESIGNS.take(REST), OWN, "horowitz")
    np.testing.assert_allclose(found.energy_mj(rest, rest.latency_ms).median, dense, rtol=0.05)
