"""Families: the contenders among all cells answer as all cells do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimizer.answer import front_costs
from optimizer.exact import ExactSearch
from optimizer.families import contenders, family
from optimizer.objective import Scores
from optimizer.pareto import nondominated
from optimizer.starts import levels
from optimizer.trials import Trials
from predictors.adapt import adapt
from predictors.measurement import Measurements
from predictors.predict import predict
from tests.optimizer.asking import ask, trials_of

SPACE = "nasbench201"
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("raspberry-pi-4", {"latency_ms": 5}),
    ("raspberry-pi-4", {"latency_ms": 60, "peak_memory_kb": 500, "risk": 0.3}),
    ("stm32f746", {"latency_ms": 800}),
    ("jetson-nano", {"model_kb": 300, "training_memory_kb": 60_000, "risk": 0.02}),
    ("pixel-3", {"min_accuracy": 0.93, "energy_mj": 40}),
)


def policies(trials: Trials) -> list[tuple[int, ...]]:
    return [tuple(own) for own in levels(trials.space.genes(trials.task), trials.mask.choices).policies.tolist()]


def whole(trials: Trials) -> Scores:
    """Every cell under every policy: the slow twin."""
    parts = [family(trials.space, trials.task, policy) for policy in policies(trials)]  # type: ignore[arg-type]
    return Scores.joined([trials.judge(part) for part in parts])


@pytest.mark.parametrize(("device", "limits"), REQUESTS)
def test_contenders_hold_the_best_design_and_the_whole_front(device: str, limits: dict[str, Any]) -> None:
    problem = ask(device, SPACE, **limits)
    trials, slow = trials_of(problem), trials_of(problem)
    ExactSearch().propose(trials, 0)
    every = whole(slow)
    assert trials.evaluations * 7 < len(every)
    assert (trials.best().genotypes == slow.objective.best(every).genotypes).all()
    few, many = front_costs(trials.scores), front_costs(every)
    assert few[nondominated(few)] == pytest.approx(many[nondominated(many)])
    for sign, figures in ((1, "latency_ms"), (1, "energy_mj"), (1, "model_bytes"), (-1, "accuracy")):
        best = [sign * np.min(sign * getattr(scores, figures)) for scores in (trials.scores, every)]
        assert best[0] == pytest.approx(best[1])


def test_networks_that_are_left_out_cost_what_a_contender_costs() -> None:
    trials = trials_of(ask("raspberry-pi-4", SPACE))
    policy = policies(trials)[1]
    every = predict(family(trials.space, trials.task, policy), trials.device, trials.task)  # type: ignore[arg-type]
    few = predict(contenders(trials.space, trials.task, policy, 0.1), trials.device, trials.task)  # type: ignore[arg-type]
    figures = [
        np.column_stack(
            [
                found.latency_ms.median,
                found.latency_ms.spread,
                found.energy_mj.median,
                found.energy_mj.spread,
                found.model_bytes,
                found.peak_memory_bytes,
                found.training_memory_bytes,
            ]
        )
        for found in (every, few)
    ]
    distinct = [np.unique(np.round(np.log(own), 9), axis=0) for own in figures]
    assert len(distinct[1]) > 400
    assert distinct[0] == pytest.approx(distinct[1])


def test_all_cells_compete_where_cells_were_measured() -> None:
    problem = ask("raspberry-pi-4", SPACE)
    trials = trials_of(problem)
    cells = family(trials.space, trials.task, policies(trials)[0])  # type: ignore[arg-type]
    some = cells.take(np.arange(40, 15_000, 1_500))
    times = predict(some, trials.device, trials.task).latency_ms.median
    nothing = np.full(len(some), np.nan)
    measured = adapt(trials.device, Measurements(designs=some, latency_ms=times, energy_mj=nothing))
    assert measured.posteriors
    trials.adaptation = measured
    assert len(trials.family(policies(trials)[0])) == 15_625
    trials.adaptation = adapt(trials.device, Measurements(designs=some, latency_ms=nothing, energy_mj=nothing))
    assert len(trials.family(policies(trials)[0])) < 2_000
