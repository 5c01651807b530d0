"""A fleet of 1,000 devices in one call: seconds, groups, and what one batch loses against single requests."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from design.constraints import Constraints
from design.errors import BespokeError
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.fleet import optimize_fleet
from optimizer.fleet_member import FleetMember
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.synthetic_profiles import synthetic_profiles
from optimizer.trials import begun, best_first
from predictors.descriptor import describe

DEVICES = 1_000
COMPARED = 40
LIMITS = {"latency_ms": 20.0, "model_kb": 400.0}
TIGHT_SPACES = ("resnet",)
TIGHT_LIMITS = {"latency_ms": 20.0, "energy_mj": 5.0, "min_accuracy": 0.85}
"""Limits that many devices cannot keep, and some only with a polish."""


def measure_fleet(devices: int, seed: int) -> dict[str, Any]:
    """Keys of `fleet`; under `tight` those of COMPARED devices with limits that are hard to keep."""
    problems = _asked(devices, seed, LIMITS)
    gc.freeze()  # as `bespoke serve` does: what is there at its start is not looked through for garbage
    try:
        optimize_fleet(problems[:20])
        begun = perf_counter()
        found = optimize_fleet(problems)
        seconds = perf_counter() - begun
    finally:
        gc.unfreeze()
    hard = _asked(COMPARED, seed, TIGHT_LIMITS, TIGHT_SPACES)
    return {
        "devices": devices,
        f"seconds_{devices}": seconds,
        "groups": len(found.groups),
        "largest_group": max((len(group.members) for group in found.groups), default=0),
        "accuracy_points_lost_by_sharing": float(
            100 * np.mean([group.accuracy_lost for group in found.groups for _ in group.members])
        )
        if found.groups
        else None,
        **_served(found.members),
        **against_single_requests(problems[:COMPARED], found.members[:COMPARED]),
        "tight": tight_fleet(hard),
    }


def tight_fleet(problems: Sequence[Problem]) -> dict[str, Any]:
    """Keys of `tight`."""
    members = optimize_fleet(problems).members
    return {"devices": len(problems), **_served(members), **against_single_requests(problems, members)}


def against_single_requests(
    problems: Sequence[Problem], members: Sequence[FleetMember | BespokeError]
) -> dict[str, float | None]:
    """What devices get in a fleet beside what each is proposed in a request of its own, without a search."""
    lost, kept = [], []
    for problem, member in zip(problems, members, strict=True):
        if not isinstance(member, FleetMember):
            continue
        device = describe(problem.device)
        searches = begun(problem, device, usable_spaces(problem.spaces, SPACES, problem.task, device))
        if proposed(searches):
            kept.append(member.feasible)
            if member.feasible:
                lost.append(100 * float(best_first(searches)[0].best().accuracy[0] - member.scores.accuracy[0]))
    return {
        "points_lost_against_single_requests": float(np.mean(lost)) if lost else None,
        "served_of_those_single_requests_serve": float(np.mean(kept)) if kept else None,
    }


def _asked(devices: int, seed: int, limits: Mapping[str, float], spaces: tuple[str, ...] = ()) -> list[Problem]:
    constraints = Constraints.model_validate(limits)
    return [
        Problem(device=profile, task=find_task("cifar10"), spaces=spaces, constraints=constraints)
        for profile in synthetic_profiles(devices, 2000 + seed)
    ]


def _served(members: Sequence[FleetMember | BespokeError]) -> dict[str, float]:
    """Shares of the devices that have a design, and of those that have one of their own, not one that all judged."""
    served = [one for one in members if isinstance(one, FleetMember) and one.feasible]
    alone = [one for one in served if one.alone]
    return {"served": len(served) / len(members), "served_by_themselves": len(alone) / len(members)}
