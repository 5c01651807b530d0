"""Drawn requests: preferences and limits at random, looser than what a random design costs on a device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from design.constraints import Constraints, LimitName, Preferences
from design.device import DeviceProfile
from design.encoding import FloatArray
from design.space import Space
from design.task import Task
from optimizer.gene_code import gene_code
from optimizer.objective import LIMITS, Objective
from optimizer.problem import Problem
from optimizer.repair import NoUsableSpace, mask_of
from optimizer.trials import Trials
from predictors.descriptor import describe

CHANCES = (0.6, 0.4, 0.5, 0.3, 0.15, 0.1)
"""That a request sets each of LIMITS."""
REACH = 0.4
"""Limits are looser than what is reached by the exponential of half a normal deviate of this width."""
TRIES = 1_000
ACCURACY_ALONE = 0.5
"""Chance that a request weighs accuracy alone."""


def draw_request(space: Space, task: Task, profiles: Sequence[DeviceProfile], rng: np.random.Generator) -> Problem:
    """One request on one of the devices that run the space, whose limits a random design keeps.

    Raises:
        NoUsableSpace: None of TRIES devices drawn runs it.
    """
    code = gene_code(space, task)  # type: ignore[arg-type]  # by identity
    for _ in range(TRIES):
        profile = profiles[int(rng.integers(len(profiles)))]
        device = describe(profile)
        mask = mask_of(code.genes, device.supported_bits)
        if mask is not None:
            break
    else:
        raise NoUsableSpace(
            f"one of the devices must run {space.name} for {task.name}", f"none of {TRIES} drawn from {len(profiles)}"
        )
    problem = Problem(device=profile, task=task, spaces=(space.name,), preferences=draw_preferences(rng))
    trials = Trials(space=space, mask=mask, device=device, objective=Objective.of(problem, device), problem=problem)
    at_risk = trials.score(mask.sample(1, rng)).at_risk[0]
    constraints = Constraints.model_validate(draw_limits(at_risk, rng))
    return replace(problem, constraints=constraints)


def draw_preferences(rng: np.random.Generator) -> Preferences:
    """Accuracy alone, or any shares."""
    shares = rng.dirichlet(np.full(4, 0.5)) if rng.random() > ACCURACY_ALONE else np.array([1.0, 0.0, 0.0, 0.0])
    accuracy, latency, energy, size = (float(share) for share in shares)
    return Preferences(accuracy=accuracy, latency=latency, energy=energy, size=size)


def draw_limits(at_risk: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """Some limits that a design keeps which reaches `at_risk` (LIMITS)."""
    return {
        name: _looser(name, float(reached), abs(float(rng.normal(0.0, REACH))))
        for name, reached, chance in zip(LIMITS, at_risk, CHANCES, strict=True)
        if rng.random() < chance
    }


def _looser(name: LimitName, reached: float, by: float) -> float:
    """A limit looser than what is reached: costs by a factor of exp(by), accuracy by so much log odds."""
    if name != "min_accuracy":
        return reached * math.exp(by)
    odds = math.log(reached / (1 - reached)) - by
    return 1 / (1 + math.exp(-odds))
