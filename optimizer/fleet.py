"""Fleet: designs for many devices in one pass, and the fewest designs that serve them all.

Every device judges the same designs, the libraries of all spaces adapted to its precisions, in one prediction: what is
best for it, what keeps whose limits and hence which groups can share one design all follow from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray
from design.errors import BespokeError
from design.space import Space
from design.spaces.registry import SPACES
from design.task import Task
from optimizer.cover import fewest
from optimizer.library import library
from optimizer.objective import Objective, Scores
from optimizer.offers import Key, Offers, Shelf
from optimizer.problem import Problem
from optimizer.repair import usable_spaces
from predictors.descriptor import Descriptor, describe
from predictors.predict import Predictions, predict

MOST_DEVICES = 1_000
OFFERED = 200
"""Designs of each library that every device judges."""
SHELF = Shelf(most=256)
SHARED = 300
"""Designs that serve most devices: candidates to be shared, beside what is best for each."""
MOST_LOST = 0.02
"""Accuracy that a device gives up at most for a design shared with others."""


class UnlikeProblems(BespokeError):
    """Problems of one fleet that differ in more than devices and limits."""


class NoLibrary(BespokeError):
    """No library was made for the spaces and task asked for."""


@dataclass(frozen=True, kw_only=True)
class FleetMember:
    """What one device of a fleet gets.

    Attributes:
        space, genotype: The design (G choices).
        scores, predictions: Of that design (N = 1).
        feasible: Every limit is kept at the requested risk.
        evaluations: Designs that its predictors were asked about.
    """

    space: Space
    genotype: IntArray
    objective: Objective
    scores: Scores
    predictions: Predictions
    feasible: bool
    evaluations: int


@dataclass(frozen=True, kw_only=True)
class FleetGroup:
    """Devices that one design serves: within all their limits, and no more than MOST_LOST less accurate than their own.

    Attributes:
        members: Positions of the devices.
        accuracy_lost: Mean over the members of the accuracy of their own design less that of the shared one.
    """

    space: Space
    genotype: IntArray
    members: tuple[int, ...]
    accuracy: float
    accuracy_lost: float


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Answers for a fleet.

    Attributes:
        members: One for each problem, in order; the error where nothing can be designed for a device.
        groups: Few designs (greedy cover) that together serve every device that can be served.
    """

    task: Task
    members: tuple[FleetMember | BespokeError, ...]
    groups: tuple[FleetGroup, ...]


@dataclass(frozen=True, eq=False)
class _Judged:
    """What one device thinks of the N designs offered to it."""

    number: int
    offers: Offers
    keeps: NDArray[np.bool_]
    utility: FloatArray
    accuracy: FloatArray
    best: int


