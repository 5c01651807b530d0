"""Hills: what networks promise bounds what their designs have, and mixtures count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer.hills import hills, promises
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.trials import Trials
from optimizer.uniform_search import uniform
from tests.optimizer.asking import ask, trials_of

SIZE, ACCURACY = LIMITS.index("model_kb"), LIMITS.index("min_accuracy")


def trials(**limits: Any) -> Trials:
    own = trials_of(ask("raspberry-pi-4", "resnet", **limits))
    own.judge(uniform(own.space, own.task, own.mask.choices))  # type: ignore[arg-type]
    return own


def test_a_network_promises_at_least_its_best_design_within_the_limits() -> None:
    own = trials(latency_ms=8.0, model_kb=300.0)
    group, promise = promises(own.objective, own.scores)
    utility, feasible = own.objective.utility(own.scores), own.objective.violation(own.scores) == 0
    assert feasible.any()
    assert not feasible.all()
    for number in range(len(promise)):
        inside = feasible & (group == number)
        if inside.any():
            assert promise[number] >= utility[inside].max() - 1e-9


def test_without_limits_it_promises_exactly_its_best() -> None:
    own = trials()
    group, promise = promises(own.objective, own.scores)
    utility = own.objective.utility(own.scores)
    assert promise == pytest.approx([utility[group == number].max() for number in range(len(promise))])


def scores_of(own: Trials, first: list[int], size_kb: list[float], accuracy: list[float]) -> Scores:
    """Designs of networks `first` with given sizes and accuracies, all else alike."""
    like = own.scores.take(np.zeros(len(first), dtype=np.int64))
    at_risk, genotypes = like.at_risk.copy(), like.genotypes.copy()
    genotypes[:, 0], genotypes[:, 2] = first, np.arange(len(first))
    at_risk[:, SIZE], at_risk[:, ACCURACY] = size_kb, accuracy
    return replace(like, genotypes=genotypes, at_risk=at_risk, accuracy=np.array(accuracy))


def test_a_network_between_whose_designs_the_limit_lies_may_promise_more() -> None:
    """The first network has a good design that is a little too large and a poor small one: a mixture is between."""
    own = trials(model_kb=100.0)
    found = scores_of(own, [0, 0, 1, 1], [110.0, 20.0, 95.0, 90.0], [0.9, 0.5, 0.7, 0.69])
    group, promise = promises(own.objective, found)
    assert promise[group[0]] > promise[group[2]]
    first = hills(own.objective, found, 2)
    assert [one.genotypes[0, 0] for one in first] == [0, 1]
    assert first[0].at_risk[0, SIZE] == 20.0


def test_networks_out_of_reach_come_last_but_the_best_design_is_among_the_hills() -> None:
    own = trials(model_kb=100.0)
    found = scores_of(own, [0, 1, 2], [5000.0, 90.0, 3000.0], [0.99, 0.5, 0.98])
    group, promise = promises(own.objective, found)
    assert np.argmax(promise) == group[1]
    assert [one.genotypes[0, 0] for one in hills(own.objective, found, 1)] == [1]


def test_the_best_of_all_replaces_the_last_hill() -> None:
    own = trials(model_kb=100.0)
    found = scores_of(own, [0, 0, 1, 1], [110.0, 20.0, 95.0, 90.0], [0.9, 0.5, 0.7, 0.69])
    assert [one.genotypes[0, 0] for one in hills(own.objective, found, 1)] == [1]


def test_beyond_is_signed_and_of_error_for_accuracy() -> None:
    own = trials(latency_ms=8.0)
    both: Objective = replace(own.objective, limits={"latency_ms": 8.0, "min_accuracy": 0.8})
    found = both.beyond(own.scores.at_risk)
    assert found[:, 0] == pytest.approx(np.log(own.scores.at_risk[:, LIMITS.index("latency_ms")] / 8.0))
    assert ((found[:, 1] > 0) == (own.scores.at_risk[:, ACCURACY] < 0.8)).all()
    assert ((found > 0).any(axis=1) == (both.violation(own.scores) > 0)).all()
