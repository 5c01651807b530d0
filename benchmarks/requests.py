"""Requests to measure an optimizer on: limits around what a random design costs on a device it has not seen."""

from __future__ import annotations

import math

import numpy as np

from design.constraints import Constraints, LimitName, Preferences
from design.device import DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.space import Space
from design.task import Task
from optimizer.gene_code import gene_code
from optimizer.objective import LIMITS, Objective
from optimizer.problem import Problem
from optimizer.repair import mask_of
from optimizer.synthetic_profiles import HELD_OUT, synthetic_profiles
from optimizer.trials import Trials
from predictors.descriptor import describe

CHANCES = (0.6, 0.4, 0.5, 0.3, 0.15, 0.1)
"""That a request sets each of LIMITS."""
REACH = 0.4
"""Limits are looser than the random design's figures by the exponential of half a normal deviate of this width."""
ACCURACY_ALONE = 0.5
SYNTHETIC = 40


def held_out_profiles() -> list[DeviceProfile]:
    """Devices of the catalogue whose families were kept for tests, in every setting."""
    families = {catalogue()[name].family for name in HELD_OUT}
    return [
        find_device(f"{device.id}@{setting}")
        for device in catalogue().values()
        if device.family in families
        for setting in device.settings
    ]


def unseen_profiles(seed: int) -> list[DeviceProfile]:
    """Those kept for tests, and synthetic ones of a seed of their own: devices of the catalogue with other figures."""
    return held_out_profiles() + synthetic_profiles(SYNTHETIC, 1000 + seed)


def draw_request(space: Space, task: Task, profiles: list[DeviceProfile], rng: np.random.Generator) -> Problem:
    """One request on one of the devices that run the space, which at least one design is known to satisfy."""
    code = gene_code(space, task)  # type: ignore[arg-type]  # by identity
    while True:
        profile = profiles[int(rng.integers(len(profiles)))]
        device = describe(profile)
        mask = mask_of(code.genes, device.supported_bits)
        if mask is not None:
            break
    shares = rng.dirichlet(np.full(4, 0.5)) if rng.random() > ACCURACY_ALONE else np.array([1.0, 0.0, 0.0, 0.0])
    accuracy, latency, energy, size = (float(share) for share in shares)
    problem = Problem(
        device=profile,
        task=task,
        spaces=(space.name,),
        preferences=Preferences(accuracy=accuracy, latency=latency, energy=energy, size=size),
    )
    trials = Trials(space=space, mask=mask, device=device, objective=Objective.of(problem, device), problem=problem)
    at_risk = trials.score(mask.sample(1, rng)).at_risk[0]
    limits = {
        name: _looser(name, float(reached), abs(float(rng.normal(0.0, REACH))))
        for name, reached, chance in zip(LIMITS, at_risk, CHANCES, strict=True)
        if rng.random() < chance
    }
    return Problem(
        device=profile,
        task=task,
        spaces=problem.spaces,
        preferences=problem.preferences,
        constraints=Constraints.model_validate(limits),
    )


def _looser(name: LimitName, reached: float, by: float) -> float:
    if name != "min_accuracy":
        return reached * math.exp(by)
    odds = math.log(reached / (1 - reached)) - by
    return 1 / (1 + math.exp(-odds))
