"""The main path on real devices: limits kept, impossible ones explained, the same answer every time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from design.constraints import Constraints, LimitName, Preferences
from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import find_device
from design.errors import TaskTooSmall
from design.prediction import Prediction
from design.task import find_task
from optimizer.approaches import SEARCH_VERSION, VERSIONS
from optimizer.library_search import LibrarySearch
from optimizer.objective import TOLERANCE, Objective
from optimizer.optimize import optimize
from optimizer.problem import Method, Problem
from predictors.descriptor import describe
from tests.optimizer.asking import ask, trials_of

ROOT = Path(__file__).parents[2]


def figure(prediction: Prediction, limit: LimitName) -> float:
    """What a limit is compared with."""
    found = {
        "latency_ms": prediction.latency_ms.at_risk,
        "energy_mj": prediction.energy_mj.at_risk,
        "model_kb": prediction.model_bytes / 1000,
        "peak_memory_kb": prediction.peak_memory_bytes / 1000,
        "training_memory_kb": prediction.training_memory_bytes / 1000,
        "min_accuracy": prediction.known_accuracy.at_risk,
    }[limit]
    assert found is not None
    return found


def kept(problem: Problem, prediction: Prediction) -> dict[LimitName, bool]:
    return {
        name: figure(prediction, name) >= allowed * (1 - 2 * TOLERANCE)
        if name == "min_accuracy"
        else figure(prediction, name) <= allowed * (1 + 2 * TOLERANCE)
        for name, allowed in problem.constraints.limits().items()
    }


@pytest.mark.parametrize(
    ("device", "space", "limits"),
    [
        ("raspberry-pi-4", "resnet", {"latency_ms": 30}),
        ("raspberry-pi-4", "nasbench201", {"latency_ms": 30, "min_accuracy": 0.9}),
        ("raspberry-pi-4", "mobilenet", {"latency_ms": 10, "energy_mj": 30, "model_kb": 1000}),
        ("stm32f746", "vgg", {"model_kb": 200, "peak_memory_kb": 250}),
        ("jetson-nano", "vgg", {"latency_ms": 30, "training_memory_kb": 400_000, "risk": 0.3}),
    ],
)
@pytest.mark.parametrize("method", ["auto", "both", "search"])
def test_a_feasible_answer_keeps_every_limit(device: str, space: str, limits: dict[str, Any], method: Method) -> None:
    problem = replace(ask(device, space, **limits), method=method)
    answer = optimize(problem)
    assert answer.feasible
    assert answer.violations == ()
    assert all(kept(problem, answer.prediction).values())
    searched = "exact enumeration" if space == "nasbench201" else "NSGA-II"
    alone = searched if space == "nasbench201" else LibrarySearch.approach
    expected = {"auto": {alone}, "both": {searched, alone}, "search": {searched}}
    assert answer.approach in expected[method]
    versions = {"auto": {VERSIONS[alone]}, "both": {VERSIONS[alone], SEARCH_VERSION}, "search": {SEARCH_VERSION}}
    assert answer.optimizer_version in versions[method]
    assert answer.design.genotype is not None
    assert answer.design.genotype.space == space
    supported = set(describe(problem.device).supported_bits)
    assert {(own.weight_bits, own.activation_bits) for own in answer.design.policy.layers.values()} <= supported


def test_looser_limits_are_never_worse() -> None:
    found = [optimize(ask("raspberry-pi-4", "nasbench201", latency_ms=limit)) for limit in (3, 8, 30, 200)]
    accuracies = [answer.prediction.known_accuracy.at_risk or 0.0 for answer in found]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] > accuracies[0]


def test_preferences_move_the_answer() -> None:
    accurate = optimize(ask("raspberry-pi-4", "vgg", latency_ms=100))
    balanced = optimize(ask("raspberry-pi-4", "vgg", latency_ms=100, preferences=Preferences(accuracy=1, latency=1)))
    small = optimize(ask("raspberry-pi-4", "vgg", latency_ms=100, preferences=Preferences(accuracy=0, size=1)))
    latencies = [answer.prediction.latency_ms.value for answer in (accurate, balanced)]
    assert latencies[0] > 2 * latencies[1]
    assert accurate.prediction.known_accuracy.value > balanced.prediction.known_accuracy.value > 0.7
    assert small.prediction.model_bytes < 0.2 * balanced.prediction.model_bytes


IMPOSSIBLE: dict[str, Any] = {
    "latency_ms": 1e-3,
    "energy_mj": 1e-3,
    "model_kb": 0.1,
    "peak_memory_kb": 0.1,
    "training_memory_kb": 1.0,
    "min_accuracy": 0.9999,
}


def test_impossible_limits_are_explained() -> None:
    problem = ask("raspberry-pi-4", "vgg", **IMPOSSIBLE)
    answer = optimize(problem)
    assert not answer.feasible
    broken = {violation.limit: violation for violation in answer.violations}
    assert broken.keys() == {name for name, fine in kept(problem, answer.prediction).items() if not fine}
    for name, violation in broken.items():
        assert violation.allowed == IMPOSSIBLE[name]
        assert violation.reached == pytest.approx(figure(answer.prediction, name))
        if name == "min_accuracy":
            assert violation.reached <= violation.tightest < violation.allowed
        else:
            assert violation.reached >= violation.tightest > violation.allowed


@pytest.mark.parametrize(
    ("device", "space"),
    [("raspberry-pi-4", "vgg"), ("stm32f746", "resnet"), ("jetson-nano", "mobilenet"), ("max78000", "nasbench201")],
)
def test_the_tightest_value_can_be_had_alone(device: str, space: str) -> None:
    answer = optimize(ask(device, space, **IMPOSSIBLE))
    assert len(answer.violations) == len(IMPOSSIBLE)
    for violation in answer.violations:
        problem = ask(device, space, seed=5, **dict[str, Any]({violation.limit: violation.tightest}))
        alone = optimize(problem)
        assert alone.feasible, f"{violation} cannot be had"
        assert all(kept(problem, alone.prediction).values())


SMALL = DeviceProfile(name="Uno", kind=DeviceKind.MCU, ram_kb=2, flash_kb=32, clock_ghz=0.016)
"""Nothing of the spaces fits its memory."""


@pytest.mark.parametrize(
    ("device", "space", "limits"),
    [
        (find_device("snapdragon-675"), "resnet", {"latency_ms": 0.8466, "peak_memory_kb": 78.6495}),
        (SMALL, "vgg", {"latency_ms": 2000.0, "min_accuracy": 0.9}),
        (SMALL.model_copy(update={"flash_kb": 4.0}), "vgg", {"latency_ms": 1.0, "energy_mj": 1e-4}),
    ],
)
def test_no_nearest_design_is_better_than_the_tightest_value(
    device: DeviceProfile, space: str, limits: dict[str, float]
) -> None:
    constraints = Constraints.model_validate(limits)
    answer = optimize(Problem(device=device, task=find_task("cifar10"), spaces=(space,), constraints=constraints))
    assert not answer.feasible
    for one in answer.violations:
        beaten = one.reached > one.tightest if one.limit == "min_accuracy" else one.reached < one.tightest
        assert not beaten, one


def test_the_nearest_design_is_near() -> None:
    answer = optimize(ask("raspberry-pi-4", "vgg", latency_ms=2, min_accuracy=0.98))
    assert not answer.feasible
    assert [violation.limit for violation in answer.violations] == ["min_accuracy"]
    assert answer.violations[0].reached > 0.7


def test_a_microcontroller_gets_what_fits_its_memory() -> None:
    profile = find_device("stm32f746")
    assert profile.flash_kb is not None
    assert profile.ram_kb is not None
    answer = optimize(ask("stm32f746", "mobilenet"))
    assert answer.feasible
    assert answer.prediction.model_bytes <= profile.flash_kb * 1024
    assert answer.prediction.peak_memory_bytes <= profile.ram_kb * 1024


def test_a_task_too_small_for_the_space_asked_for() -> None:
    problem = ask("raspberry-pi-4", "resnet")
    tiny = problem.task.model_copy(update={"name": "tiny", "input_height": 2, "input_width": 2})
    with pytest.raises(TaskTooSmall):
        optimize(Problem(device=problem.device, task=tiny, spaces=("resnet",)))


def test_small_pictures() -> None:
    answer = optimize(ask("raspberry-pi-4", "vgg", "nasbench201", task="digits", latency_ms=5))
    assert answer.feasible
    assert answer.design.architecture.input_shape == (1, 8, 8)


SCRIPT = """
from design.constraints import Constraints
from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import find_device
from design.task import find_task
from optimizer.optimize import optimize
from optimizer.problem import Problem
problem = Problem(device=find_device("raspberry-pi-4"), task=find_task("cifar10"), seed=3,
                  spaces=("vgg", "nasbench201"), constraints=Constraints(latency_ms=15))
import sys
sys.stdout.write(optimize(problem).model_dump_json())
"""


def test_the_same_request_has_the_same_answer_to_the_digit() -> None:
    problem = ask("raspberry-pi-4", "vgg", "nasbench201", seed=3, latency_ms=15)
    first = optimize(problem)
    optimize(ask("stm32f746", "vgg", "nasbench201", model_kb=100))
    again = optimize(problem)
    assert first == again
    fresh = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(fresh.stdout) == json.loads(first.model_dump_json())


def test_proposals_of_networks_never_make_a_searched_answer_worse() -> None:
    asked: tuple[dict[str, Any], ...] = ({"model_kb": 25, "energy_mj": 15}, {"latency_ms": 3})
    methods: tuple[Method, ...] = ("both", "search")
    for limits in asked:
        problem = ask("raspberry-pi-4", "resnet", **limits)
        device = describe(problem.device)
        objective = Objective.of(problem, device)
        found = [optimize(replace(problem, method=method)) for method in methods]
        ranks = []
        for answer in found:
            assert answer.design.genotype is not None
            trials = trials_of(problem)
            ranks.append(objective.rank(trials.score(np.array([answer.design.genotype.values]))))
        assert ranks[0] <= ranks[1]