def optimize_fleet(problems: Sequence[Problem]) -> Fleet:
    """Designs for devices that share a task, spaces, risk and energy model; limits and preferences may differ.

    Raises:
        UnlikeProblems: They share less than that, or there are none or too many.
        NoLibrary: No library was made for any of the spaces.
        TaskTooSmall: A space asked for by name does not expand for the task.
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
    offers = SHELF.of(keys.values(), first.task, OFFERED)
    judged: list[_Judged] = []
    for number, key in keys.items():
        members[number], own = _judge(number, problems[number], devices[number], offers[key])
        judged.append(own)
    return Fleet(
        task=first.task,
        members=tuple(members[number] for number in range(len(problems))),
        groups=_groups(judged),
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
    for name in problem.spaces or SPACES:
        try:
            known = library(SPACES[name], problem.task)  # type: ignore[arg-type]  # by identity
        except BespokeError:
            if problem.spaces:
                raise
            continue
        if known is not None:
            found[name] = SPACES[name]
    if not found:
        raise NoLibrary(
            "a library must have been made for one of the spaces and the task",
            f"{', '.join(problem.spaces or SPACES)} for {problem.task.name}",
            "Ask for one device at a time: single requests can be searched.",
        )
    return found


def _judge(number: int, problem: Problem, device: Descriptor, own: Offers) -> tuple[FleetMember, _Judged]:
    """What is best for a device, and what it thinks of all designs."""
    objective = Objective.of(problem, device)
    parts = _predicted(own, device, problem)
    nameless = np.empty((len(own.names), 0), dtype=np.int64)  # genotypes of several spaces have no common form
    begun = np.cumsum([0, *(len(one.model_bytes) for one in parts)])
    scores = Scores.joined(
        [
            Scores.of(nameless[first:end], one, problem.constraints.risk)
            for one, first, end in zip(parts, begun[:-1], begun[1:], strict=True)
        ]
    )
    violation, utility = objective.violation(scores), objective.utility(scores)
    best = int(np.lexsort((-utility, violation))[0])
    space, genotype = own.of(best)
    part = int(np.searchsorted(begun, best, side="right")) - 1
    member = FleetMember(
        space=space,
        genotype=genotype,
        objective=objective,
        scores=replace(scores.take(np.array([best])), genotypes=genotype[None]),
        predictions=parts[part].take(np.array([best - begun[part]])),
        feasible=bool(violation[best] == 0),
        evaluations=len(scores),
    )
    judged = _Judged(
        number=number,
        offers=own,
        keeps=np.asarray(violation == 0),
        utility=utility,
        accuracy=scores.accuracy,
        best=best,
    )
    return member, judged


def _predicted(own: Offers, device: Descriptor, problem: Problem) -> list[Predictions]:
    """All at once, or of each space, where measurements may say more of one space than of others."""
    model, adaptation = problem.energy_model, problem.adaptation
    if adaptation is None:
        return [predict(own.designs, device, problem.task, energy_model=model)]
    return [predict(part, device, problem.task, energy_model=model, adaptation=adaptation) for _, part in own.parts]


def _groups(judged: Sequence[_Judged]) -> tuple[FleetGroup, ...]:
    """Cover the devices that can be served by few of the designs judged."""
    place: dict[tuple[str, bytes], int] = {}
    numbers: dict[int, IntArray] = {}
    for one in judged:
        if id(one.offers) not in numbers:
            known = [place.setdefault(name, len(place)) for name in one.offers.names]
            numbers[id(one.offers)] = np.array(known, dtype=np.int64)
    able = [one for one in judged if one.keeps[one.best]]
    if not able:
        return ()
    serves = np.zeros((len(place), len(able)), dtype=np.bool_)
    for column, one in enumerate(able):
        near = one.accuracy >= one.accuracy[one.best] - MOST_LOST
        serves[numbers[id(one.offers)], column] = one.keeps & near
    own = [int(numbers[id(one.offers)][one.best]) for one in able]
    most = np.argsort(-serves.sum(axis=1), kind="stable")[:SHARED]
    used = np.union1d(most, own)
    row = np.full(len(place), -1, dtype=np.int64)
    row[used] = np.arange(len(used))
    worth, accuracy = np.full((len(used), len(able)), -np.inf), np.zeros((len(used), len(able)))
    for column, one in enumerate(able):
        rows = row[numbers[id(one.offers)]]
        kept = rows >= 0
        worth[rows[kept], column], accuracy[rows[kept], column] = one.utility[kept], one.accuracy[kept]
    found = fewest(serves[used], worth)
    names = list(place)
    groups = []
    for number in np.unique(found).tolist():
        mine = np.flatnonzero(found == number)
        name, genotype = names[int(used[number])]
        alone = np.array([able[at].accuracy[able[at].best] for at in mine.tolist()])
        groups.append(
            FleetGroup(
                space=SPACES[name],
                genotype=np.frombuffer(genotype, dtype=np.int64).copy(),
                members=tuple(able[at].number for at in mine.tolist()),
                accuracy=float(accuracy[number, mine[0]]),
                accuracy_lost=float((alone - accuracy[number, mine]).mean()),
            )
        )
    return tuple(sorted(groups, key=lambda group: -len(group.members)))
