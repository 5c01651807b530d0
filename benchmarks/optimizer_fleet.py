"""A fleet of 1,000 devices in one call: seconds, groups, and what one batch loses against single requests."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from design.constraints import Constraints
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.fleet import FleetMember, optimize_fleet
from optimizer.objective import Objective
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.synthetic_profiles import synthetic_profiles
from optimizer.trials import Trials, best_first
from predictors.descriptor import describe

DEVICES = 1_000
COMPARED = 40
LIMITS = {"latency_ms": 20.0, "model_kb": 400.0}


def measure_fleet(devices: int, seed: int) -> dict[str, Any]:
    """Keys of `fleet`."""
    task = find_task("cifar10")
    problems = [
        Problem(device=profile, task=task, constraints=Constraints.model_validate(LIMITS))
        for profile in synthetic_profiles(devices, 2000 + seed)
    ]
    optimize_fleet(problems[:20])
    begun = perf_counter()
    found = optimize_fleet(problems)
    seconds = perf_counter() - begun
    members = [one for one in found.members if isinstance(one, FleetMember)]
    served = [one for one in members if one.feasible]
    lost = []
    for problem, member in list(zip(problems, found.members, strict=True))[:COMPARED]:
        if not isinstance(member, FleetMember) or not member.feasible:
            continue
        device = describe(problem.device)
        objective = Objective.of(problem, device)
        searches = [
            Trials(space=space, mask=mask, device=device, objective=objective, problem=problem)
            for space, mask in usable_spaces((), SPACES, task, device)
        ]
        if proposed(searches):
            lost.append(100 * float(best_first(searches)[0].best().accuracy[0] - member.scores.accuracy[0]))
    return {
        "devices": devices,
        f"seconds_{devices}": seconds,
        "served": len(served) / devices,
        "groups": len(found.groups),
        "largest_group": max((len(group.members) for group in found.groups), default=0),
        "accuracy_points_lost_by_sharing": float(
            100 * np.mean([group.accuracy_lost for group in found.groups for _ in group.members])
        )
        if found.groups
        else None,
        "points_lost_against_single_requests": float(np.mean(lost)) if lost else None,
    }
