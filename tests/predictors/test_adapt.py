from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, FloatArray
from predictors import adapt as module
from predictors.adapt import OtherDevice, adapt
from predictors.adapted_column import adapt_column
from predictors.costs import costs_of
from predictors.descriptor import Descriptor
from predictors.measurement import LEAST, MOST, Measurements
from predictors.predict import explain, predict
from predictors.predictor import Estimates
from tests.predictors.measured_cells import TASK, cells, device, timed, true_ms, within_seconds
from tests.predictors.test_predict import hybrid

OWN = device()


def error(predicted: FloatArray, truth: FloatArray) -> float:
    return float(np.median(np.abs(predicted / truth - 1)))


def test_ten_measurements_bring_the_error_down_and_say_so() -> None:
    designs = cells(300)
    truth = true_ms(designs, OWN)
    seen, rest = np.arange(10), np.arange(10, 300)
    found = adapt(OWN, timed(designs.take(seen), truth[seen]))
    before = predict(designs.take(rest), OWN, TASK).latency_ms
    after = predict(designs.take(rest), OWN, TASK, adaptation=found).latency_ms
    assert error(before.median, truth[rest]) > 0.3
    assert error(after.median, truth[rest]) < 0.06
    assert found.latency_before is not None
    assert found.latency_after is not None
    assert found.latency_before.mape_median > 0.3
    assert found.latency_after.mape_median < 0.1
    assert found.count == 10
    low, high = after.interval()
    assert ((low <= truth[rest]) & (truth[rest] <= high)).mean() > 0.85
    assert (after.spread < before.spread).all()
    assert {verdict.verdict for verdict in found.verdicts} == {"used"}
    assert predict(designs, OWN, TASK, adaptation=found).sources["latency"].endswith("10 measurements on this device")


def test_no_measurement_changes_no_prediction() -> None:
    designs = cells(20)
    nothing = Measurements(designs=cells(2), latency_ms=np.full(2, np.nan), energy_mj=np.full(2, np.nan))
    found = adapt(OWN, nothing)
    before, after = predict(designs, OWN, TASK), predict(designs, OWN, TASK, adaptation=found)
    np.testing.assert_array_equal(before.latency_ms.median, after.latency_ms.median)
    np.testing.assert_array_equal(before.energy_mj.median, after.energy_mj.median)
    assert before.sources == after.sources
    assert found.latency_before is None
    assert "Nothing was measured" in found.advice[0]


def test_the_same_measurements_give_the_same_adaptation() -> None:
    designs = cells(40)
    one, two = (adapt(OWN, timed(designs, true_ms(designs, OWN))) for _ in range(2))
    assert one.latency is not None
    assert two.latency is not None
    np.testing.assert_array_equal(one.latency.mean, two.latency.mean)
    assert one.verdicts == two.verdicts


def test_a_thousandfold_value_is_set_aside_as_a_wrong_unit() -> None:
    designs = cells(12)
    truth = true_ms(designs, OWN)
    wrong = truth.copy()
    wrong[4] *= 1000
    found, clean = adapt(OWN, timed(designs, wrong)), adapt(OWN, timed(designs, truth))
    verdict = found.verdicts[4]
    assert (verdict.position, verdict.verdict) == (4, "set aside")
    assert "microseconds?" in verdict.reason
    assert found.latency_after is not None
    assert found.latency_after.count == 11
    others = cells(50, seed=3)
    right = predict(others, OWN, TASK, adaptation=clean).latency_ms.median
    assert error(predict(others, OWN, TASK, adaptation=found).latency_ms.median, right) < 0.05


def test_a_value_six_times_off_is_named_as_such() -> None:
    designs = cells(15)
    wrong = true_ms(designs, OWN)
    wrong[2] *= 6
    found = adapt(OWN, timed(designs, wrong)).verdicts[2]
    assert found.verdict == "set aside"
    assert "contradicts the others by" in found.reason


def test_repeats_that_disagree_are_down_weighted_and_repeats_that_agree_count_once() -> None:
    designs = cells(8)
    truth = true_ms(designs, OWN)
    twice = designs.take(np.array([0, 0, 1, 1, *range(2, 8)]))
    values = np.concatenate([[5.0, 50.0], truth[[1, 1]] * [1.0, 1.02], truth[2:]])
    found = adapt(OWN, timed(twice, values))
    assert "the same network measured 5 and 50 ms" in found.verdicts[0].reason or (
        found.verdicts[0].verdict == "set aside"
    )
    assert found.verdicts[0].verdict == found.verdicts[1].verdict != "used"
    assert found.verdicts[2].verdict == "used"
    assert "2 measurements of the same network" in found.verdicts[2].reason
    assert found.latency_before is not None
    assert found.latency_before.count <= 8


def test_a_column_in_microseconds_is_asked_about() -> None:
    designs = cells(6)
    found = adapt(OWN, timed(designs, 1000 * true_ms(designs, OWN)))
    assert any("microseconds" in sentence for sentence in found.advice)
    assert all(verdict.verdict == "used" for verdict in found.verdicts)


def test_one_sample_and_a_constant_column_are_advised_about() -> None:
    designs = cells(12)
    one = adapt(OWN, timed(designs.take(np.array([0])), np.array([7.0])))
    assert "level" in one.advice[0]
    assert one.latency_after is None
    same = adapt(OWN, timed(designs, np.full(12, 7.0)))
    assert any("constant column" in sentence for sentence in same.advice)
    order = np.argsort(predict(designs, OWN, TASK).latency_ms.median)
    after = predict(designs, OWN, TASK, adaptation=same).latency_ms.median
    assert np.array_equal(np.argsort(after), order)


