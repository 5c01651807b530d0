"""Hybrid-precision spaces: proposals (libraries, and the amortised networks) against long searches, same predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.unseen_devices import held_out_profiles, unseen_profiles
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.drawn_requests import draw_request
from optimizer.genetic import GeneticSearch
from optimizer.network_check import trials_of
from optimizer.neural import NeuralSearch
from optimizer.neural_weights import neural_weights
from optimizer.objective import Scores
from optimizer.optimize import optimize
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.search import RandomSearch, climb
from optimizer.trials import Trials

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("resnet", ("cifar10", "cifar100", "mnist", "imagenet", "digits")),
    ("vgg", ("cifar10", "imagenet16_120", "fashion_mnist", "imagenet", "digits")),
    ("mobilenet", ("cifar10", "imagenet", "digits")),
    ("nasbench201", ("cifar10", "cifar100", "imagenet16_120")),
)
POPULATION, GENERATIONS = 100, 100
LAST_STEPS = 6
Row = dict[str, Any]


def measure_hybrid(requests: int, seed: int) -> dict[str, Any]:
    """Keys of every space, of all, and of all on devices of the catalogue that were kept for tests.

    Args:
        requests: Of each space.
        seed: Of requests.
    """
    profiles, rows = unseen_profiles(seed), []
    kept_apart = {profile.name for profile in held_out_profiles()}
    rng = np.random.default_rng(seed)
    for name, tasks in GROUPS:
        for number in range(requests):
            problem = draw_request(SPACES[name], find_task(tasks[number % len(tasks)]), profiles, rng)
            rows.append({"space": name, "held_out": problem.device.name in kept_apart} | compare(problem))
        say(f"{name}: {_line(_summary([row for row in rows if row['space'] == name]))}")
    found: dict[str, Any] = {name: _summary([row for row in rows if row["space"] == name]) for name, _ in GROUPS}
    apart = [row for row in rows if row["held_out"]]
    if apart:
        found["held_out"] = _summary(apart)
    return found | _summary(rows)


def of_another(problem: Problem, name: str) -> Problem:
    """The same asked for a device that is known by another name: nothing remembered of one helps the other."""
    return replace(problem, device=problem.device.model_copy(update={"name": f"{problem.device.name} {name}"}))


def compare(problem: Problem) -> Row:
    """One request: the proposed answer, that of the networks, and the best of a search of 10,000 predictions."""
    proposed([trials_of(of_another(problem, "before"))])  # tables of layers are expanded once a process
    asked, another = of_another(problem, "asked"), of_another(problem, "whole")
    begun = process_time()
    proposed([trials_of(asked)])
    seconds = process_time() - begun
    begun = process_time()
    optimize(another)
    whole = process_time() - begun
    own = trials_of(problem)
    proposed([own])
    at_once(trials_of(of_another(problem, "warm")))
    once = trials_of(of_another(problem, "once"))
    begun = process_time()
    at_once(once)
    once_seconds = process_time() - begun
    begun = process_time()
    search = trials_of(problem)
    GeneticSearch(POPULATION, GENERATIONS).propose(search, 0)
    searched = process_time() - begun
    reached = first_as_good(search, own.objective.rank(own.best()))
    once_reached = first_as_good(search, once.objective.rank(once.best()))
    climb(search, search.best(), search.objective, LAST_STEPS)
    networks = trials_of(problem)
    proposed([networks], networks=True, exact=False)
    random = trials_of(problem)
    RandomSearch(own.evaluations).propose(random, 0)
    best, found = search.best(), own.best()
    return {
        "search_feasible": search.objective.feasible(best),
        "feasible": own.objective.feasible(found),
        "alone": problem.preferences.accuracy == 1.0,
        "points": 100 * float(best.accuracy[0] - found.accuracy[0]),
        "random_points": 100 * float(best.accuracy[0] - random.best().accuracy[0])
        if random.objective.feasible(random.best())
        else None,
        "network_points": 100 * float(best.accuracy[0] - networks.best().accuracy[0])
        if networks.objective.feasible(networks.best())
        else None,
        "utility": _utility(search, best) - _utility(search, found),
        "ms": 1e3 * seconds,
        "whole_ms": 1e3 * whole,
        "evaluations": own.evaluations,
        "speedup": searched * (1.0 if reached is None else reached) / seconds,
        "never_reached": reached is None,
        "once_feasible": once.objective.feasible(once.best()),
        "once_points": 100 * float(best.accuracy[0] - once.best().accuracy[0]),
        "once_ms": 1e3 * once_seconds,
        "once_speedup": searched * (1.0 if once_reached is None else once_reached) / once_seconds,
    }


def at_once(trials: Trials) -> None:
    """One pass of the amortised network, judged: neither library nor polish."""
    weights = neural_weights(trials.space, trials.task)  # type: ignore[arg-type]  # by identity
    assert weights is not None
    trials.score(NeuralSearch(weights).answers(trials))


def _utility(trials: Trials, scores: Scores) -> float:
    return float(trials.objective.utility(scores)[0])


def first_as_good(trials: Trials, rank: tuple[float, float]) -> float | None:
    """Share of the trials after which a design as good as `rank` had been tried; None if none ever was."""
    scores, objective = trials.scores, trials.objective
    violation, utility = objective.violation(scores), objective.utility(scores)
    good = (violation < rank[0]) | ((violation <= rank[0]) & (utility >= -rank[1] - 1e-12))
    return None if not good.any() else float((int(good.argmax()) + 1) / len(scores))


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    solvable = [row for row in rows if row["search_feasible"]]
    kept = [row for row in solvable if row["feasible"]]
    alone = [row for row in kept if row["alone"]]
    random = [max(row["random_points"], 0.0) for row in alone if row["random_points"] is not None]
    networks = [max(row["network_points"], 0.0) for row in alone if row["network_points"] is not None]
    return {
        "requests": len(rows),
        "feasible": len(kept) / max(len(solvable), 1),
        "regret_points": _mean([max(row["points"], 0.0) for row in alone]),
        "signed_points": _mean([row["points"] for row in alone]),
        "network_regret_points": _mean(networks),
        "random_regret_points": _mean(random),
        "utility_gap": _mean([row["utility"] for row in kept]),
        "ms_per_design": float(np.median([row["ms"] for row in rows])),
        "ms_with_explanation": float(np.median([row["whole_ms"] for row in rows])),
        "evaluations": _mean([row["evaluations"] for row in rows]),
        "speedup_at_equal_quality": float(np.median([row["speedup"] for row in kept])) if kept else None,
        "search_never_as_good": _mean([float(row["never_reached"]) for row in kept]),
        "one_pass": _at_once(solvable),
    }


def _at_once(solvable: Sequence[Row]) -> dict[str, float | None]:
    """The same keys of one pass of the network, of requests that can be kept."""
    kept = [row for row in solvable if row["once_feasible"]]
    return {
        "feasible": len(kept) / max(len(solvable), 1),
        "regret_points": _mean([max(row["once_points"], 0.0) for row in kept if row["alone"]]),
        "ms_per_design": float(np.median([row["once_ms"] for row in solvable])) if solvable else None,
        "speedup_at_equal_quality": float(np.median([row["once_speedup"] for row in kept])) if kept else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _line(summary: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:.3g}" for key, value in summary.items() if isinstance(value, int | float))
