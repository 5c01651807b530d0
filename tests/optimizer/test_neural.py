"""The amortised path: what it answers its own predictors approve of, and searching longer gains little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.layer import Op
from optimizer import proposals
from optimizer.approaches import SEARCH_VERSION, VERSIONS
from optimizer.genetic import GeneticSearch
from optimizer.neural import TIGHTER, NeuralSearch, wanted_families
from optimizer.neural_weights import neural_weights
from optimizer.objective import Objective
from optimizer.optimize import optimize
from optimizer.proposals import proposed
from optimizer.search import RandomSearch
from optimizer.trials import Trials
from optimizer.uniform_search import uniform
from tests.optimizer.asking import ask, trials_of

REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("raspberry-pi-4", "resnet", {"latency_ms": 30.0}),
    ("jetson-nano", "vgg", {"latency_ms": 30.0, "model_kb": 900.0}),
    ("stm32f746", "vgg", {"model_kb": 200.0, "peak_memory_kb": 250.0}),
    ("pixel-2", "mobilenet", {"latency_ms": 20.0, "energy_mj": 60.0}),
)


def answered(device: str, space: str, limits: dict[str, Any]) -> Trials:
    trials = trials_of(ask(device, space, **limits))
    assert proposed([trials], networks=True)
    return trials


@pytest.mark.parametrize(("device", "space", "limits"), REQUESTS)
def test_keeps_every_limit_and_beats_random_search_of_its_budget(
    device: str, space: str, limits: dict[str, Any]
) -> None:
    trials = answered(device, space, limits)
    assert trials.objective.feasible(trials.best())
    others = trials_of(ask(device, space, **limits))
    RandomSearch(trials.evaluations).propose(others, 0)
    assert trials.objective.rank(trials.best()) < others.objective.rank(others.best())


def test_little_is_lost_against_a_genetic_search_of_more_predictions() -> None:
    lost = []
    for device, space, limits in REQUESTS:
        trials = answered(device, space, limits)
        others = trials_of(ask(device, space, **limits))
        GeneticSearch(48, 20).propose(others, 0)
        lost.append(others.best().accuracy[0] - trials.best().accuracy[0])
    assert np.mean(lost) < 0.002


def test_all_spaces_compete_and_the_answer_says_how_it_was_found() -> None:
    problem = replace(ask("raspberry-pi-4", "resnet", "vgg", "mobilenet", latency_ms=20), method="network")
    answer = optimize(problem)
    assert (answer.feasible, answer.approach) == (True, NeuralSearch.approach)
    assert answer.optimizer_version == VERSIONS[NeuralSearch.approach]
    assert answer == optimize(problem)


def test_limits_out_of_reach_of_the_networks_are_searched() -> None:
    answer = optimize(replace(ask("raspberry-pi-4", "vgg", latency_ms=1e-4), method="network"))
    assert not answer.feasible
    assert answer.optimizer_version == SEARCH_VERSION
    assert all(one.tightest > one.allowed for one in answer.violations)


def test_without_weights_the_spaces_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "neural_weights", lambda space, task: None)
    answer = optimize(replace(ask("raspberry-pi-4", "vgg", latency_ms=20), method="network"))
    assert (answer.feasible, answer.optimizer_version) == (True, SEARCH_VERSION)


def test_only_supported_bits_are_proposed() -> None:
    profile = DeviceProfile.model_validate(find_device("raspberry-pi-4").model_dump() | {"supported_bits": [[8, 8]]})
    problem = ask("raspberry-pi-4", "resnet", latency_ms=30)
    answer = optimize(replace(problem, device=profile, method="network"))
    assert {(own.weight_bits, own.activation_bits) for own in answer.design.policy.layers.values()} == {(8, 8)}


def test_answers_are_distinct_allowed_and_few() -> None:
    trials = trials_of(ask("raspberry-pi-4", "resnet", latency_ms=30))
    weights = neural_weights(trials.space, trials.task)  # type: ignore[arg-type]
    assert weights is not None
    found = NeuralSearch(weights).answers(trials)
    assert 1 <= len(found) <= len(TIGHTER) * (1 + len(trials.mask.choices[0]))
    assert len(np.unique(found, axis=0)) == len(found)
    assert np.array_equal(trials.allowed(found), found)


def test_uniform_designs_have_one_precision_where_layers_allow_it() -> None:
    trials = trials_of(ask("raspberry-pi-4", "vgg"))
    found = uniform(trials.space, trials.task, trials.mask.choices)  # type: ignore[arg-type]
    assert found.genotypes is not None
    assert np.array_equal(trials.allowed(found.genotypes), found.genotypes)
    assert len(np.unique(found.genotypes, axis=0)) == len(found)
    for values in found.genotypes[::17]:
        design = trials.space.decode(trials.task, values)
        convolutions = [layer.name for layer in design.architecture.layers if layer.op is Op.CONV][1:]
        assert len({design.policy.layers[name] for name in convolutions}) == 1


def test_families_are_each_and_all() -> None:
    assert wanted_families(3, (0, 2)).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 1]]


def test_an_objective_of_one_figure_is_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extremes are climbed to, not proposed: an objective alone still knows its limits."""
    trials = trials_of(ask("raspberry-pi-4", "vgg", latency_ms=30))
    alone: Objective = trials.objective.only("latency_ms")
    assert alone.limits == trials.objective.own