def test_a_clock_of_whole_milliseconds_is_recognised() -> None:
    designs = cells(30)
    truth = true_ms(designs, OWN)
    scale = 6.0 / np.median(truth)
    found = adapt(OWN, timed(designs, np.maximum(np.round(scale * truth), 1.0)))
    assert any("whole steps of 1 ms" in sentence for sentence in found.advice)
    assert found.latency_after is not None
    assert found.latency_after.mape_median < 0.12


def test_energy_adapts_beside_latency() -> None:
    designs = cells(60)
    truth = true_ms(designs, OWN)
    energy = 3.0 * predict(designs, OWN, TASK).energy_mj.median
    seen = np.arange(8)
    given = Measurements(designs=designs.take(seen), latency_ms=truth[seen], energy_mj=energy[seen])
    found = adapt(OWN, given)
    after = predict(designs, OWN, TASK, adaptation=found)
    assert error(after.energy_mj.median[8:], energy[8:]) < 0.1
    assert {verdict.figure for verdict in found.verdicts} == {"latency_ms", "energy_mj"}
    assert "8 measurements" in after.sources["energy"]
    other = predict(designs, OWN, TASK, adaptation=found, energy_model="bit_dependent")
    assert "measurement" not in other.sources["energy"]


@pytest.mark.parametrize("measured", ["latency", "energy", "both"])
def test_layers_add_up_to_the_adapted_totals(measured: str) -> None:
    designs = cells(6)
    truth, nothing = true_ms(designs, OWN), np.full(6, np.nan)
    given = Measurements(
        designs=designs,
        latency_ms=nothing if measured == "energy" else truth,
        energy_mj=nothing if measured == "latency" else 2.5 * truth,
    )
    made = explain(hybrid(), OWN, TASK, adaptation=adapt(OWN, given))
    assert sum(layer.latency_ms for layer in made.layers) == pytest.approx(made.latency_ms.value, rel=1e-9)
    assert sum(layer.energy_mj for layer in made.layers) == pytest.approx(made.energy_mj.value, rel=1e-9)


def test_an_adaptation_of_another_device_is_refused() -> None:
    found = adapt(device("pixel-3"), timed(cells(3), np.array([1.0, 2.0, 3.0])))
    with pytest.raises(OtherDevice, match="device asked for"):
        predict(cells(3), OWN, TASK, adaptation=found)


@pytest.mark.parametrize(
    "latency_ms", [[LEAST] * 3, [LEAST, 5, 5], [MOST] * 3, [LEAST, MOST, 5], [1e-6, 2.3e-6, 4.1e-6, 9.7e-6]]
)
def test_the_least_and_greatest_values_end_in_finite_figures(latency_ms: list[float]) -> None:
    designs = cells(len(latency_ms))
    with within_seconds(10):
        found = adapt(OWN, timed(designs, np.array(latency_ms, dtype=np.float64)))
        predicted = predict(cells(20, seed=1), OWN, TASK, adaptation=found)
    assert found.latency is not None
    assert np.isfinite(found.latency.mean).all()
    assert np.isfinite(found.latency.covariance).all()
    for figures in (predicted.latency_ms, predicted.energy_mj):
        assert np.isfinite(figures.median).all()
        assert np.isfinite(figures.spread).all()


def test_values_of_one_instant_are_no_multiples_of_a_coarse_clock() -> None:
    """All values far below the finest step: none is set aside, no clock is blamed."""
    designs = cells(12)
    found = adapt(OWN, timed(designs, 1e-6 * true_ms(designs, OWN)))
    assert not any("whole steps" in sentence for sentence in found.advice)
    assert {verdict.verdict for verdict in found.verdicts} == {"used"}


def test_a_column_of_values_that_vanish_in_squares_ends() -> None:
    """exp(2 log v) of the least values is 0: without a clock's step nothing is divided by it."""
    designs = cells(3)
    costs = costs_of(designs, OWN, "horowitz")
    with within_seconds(10):
        found = adapt_column(
            "latency_ms",
            designs,
            np.arange(3),
            np.array([1e-170, 5.0, 5.0]),
            costs.latency_prior,
            costs.latency_ms.median,
            costs.traits,
            np.full(3, np.nan),
        )
    assert np.isfinite(found.log_left_out).all()


def test_fifty_measurements_take_milliseconds() -> None:
    """About 6 ms on an idle core."""
    designs = cells(50)
    given = timed(designs, true_ms(designs, OWN))
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        adapt(OWN, given)
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.03


class _Oracle:
    name, version = "oracle", "1"

    def __init__(self, designs: EncodedDesigns) -> None:
        self.left_out_ms = np.full(len(designs), 11.0)

    def answers(self, designs: EncodedDesigns) -> NDArray[np.bool_]:
        return np.asarray(np.arange(len(designs)) % 2 == 0)

    def latency_ms(self, designs: EncodedDesigns) -> Estimates:
        return Estimates(median=np.full(len(designs), 11.0), spread=np.full(len(designs), 0.01), scale="log")


def test_a_posterior_that_knows_some_designs_better_answers_for_those(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(own: Descriptor, given: Measurements) -> _Oracle:
        assert own == OWN
        return _Oracle(given.designs)

    designs = cells(6)
    given = timed(designs, true_ms(designs, OWN))
    plain = adapt(OWN, given)
    monkeypatch.setattr(module, "MAKERS", (make,))
    found = adapt(OWN, given)
    many, without = (predict(designs, OWN, TASK, adaptation=one).latency_ms for one in (found, plain))
    assert (many.median[::2] == 11.0).all()
    np.testing.assert_array_equal(many.median[1::2], without.median[1::2])
    assert replace(found, posteriors=()).latency_after == found.latency_after != plain.latency_after
