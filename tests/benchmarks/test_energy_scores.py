from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.energy_scores import adapted, learning, measure_energy, measure_table, plain, scores
from design.devices.catalogue import find_device
from predictors.costs import costs_of
from predictors.descriptor import describe
from predictors.energy_tables import EnergyTable
from predictors.power_effects import shipped_power_effects
from predictors.predictor import Estimates
from tests.predictors.measured_cells import cells, device, true_ms

DATA = os.environ.get("BESPOKE_TEST_DATA")
OWN = device()


def table(count: int = 60) -> EnergyTable:
    designs = cells(count)
    time = true_ms(designs, OWN)
    call = costs_of(designs, OWN, "horowitz").call_energy.lasting(1e-3 * time, OWN)
    return EnergyTable(
        name="made",
        family="made",
        setting="",
        origin="measured",
        rail="device",
        profile=find_device("raspberry-pi-4@tflite"),
        designs=designs,
        energy_mj=2e3 * call.total,
        latency_ms=time,
    )


def test_scores_of_perfect_and_of_doubled_predictions() -> None:
    truth = np.array([1.0, 2.0, 4.0, 8.0])
    spread = np.full(4, 0.1)
    good = scores(Estimates(median=truth, spread=spread, scale="log"), truth)
    assert good == {"srcc": 1.0, "mape_median": 0.0, "within_10": 1.0, "within_2x": 1.0, "coverage_90": 1.0}
    bad = scores(Estimates(median=3 * truth, spread=spread, scale="log"), truth)
    assert (bad["srcc"], bad["within_10"], bad["within_2x"], bad["coverage_90"]) == (1.0, 0.0, 0.0, 0.0)


def test_measured_calls_are_left_out_of_the_score_and_the_closed_form_stands_beside() -> None:
    made = table()
    found = measure_table(made, shipped_power_effects(), seeds=2)
    assert {"0", "10", "10_energies_alone", "closed_form"} <= found.keys()
    assert found["10"]["mape_median"] < 0.1 < found["0"]["mape_median"]
    assert found["networks"] == 60
    draws = learning(made, shipped_power_effects(), (0, 10), 2)
    assert (len(draws["0"]), len(draws["10"])) == (1, 2)


def test_zero_measurements_are_the_learned_prediction_not_the_closed_form() -> None:
    made, own = table(12), describe(find_device("raspberry-pi-4@tflite"))
    query = np.arange(12)
    found = adapted(made, own, query[:0], query, shipped_power_effects())
    costs = costs_of(made.designs, own, "horowitz")
    np.testing.assert_allclose(found.median, costs.energy_mj(costs.latency_ms).median)
    assert (found.spread != plain(costs).spread).all()


@pytest.mark.skipif(DATA is None, reason="BESPOKE_TEST_DATA names no folder of measured tables")
def test_the_measured_board_is_ranked_and_metered_well_after_ten_measurements() -> None:
    found = measure_energy(Path(DATA or ""), seeds=1)
    five = found["raspberry_pi_5"]
    assert five["10"]["srcc"] > 0.95
    assert five["10"]["mape_median"] < 0.07
    assert five["10"]["coverage_90"] > 0.85
    assert found["mlperf_tiny"]["families_with_energy"] == 3
    assert {own["origin"] for own in found["derived"].values()} == {"derived", "simulated"}
