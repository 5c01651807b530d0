"""Predictions of families are those of `predict`, remembered by object, and forgotten in order."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from design.encoding import EncodedDesigns
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.exact import ExactSearch
from optimizer.family_predictions import FAMILIES, LIBRARIES, FamilyPredictions
from optimizer.proposals import proposed
from predictors.adapt import DEFAULT_ENERGY_MODEL, adapt
from predictors.descriptor import describe
from predictors.measurement import Measurements
from predictors.predict import predict
from tests.optimizer.asking import ask, trials_of

TASK = find_task("cifar10")
PROBLEM = ask("raspberry-pi-4", "vgg", latency_ms=20)


def family(seed: int) -> EncodedDesigns:
    return SPACES["vgg"].rows(TASK, SPACES["vgg"].sample(TASK, 6, np.random.default_rng(seed)))


def test_they_are_what_predict_says_and_the_same_object_again() -> None:
    kept, own, device = FamilyPredictions(), family(0), describe(PROBLEM.device)
    first = kept.of(own, device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    slow = predict(own, device, TASK)
    assert (first.latency_ms.median == slow.latency_ms.median).all()
    assert (first.accuracy.spread == slow.accuracy.spread).all()
    assert kept.of(own, device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None) is first
    assert len(kept) == 1


def test_another_family_device_task_or_adaptation_is_another_prediction() -> None:
    kept, own, device = FamilyPredictions(), family(0), describe(PROBLEM.device)
    plain = kept.of(own, device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    measured = Measurements(designs=own, latency_ms=3 * plain.latency_ms.median, energy_mj=np.full(6, np.nan))
    adapted = kept.of(own, device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=adapt(device, measured))
    assert (adapted.latency_ms.median > 1.5 * plain.latency_ms.median).all()
    other = describe(ask("jetson-nano", "vgg").device)
    elsewhere = kept.of(own, other, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    assert (elsewhere.latency_ms.median != plain.latency_ms.median).all()
    kept.of(family(1), device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    kept.of(own, device, find_task("cifar100"), energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    assert len(kept) == 5


def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    kept, device = FamilyPredictions(most=2), describe(PROBLEM.device)
    families = [family(seed) for seed in range(3)]
    found = [kept.of(own, device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None) for own in families[:2]]
    assert kept.of(families[0], device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None) is found[0]
    kept.of(families[2], device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None)
    assert len(kept) == 2
    assert kept.of(families[0], device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None) is found[0]
    assert kept.of(families[1], device, TASK, energy_model=DEFAULT_ENERGY_MODEL, adaptation=None) is not found[1]


def test_a_second_request_to_a_device_answers_as_a_first_one() -> None:
    """Whatever is remembered: other limits before change nothing."""
    trials_before = trials_of(ask("jetson-nano", "nasbench201", latency_ms=30))
    ExactSearch().propose(trials_before, 0)
    warm = trials_of(ask("jetson-nano", "nasbench201", latency_ms=8.0, model_kb=700.0))
    ExactSearch().propose(warm, 0)
    FAMILIES.forget()
    cold = trials_of(ask("jetson-nano", "nasbench201", latency_ms=8.0, model_kb=700.0))
    ExactSearch().propose(cold, 0)
    for one in fields(cold.scores):
        assert np.array_equal(getattr(cold.scores, one.name), getattr(warm.scores, one.name)), one.name


def test_a_second_request_is_proposed_the_same_from_a_library() -> None:
    """And asks the predictors about the library no more."""
    proposed([trials_of(ask("jetson-nano", "vgg", latency_ms=30))])
    kept = len(LIBRARIES)
    warm = trials_of(ask("jetson-nano", "vgg", latency_ms=8.0, model_kb=300.0))
    proposed([warm])
    assert len(LIBRARIES) == kept
    LIBRARIES.forget()
    cold = trials_of(ask("jetson-nano", "vgg", latency_ms=8.0, model_kb=300.0))
    proposed([cold])
    assert len(LIBRARIES) == 1
    for one in fields(cold.scores):
        assert np.array_equal(getattr(cold.scores, one.name), getattr(warm.scores, one.name)), one.name


@pytest.mark.parametrize("bits", [((32, 32),), None])
def test_small_spaces_are_priced_whole_by_the_network_method(bits: tuple[tuple[int, int], ...] | None) -> None:
    problem = ask("raspberry-pi-4", "nasbench201", latency_ms=20)
    if bits:
        profile = type(problem.device).model_validate(problem.device.model_dump() | {"supported_bits": bits})
        problem = replace(problem, device=profile)
    trials = trials_of(problem)
    assert proposed([trials])
    exact = trials_of(problem)
    ExactSearch().propose(exact, 0)
    assert trials.approach == ExactSearch.approach
    assert trials.objective.rank(trials.best()) <= exact.objective.rank(exact.best())
    assert (trials.evaluations == exact.evaluations) is (bits is not None)
