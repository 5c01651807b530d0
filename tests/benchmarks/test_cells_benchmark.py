"""What the benchmark of NAS-Bench-201 designs reckons with, where the predictors are right about everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.cell_front import front_ratios
from benchmarks.cell_truth import SPACE, TASK, Truth, designs_of
from benchmarks.cell_zero_shot import unmeasured
from benchmarks.limit_rule import Case, outcome
from benchmarks.optimizer_cells import PUBLISHED, PUBLISHED_LIMITS_MS, published_limits
from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.spaces.nasbench201 import NasBench201Space
from design.spaces.nasbench201_cells import CELLS
from design.spaces.registry import SPACES
from design.task import find_task
from predictors.descriptor import describe
from predictors.predict import predict
from predictors.predictor import Estimates
from predictors.universal import UniversalLatency
from predictors.universal_weights import shipped_weights


@pytest.fixture(scope="module")
def profile() -> DeviceProfile:
    return DeviceProfile.model_validate(find_device("pixel-2").model_dump() | {"supported_bits": ((32, 32),)})


@pytest.fixture(scope="module")
def truth(profile: DeviceProfile) -> Truth:
    task = find_task(TASK)
    genotypes = np.zeros((CELLS, len(SPACES[SPACE].genes(task))), dtype=np.int64)
    genotypes[:, :6] = np.stack(np.unravel_index(np.arange(len(genotypes)), (5,) * 6), axis=1)
    found = predict(SPACES[SPACE].rows(task, genotypes), describe(profile), task)
    cells = NasBench201Space.cell_numbers(genotypes[:, :6])
    row_of_cell = np.empty(len(cells), dtype=np.int64)
    row_of_cell[cells] = np.arange(len(cells))
    return Truth(
        cells=cells,
        row_of_cell=row_of_cell,
        accuracy=100 * found.accuracy.median,
        latency_ms={"pixel2": found.latency_ms.median},
        known=False,
    )


def test_fronts_stand_beside_rivals_of_as_many_predictions(truth: Truth, profile: DeviceProfile) -> None:
    found = front_ratios(truth, profile, None, truth.latency_ms["pixel2"])
    ratios = {key: found[key] for key in found if key.startswith("hypervolume_ratio")}
    assert ratios.keys() == {"hypervolume_ratio", "hypervolume_ratio_nsga2", "hypervolume_ratio_random"}
    assert all(0 < ratio <= 1 + 1e-9 for ratio in ratios.values())
    assert ratios["hypervolume_ratio"] > 0.97
    assert ratios["hypervolume_ratio"] >= ratios["hypervolume_ratio_random"]
    assert 0 <= found["igd_plus"] < 0.05


def test_published_limits_are_means_over_draws() -> None:
    rows: list[dict[str, Any]] = [
        {"device": device, "published": at, "latency_ms": 1.0 + draw, "percent": 70.0 + draw, "kept": draw == 0}
        for device, limits in PUBLISHED_LIMITS_MS.items()
        for at in (*range(len(limits)), None)
        for draw in range(2)
    ]
    found = published_limits(rows)
    assert [one["limit_ms"] for one in found] == [limit for own in PUBLISHED_LIMITS_MS.values() for limit in own]
    assert all((one["draws"], one["latency_ms"], one["percent"], one["kept"]) == (2, 1.5, 70.5, 0.5) for one in found)
    assert found[0]["published_ms"] == PUBLISHED[found[0]["device"]][0][0]


def test_a_device_of_which_nothing_was_measured_is_seen_as_the_model_given_sees_it(
    truth: Truth, profile: DeviceProfile
) -> None:
    device, designs = describe(profile), designs_of(truth, np.arange(0, CELLS, 997))
    weights = shipped_weights()
    model = UniversalLatency(replace(weights, shares=np.zeros_like(weights.shares)))
    found = predict(designs, device, find_task(TASK), adaptation=unmeasured(model, device, designs)).latency_ms
    assert found.median == pytest.approx(model.predict(designs, device, None).median)
    assert not np.allclose(found.median, predict(designs, device, find_task(TASK)).latency_ms.median)
    assert found.common_spread is None


def test_limits_of_a_device_that_is_known_well_are_all_kept_and_nothing_is_lost(truth: Truth) -> None:
    sure = outcome(truth, case(truth, 1e-6), risk=0.1)
    assert sure == pytest.approx([0.0, 1.0], abs=1e-6)
    doubtful = outcome(truth, case(truth, 0.2), risk=0.1)
    assert doubtful[1] == 1.0
    assert 0 < outcome(truth, case(truth, 0.2), risk=0.3)[0] < doubtful[0]


def case(truth: Truth, spread: float) -> Case:
    """A device whose predictions are right and doubted by `spread`."""
    median = truth.latency_ms["pixel2"]
    common = np.full(len(median), spread)
    estimates = Estimates(median=median, spread=common, scale="log", common_spread=common)
    return Case(device="pixel2", without="chip", count=10, estimates=estimates)
