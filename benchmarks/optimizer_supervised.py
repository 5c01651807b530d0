"""Method 1 of arXiv 2009.00278 beside method 2: the shipped network, fitted to answers, and one fitted without labels.

Both are the same network for the same tasks, see the same of a device and a request, and are asked the same of devices
that neither was fitted on. The fit without labels takes some ten minutes a space; with --quick it is cut short and
ends worse.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.unseen_devices import unseen_profiles
from design.spaces.registry import SPACES
from design.task import Task, find_task
from optimizer.drawn_requests import draw_request
from optimizer.fit_groups import groups, spread_out
from optimizer.fit_without_labels import WithoutLabels, fit_without_labels
from optimizer.gene_code import gene_code
from optimizer.network_check import NetworkCheck, check_network
from optimizer.neural import NeuralSearch
from optimizer.neural_weights import NeuralWeights, neural_weights

SUPERVISED, TASK = ("resnet",), "cifar10"
"""Spaces compared: one, as each fit without labels takes long."""
TESTED, QUICK_TESTED = 200, 40
QUICK = WithoutLabels(devices=300, chunks=10, surrogate_steps=(600, 400), generator_steps=(300, 600))
SEED = 50


def measure_supervised(space_name: str, *, quick: bool, seed: int) -> dict[str, Any]:
    """Keys of one space of `supervised`."""
    task, space = find_task(TASK), SPACES[space_name]
    codes = [gene_code(space, own) for own in _fitted_on(space_name)]  # type: ignore[arg-type]  # by identity
    shipped = neural_weights(space, task)  # type: ignore[arg-type]  # by identity
    assert shipped is not None
    begun = perf_counter()
    options = QUICK if quick else WithoutLabels()
    other, errors = fit_without_labels(codes, options, SEED + seed, partial(_tell, space_name))
    seconds = perf_counter() - begun
    rng, profiles = np.random.default_rng(SEED + seed), unseen_profiles(seed)
    problems = [draw_request(space, task, profiles, rng) for _ in range(QUICK_TESTED if quick else TESTED)]
    found: dict[str, Any] = {"seconds_of_fit_without_labels": seconds, "surrogate_error_latency": errors[0]}
    for name, weights in {"shipped": shipped, "without_labels": NeuralWeights(generator=other)}.items():
        found[name] = keys(check_network(NeuralSearch(weights), problems))
        _tell(space_name, f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in found[name].items()))
    return found


def _fitted_on(space_name: str) -> list[Task]:
    """The tasks that the shipped network was fitted on: those of one signature with TASK, spread out."""
    (tasks,) = (tasks for name, tasks in groups() if name == space_name and TASK in tasks)
    return spread_out(tasks)


def keys(check: NetworkCheck) -> dict[str, float]:
    """`first_feasible` and the like."""
    found: dict[str, float] = {"requests": check.requests}
    for stage in ("first", "answers", "polished"):
        own = asdict(getattr(check, stage))
        found |= {f"{stage}_{name}": value for name, value in own.items() if value is not None}
    return found


def _tell(space_name: str, text: str) -> None:
    say(f"{space_name}, {text}")
