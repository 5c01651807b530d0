"""Trials score only what the device runs, agree with designs priced one by one, and keep everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from design.encoding import encode_designs
from design.precision import Precision
from design.spaces.registry import SPACES
from predictors.adapt import adapt
from predictors.measurement import Measurements
from predictors.predict import predict
from tests.optimizer.asking import ask, trials_of


@pytest.mark.parametrize("space", SPACES)
def test_neighbours_are_those_of_the_space_that_the_device_runs(space: str) -> None:
    trials = trials_of(ask("raspberry-pi-4", space))
    rng = np.random.default_rng(3)
    for own in trials.allowed(trials.mask.sample(3, rng)):
        expected = trials.allowed(trials.space.neighbours(trials.task, own))
        expected = np.unique(expected[(expected != own).any(axis=1)], axis=0)
        found = trials.neighbours(own)
        assert len(np.unique(found, axis=0)) == len(found)
        assert {tuple(row) for row in found.tolist()} <= {tuple(row) for row in expected.tolist()}
        missing = {tuple(row) for row in expected.tolist()} - {tuple(row) for row in found.tolist()}
        assert not missing


@pytest.mark.parametrize("space", SPACES)
def test_scores_are_those_of_designs_priced_one_by_one(space: str) -> None:
    trials = trials_of(ask("raspberry-pi-4", space, risk=0.2))
    everything = trials.space.sample(trials.task, 4, np.random.default_rng(0))
    scores = trials.score(everything)
    designs = [trials.space.decode(trials.task, values) for values in scores.genotypes]
    slow = predict(encode_designs(designs), trials.device, trials.task)
    assert scores.latency_ms == pytest.approx(slow.latency_ms.median)
    assert scores.energy_mj == pytest.approx(slow.energy_mj.median)
    assert scores.accuracy == pytest.approx(slow.accuracy.median)
    assert scores.at_risk[:, 0] == pytest.approx(slow.latency_ms.quantile(0.8))
    assert scores.at_risk[:, 2] == pytest.approx(slow.model_bytes / 1000)
    assert scores.at_risk[:, 5] == pytest.approx(slow.accuracy.quantile(0.2))
    supported = set(trials.device.supported_bits)
    for design in designs:
        used: set[Precision] = set(design.policy.layers.values())
        assert {(one.weight_bits, one.activation_bits) for one in used} <= supported


def test_everything_tried_is_kept_in_order() -> None:
    trials = trials_of(ask("raspberry-pi-4", "vgg", latency_ms=20))
    rng = np.random.default_rng(1)
    parts = [trials.score(trials.mask.sample(number, rng)) for number in (5, 3, 4)]
    assert trials.evaluations == 12
    assert (trials.scores.genotypes == np.concatenate([part.genotypes for part in parts])).all()
    best = trials.best()
    assert trials.objective.rank(best) == min(
        trials.objective.rank(trials.scores.take(np.array([at]))) for at in range(12)
    )


def test_scores_rest_on_the_measurements_of_the_device() -> None:
    problem = ask("raspberry-pi-4", "resnet")
    plain = trials_of(problem)
    scores = plain.score(plain.space.sample(plain.task, 8, np.random.default_rng(0)))
    designs = plain.space.rows(plain.task, scores.genotypes)
    measured = Measurements(designs=designs, latency_ms=2 * scores.latency_ms, energy_mj=3 * scores.energy_mj)
    adaptation = adapt(plain.device, measured, energy_model=problem.energy_model)
    own = trials_of(replace(problem, adaptation=adaptation)).score(scores.genotypes)
    expected = predict(designs, plain.device, plain.task, adaptation=adaptation)
    assert own.latency_ms == pytest.approx(expected.latency_ms.median)
    assert own.energy_mj == pytest.approx(expected.energy_mj.median)
    assert own.latency_ms == pytest.approx(2 * scores.latency_ms, rel=0.2)
    assert own.energy_mj == pytest.approx(3 * scores.energy_mj, rel=0.2)
    assert (own.accuracy == scores.accuracy).all()
