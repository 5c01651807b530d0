"""Sets of changes found under prices of the limits beside the best there is where figures add up."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from design.encoding import IntArray
from design.space import GeneKind
from optimizer.additive import best_set, foretold
from optimizer.exchange import Changes, combined
from optimizer.library_search import LibrarySearch
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.observation import log_odds
from optimizer.trials import Trials
from tests.optimizer.asking import ask, trials_of

ACCURACY = LIMITS.index("min_accuracy")
TRIED = 64
GAP = 0.015
"""Log odds that sets of changed precisions may be behind: .14 points at an accuracy of .9."""
GAP_OF_ALL = 0.06
"""The same where filters and depths change too, from the best design of the library."""
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("raspberry-pi-4", "resnet", {"latency_ms": 8.0, "model_kb": 200.0}),
    ("raspberry-pi-4", "resnet", {"latency_ms": 30.0}),
    ("raspberry-pi-4", "vgg", {"latency_ms": 5.0}),
    ("raspberry-pi-4", "vgg", {"model_kb": 100.0, "energy_mj": 30.0}),
    ("raspberry-pi-4", "mobilenet", {"latency_ms": 5.0, "model_kb": 300.0}),
    ("pixel-2", "mobilenet", {"latency_ms": 20.0, "energy_mj": 60.0}),
)


def proposed_in(device: str, space: str, limits: dict[str, Any]) -> tuple[Trials, Scores]:
    trials = trials_of(ask(device, space, **limits))
    LibrarySearch().propose(trials, 0)
    return trials, trials.best()


def of_precisions(trials: Trials, changes: Changes) -> Changes:
    genes = trials.space.genes(trials.task)
    return taken(changes, np.flatnonzero([genes[at].kind is GeneKind.PRECISION for at in changes.genes]))


def taken(changes: Changes, index: IntArray) -> Changes:
    return Changes(genes=changes.genes[index], choices=changes.choices[index], genotypes=changes.genotypes[index])


def keeps(objective: Objective, figures: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    """Whether added figures keep every limit, to a millionth."""
    return all(
        figures[ACCURACY] >= log_odds(np.array(allowed)) - 1e-6
        if name == "min_accuracy"
        else figures[LIMITS.index(name)] <= allowed * (1 + 1e-6)
        for name, allowed in objective.limits.items()
    )


def behind(trials: Trials, here: Scores, changes: Changes) -> float:
    """How far the best set that prices find, or the best single change, is behind the optimum, in log odds."""
    near = trials.score(changes.genotypes)
    best = best_set(trials.objective, here, changes, near)
    assert best is not None
    assert len(np.unique(changes.genes[best])) == len(best)
    optimum = foretold(here, near, best)
    assert keeps(trials.objective, optimum)
    tried = [np.array([], dtype=np.int64), *np.arange(len(changes))[:, None]]
    for genotype in combined(trials.objective, here, changes, near, TRIED):
        changed = (genotype != here.genotypes[0])[changes.genes]
        tried.append(np.flatnonzero(changed & (genotype[changes.genes] == changes.choices)))
    figures = [foretold(here, near, chosen) for chosen in tried]
    reached = max(own[ACCURACY] for own in figures if keeps(trials.objective, own))
    return float(optimum[ACCURACY] - reached)


@pytest.mark.parametrize(("device", "space", "limits"), REQUESTS)
def test_sets_of_precisions_come_near_the_optimum(device: str, space: str, limits: dict[str, Any]) -> None:
    """From the fewest bits, many layers can gain: 10 to 50 changes are worth most together."""
    trials, best = proposed_in(device, space, limits)
    fewest = best.genotypes[0].copy()
    for gene, (own, allowed) in enumerate(zip(trials.space.genes(trials.task), trials.mask.choices, strict=True)):
        if own.kind is GeneKind.PRECISION:
            fewest[gene] = allowed[-1]
    for here in (trials.score(fewest[None]), best):
        changes = of_precisions(trials, Changes.of(trials, here.genotypes[0]))
        assert -1e-5 < behind(trials, here, changes) < GAP


@pytest.mark.parametrize(("device", "space", "limits"), REQUESTS)
def test_sets_of_all_changes_of_what_is_proposed(device: str, space: str, limits: dict[str, Any]) -> None:
    trials, best = proposed_in(device, space, limits)
    assert -1e-5 < behind(trials, best, Changes.of(trials, best.genotypes[0])) < GAP_OF_ALL


def test_the_optimum_is_that_of_every_combination() -> None:
    trials, here = proposed_in("raspberry-pi-4", "vgg", {"latency_ms": 5.0, "min_accuracy": 0.85})
    every = Changes.of(trials, here.genotypes[0])
    rng = np.random.default_rng(0)
    for _ in range(5):
        genes = rng.choice(np.unique(every.genes), 5, replace=False)
        changes = taken(every, np.flatnonzero(np.isin(every.genes, genes)))
        near = trials.score(changes.genotypes)
        options = [[-1, *np.flatnonzero(changes.genes == gene)] for gene in genes]
        sets = [np.array([at for at in one if at >= 0], dtype=np.int64) for one in product(*options)]
        figures = [foretold(here, near, one) for one in sets]
        expected = max(own[ACCURACY] for own in figures if keeps(trials.objective, own))
        best = best_set(trials.objective, here, changes, near)
        assert best is not None
        assert foretold(here, near, best)[ACCURACY] == pytest.approx(expected, abs=1e-5)


def test_where_no_set_keeps_the_limits_there_is_none() -> None:
    trials, here = proposed_in("raspberry-pi-4", "vgg", {"latency_ms": 1e-6})
    changes = of_precisions(trials, Changes.of(trials, here.genotypes[0]))
    assert best_set(trials.objective, here, changes, trials.score(changes.genotypes)) is None
