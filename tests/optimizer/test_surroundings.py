"""Surroundings: what other preferences choose fills the gaps of the front, within a fixed budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymoo.indicators.hv import HV

from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.encoding import FloatArray
from optimizer.answer import front_costs
from optimizer.exchange import Changes
from optimizer.pareto import nondominated
from optimizer.proposals import look_around, proposed
from optimizer.surroundings import ACCURACY_SHARES, TRIED, score_surroundings
from tests.optimizer.asking import ask, trials_of


def hypervolume(costs: FloatArray, every: FloatArray) -> float:
    """Of N x 3 costs, up to the worst of what is not dominated among all."""
    low, high = every.min(axis=0), every[nondominated(every)].max(axis=0)
    found = ((costs - low) / (high - low))[nondominated(costs)]
    return float(HV(ref_point=np.ones(3))(found))


@pytest.mark.parametrize(
    ("space", "limits", "gain"),
    [
        ("vgg", {"latency_ms": 20}, 0.01),
        ("nasbench201", {"latency_ms": 20, "model_kb": 500}, 0.05),
        ("resnet", {"latency_ms": 20}, 0.0),
    ],
)
def test_the_front_grows_by_a_fixed_budget(space: str, limits: dict[str, Any], gain: float) -> None:
    trials = trials_of(ask("raspberry-pi-4", space, **limits))
    assert proposed([trials])
    before, known, rank = front_costs(trials.scores), trials.evaluations, trials.objective.rank(trials.best())
    single = max(len(Changes.of(trials, one)) for one in trials.scores.genotypes[-20:])
    score_surroundings(trials)
    after = front_costs(trials.scores)
    assert trials.evaluations <= known + len(ACCURACY_SHARES) * (2 * single + TRIED)
    assert hypervolume(after, after) > (1 + gain) * hypervolume(before, after)
    assert trials.objective.rank(trials.best()) <= rank
    assert np.array_equal(trials.allowed(trials.scores.genotypes[known:]), trials.scores.genotypes[known:])


def test_cells_of_one_precision_have_been_scored_already() -> None:
    profile = DeviceProfile.model_validate(find_device("raspberry-pi-4").model_dump() | {"supported_bits": [[8, 8]]})
    problem = ask("raspberry-pi-4", "nasbench201", latency_ms=20)
    trials = trials_of(replace(problem, device=profile))
    proposed([trials])
    before = trials.evaluations
    look_around(trials)
    assert trials.evaluations == before
