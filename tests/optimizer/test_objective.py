"""Order among designs: limits before preferences, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log

import numpy as np
import pytest

from design.constraints import Constraints, LimitName, Preferences
from design.device import DeviceKind, DeviceProfile
from design.task import find_task
from optimizer.objective import BROKEN, EXPONENT, LEAST_ERROR, LEAST_WEIGHT, LIMITS, Objective, Scores
from optimizer.problem import Problem
from predictors.descriptor import describe


def scores(*designs: tuple[float, float]) -> Scores:
    """(accuracy, cost) of each design; every cost is the same number, quantiles are medians."""
    accuracy, cost = np.array(designs, dtype=np.float64).T
    return Scores(
        genotypes=np.arange(len(designs))[:, None],
        accuracy=accuracy,
        latency_ms=cost,
        energy_mj=cost,
        model_bytes=cost * 1000,
        peak_memory_bytes=cost * 1000,
        at_risk=np.column_stack([accuracy if name == "min_accuracy" else cost for name in LIMITS]),
        doubt=np.zeros(len(designs)),
    )


def test_violations_are_logs_of_ratios_and_something_for_being_broken() -> None:
    objective = Objective(limits={"latency_ms": 10.0, "energy_mj": 40.0, "min_accuracy": 0.9})
    found = objective.excess(scores((0.95, 10.0), (0.8, 20.0), (0.9, 80.0)))
    expected = np.array([[0, 0, 0], [log(2), 0, log(0.2 / 0.1)], [log(8), log(2), 0]])
    assert found == pytest.approx(expected, abs=1e-12)
    assert objective.violation(scores((0.8, 20.0))) == pytest.approx([log(4) + 2 * BROKEN])
    assert objective.feasible(scores((0.95, 10.0)))
    assert not objective.feasible(scores((0.95, 10.001)))


def test_a_limit_met_to_the_last_digits_is_kept() -> None:
    objective = Objective(limits={"latency_ms": 0.3, "min_accuracy": 0.3})
    assert objective.feasible(scores((0.1 + 0.2, 0.1 + 0.2)))
    assert objective.feasible(scores((0.3 - 1e-16, 0.3)))


def test_an_accuracy_of_one_can_be_asked() -> None:
    objective = Objective(limits={"min_accuracy": 1.0})
    found = objective.violation(scores((0.9, 1.0), (0.99, 1.0)))
    assert found == pytest.approx([log(0.1 / LEAST_ERROR) + BROKEN, log(0.01 / LEAST_ERROR) + BROKEN])


def test_limits_come_first_then_utility() -> None:
    objective = Objective(limits={"latency_ms": 10.0})
    found = scores((0.99, 11.0), (0.5, 10.0), (0.6, 9.0), (0.999, 20.0))
    assert objective.order(found).tolist() == [2, 1, 0, 3]
    assert objective.best(found).accuracy.tolist() == [0.6]


def test_halving_a_cost_is_worth_a_tenth_more_error_at_equal_weights() -> None:
    objective = Objective(limits={}, preferences=Preferences(accuracy=1, latency=1))
    least = 2 * LEAST_WEIGHT * EXPONENT * log(2)
    halved = objective.utility(scores((0.8, 1.0))) - objective.utility(scores((0.8, 2.0))) - least
    more_error = objective.utility(scores((0.8, 1.0))) - objective.utility(scores((0.78, 1.0)))
    assert halved == pytest.approx(more_error)


def test_accuracy_alone_still_breaks_ties_by_cost() -> None:
    objective = Objective(limits={})
    assert objective.order(scores((0.9, 2.0), (0.9, 1.0))).tolist() == [1, 0]
    assert objective.order(scores((0.9, 1.0), (0.91, 2.0))).tolist() == [1, 0]
    assert objective.order(scores((0.9, 1.0), (0.9001, 2.0))).tolist() == [0, 1]


def test_the_surer_of_equal_medians_wins() -> None:
    found = scores((0.9, 1.0), (0.9, 1.0))
    found.at_risk[:, LIMITS.index("min_accuracy")] = (0.85, 0.89)
    assert Objective(limits={}).order(found).tolist() == [1, 0]


@pytest.mark.parametrize("name", ["latency", "energy", "size"])
def test_a_preference_for_a_cost_alone_takes_the_cheapest(name: str) -> None:
    objective = Objective(limits={}, preferences=Preferences(**{"accuracy": 0.0, name: 2.5}))
    assert objective.order(scores((0.9, 2.0), (0.7, 1.0))).tolist() == [1, 0]


def test_only_ratios_of_preferences_count() -> None:
    designs = scores((0.9, 5.0), (0.85, 2.0), (0.8, 1.0))
    one = Objective(limits={}, preferences=Preferences(accuracy=1, latency=2, energy=0.5))
    other = Objective(limits={}, preferences=Preferences(accuracy=10, latency=20, energy=5))
    assert one.utility(designs) == pytest.approx(other.utility(designs))


def test_a_figure_alone() -> None:
    objective = Objective(limits={"latency_ms": 0.1, "min_accuracy": 0.999})
    designs = scores((0.99, 2.0), (0.7, 1.0))
    assert objective.only("latency_ms").order(designs).tolist() == [1, 0]
    assert objective.only("min_accuracy").order(designs).tolist() == [0, 1]
    assert objective.only("latency_ms").limits == {}


def test_memory_of_a_microcontroller_is_a_limit() -> None:
    profile = DeviceProfile(name="board", kind=DeviceKind.MCU, ram_kb=320, flash_kb=1024)
    problem = Problem(device=profile, task=find_task("cifar10"), constraints=Constraints(model_kb=2000, latency_ms=9))
    objective = Objective.of(problem, describe(profile))
    assert objective.limits == {"latency_ms": 9, "model_kb": 1048.576, "peak_memory_kb": 327.68}
    assert objective.only("latency_ms").limits == {"model_kb": 1048.576, "peak_memory_kb": 327.68}
    asked = Problem(device=profile, task=find_task("cifar10"), constraints=Constraints(model_kb=100))
    assert Objective.of(asked, describe(profile)).limits["model_kb"] == 100


def test_memory_of_a_computer_is_not() -> None:
    profile = DeviceProfile(name="board", kind=DeviceKind.CPU, ram_kb=320)
    problem = Problem(device=profile, task=find_task("cifar10"))
    assert Objective.of(problem, describe(profile)).limits == {}


def test_where_limits_are_checked_with_less_a_safer_design_wins_unless_it_costs_much() -> None:
    """Two designs within the limit: close to it and a little better, or far from it."""
    objective = Objective(limits={"latency_ms": 10.0})
    near = scores((0.700, 9.9), (0.698, 8.0))
    assert objective.order(near).tolist() == [0, 1]
    doubtful = replace(near, doubt=np.full(2, 0.05))
    assert objective.breach(doubtful) == pytest.approx([0.415, 0.0005], abs=0.01)
    assert objective.order(doubtful).tolist() == [1, 0]
    dear = replace(scores((0.80, 9.9), (0.698, 8.0)), doubt=np.full(2, 0.05))
    assert objective.order(dear).tolist() == [0, 1]
    assert replace(objective, risk=0.005).order(dear).tolist() == [1, 0]  # a breach weighs as much as it is unwanted
    between = replace(scores((0.700, 9.9), (0.690, 8.0)), doubt=np.full(2, 0.05))
    assert objective.order(between).tolist() == [1, 0]
    assert replace(objective, risk=0.5).order(between).tolist() == [0, 1]
    assert not Objective(limits={}).breach(doubtful).any()


@pytest.mark.parametrize("limits", [{}, {"latency_ms": 4.0}, {"latency_ms": 0.1, "min_accuracy": 0.7}])
def test_the_first_in_order_need_no_whole_order(limits: Mapping[LimitName, float]) -> None:
    rng = np.random.default_rng(0)
    many = scores(*zip(rng.choice(8, 300) / 10 + 0.1, 1.0 + rng.choice(12, 300), strict=True))
    objective = Objective(limits=limits)
    for count in (1, 2, 7, 64, 299, 300, 400):
        assert objective.first(many, count).tolist() == objective.order(many)[:count].tolist()
