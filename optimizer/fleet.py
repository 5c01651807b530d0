"""Fleet: designs for many devices in one pass, and the fewest designs that serve them all.

Every device judges the libraries of all spaces, adapted to its precisions; all that run the same precisions are
predicted in one pass (`optimizer.fleet_judging`). What is best for a device, what keeps whose limits and hence which
groups can share one design follow from that. Designs that are too large or not accurate enough on any device are judged
only where nothing else is left. A device for which all that breaks a limit is looked at by itself
(`optimizer.fleet_member`), unless the nearest design exceeds its limits by a third: nearly what a single request is
proposed, without a search. What was proposed so for one device others judge too (`optimizer.fleet_sharing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from design.constraints import LimitName
from design.errors import BespokeError, TaskTooSmall
from design.space import Space
from design.spaces.registry import SPACES
from design.task import Task
from optimizer.fleet_groups import FleetGroup, Judged, groups
from optimizer.fleet_judging import Within, judged_by
from optimizer.fleet_member import FleetMember, by_itself
from optimizer.fleet_sharing import share_proposed
from optimizer.library import NoLibrary, library
from optimizer.objective import LIMITS, Objective
from optimizer.offers import Key, Name, Offers, Shelf, name_of, numbered
from optimizer.problem import Problem
from optimizer.repair import usable_spaces
from predictors.descriptor import Descriptor, describe
from predictors.predictions import own_figures

MOST_DEVICES = 1_000
OFFERED = 200
"""Designs of each library that every device judges."""
TOGETHER = 48
"""Sets of precisions whose designs are held at once."""
SHARING = 4
"""Devices with the same precisions and limits from which on what breaks their limits anywhere is left out first."""
OF_ANY_DEVICE: tuple[LimitName, ...] = ("model_kb", "training_memory_kb", "min_accuracy")
"""Limits on what does not depend on the device."""
Limits = tuple[tuple[LimitName, float], ...]
SHELF = Shelf(most=32)


class UnlikeProblems(BespokeError):
    """Problems of one fleet that differ in more than devices and limits."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Answers for a fleet.

    Attributes:
        members: One for each problem, in order; the error where nothing can be designed for a device. Where nothing
            that was proposed keeps its limits, the member is the nearest design, with the limits that it breaks.
        groups: Few designs (greedy cover) that together serve every device that can be served.
    """

    task: Task
    members: tuple[FleetMember | BespokeError, ...]
    groups: tuple[FleetGroup, ...]


def optimize_fleet(problems: Sequence[Problem]) -> Fleet:
    """Designs for devices that share a task, spaces, risk and energy model; limits and preferences may differ.

    About two milliseconds a device that the libraries' first designs serve, or come nowhere near to serving, less where
    many run the same precisions; 15 to 80 ms for others, see `by_itself`.

    Raises:
        UnlikeProblems: They share less than that, or there are none or too many.
        NoLibrary: No library was made for any of the spaces.
        TaskTooSmall: A space asked for by name does not expand for the task, or none does.
    """
    first = _common(problems)
    spaces = _spaces(first)
    devices: dict[int, Descriptor] = {}
    keys: dict[int, Key] = {}
    members: dict[int, FleetMember | BespokeError] = {}
    for number, problem in enumerate(problems):
        try:
            devices[number] = describe(problem.device)
            usable = usable_spaces((), spaces, problem.task, devices[number])
            keys[number] = tuple(space for space, _ in usable), tuple(devices[number].supported_bits)
        except BespokeError as error:
            members[number] = error
    judged: dict[int, Judged] = {}
    names: dict[Name, int] = {}
    of_key: dict[Key, list[int]] = {}
    for number, key in keys.items():
        of_key.setdefault(key, []).append(number)
    distinct = list(of_key)
    for begun in range(0, len(distinct), TOGETHER):
        for key, own in SHELF.of(distinct[begun : begun + TOGETHER], first.task, OFFERED).items():
            rows = numbered(own.names, names)
            alike: dict[Limits, list[int]] = {}
            for number in of_key[key]:
                alike.setdefault(_of_any_device(problems[number]), []).append(number)
            for limits, numbers in alike.items():
                within = _within(own, limits, first) if limits and len(numbers) >= SHARING else None
                for number, (member, own_view) in judged_by(numbers, problems, devices, own, rows, within).items():
                    members[number], judged[number] = member, own_view
    for number in sorted(judged):
        shared = members[number]
        if isinstance(shared, FleetMember) and not shared.feasible:
            members[number] = found = by_itself(problems[number], devices[number], spaces, shared)
            if found.feasible:
                row = numbered([name_of(found.space, found.genotype)], names)
                utility = Objective.of(problems[number], devices[number]).utility(found.scores)
                kept = np.ones(1, dtype=np.bool_)
                judged[number] = judged[number].joined_by(row, kept, utility, found.scores.accuracy, best=0)
    share_proposed(members, judged, problems, devices, keys, names)
    return Fleet(
        task=first.task,
        members=tuple(members[number] for number in range(len(problems))),
        groups=groups([judged[number] for number in sorted(judged)], list(names)),
    )


def _common(problems: Sequence[Problem]) -> Problem:
    if not 1 <= len(problems) <= MOST_DEVICES:
        raise UnlikeProblems(f"a fleet must have 1 to {MOST_DEVICES} devices", str(len(problems)))
    shared = {(one.task, one.spaces, one.constraints.risk, one.energy_model) for one in problems}
    if len(shared) > 1:
        raise UnlikeProblems("problems of a fleet must share task, spaces, risk and energy model", "several")
    return problems[0]


def _spaces(problem: Problem) -> dict[str, Space]:
    """Those asked for that have a library."""
    found: dict[str, Space] = {}
    too_small: list[TaskTooSmall] = []
    for name in problem.spaces or SPACES:
        try:
            known = library(SPACES[name], problem.task)  # type: ignore[arg-type]  # by identity
        except TaskTooSmall as error:
            if problem.spaces:
                raise
            too_small.append(error)
            continue
        if known is not None:
            found[name] = SPACES[name]
    if len(too_small) == len(SPACES):
        raise too_small[0]
    if not found:
        raise NoLibrary(
            "a library must have been made for one of the spaces and the task",
            f"{', '.join(problem.spaces or SPACES)} for {problem.task.name}",
            "Ask for one device at a time: single requests can be searched.",
        )
    return found


def _of_any_device(problem: Problem) -> Limits:
    """The limits of a request that a design keeps on every device or on none."""
    return tuple((name, value) for name, value in problem.constraints.limits().items() if name in OF_ANY_DEVICE)


def _within(own: Offers, limits: Limits, problem: Problem) -> Within | None:
    """What is offered that keeps such limits: which (N), and those alone; None where all or none keep them."""
    figures = own_figures(own.designs, problem.task)
    at_risk = np.full((len(own.names), len(LIMITS)), np.nan)
    at_risk[:, LIMITS.index("model_kb")] = figures.model_bytes / 1000
    at_risk[:, LIMITS.index("training_memory_kb")] = figures.training_memory_bytes / 1000
    at_risk[:, LIMITS.index("min_accuracy")] = figures.accuracy.limit_quantile(problem.constraints.risk)
    kept = np.asarray(Objective(limits=dict(limits)).excess_at(at_risk).max(axis=1) == 0)
    return (kept, own.take(kept)) if kept.any() and not kept.all() else None
