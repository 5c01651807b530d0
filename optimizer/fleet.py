"""Fleet: designs for many devices in one pass, and the fewest designs that serve them all.

The networks answer for all devices in one batch. Each device then has its own candidates scored, and a pool of designs
that look best on others, by its predictors; what keeps whose limits is known from that, and groups follow by set cover.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from design.encoding import FloatArray, IntArray
from design.errors import BespokeError
from design.space import Space
from design.spaces.registry import SPACES
from design.task import Task
from optimizer.cover import fewest
from optimizer.fleet_looks import adapted_look, second_look
from optimizer.fleet_pass import Place, SpacePass
from optimizer.neural_weights import neural_weights
from optimizer.objective import Objective, Scores
from optimizer.observation import observe_all
from optimizer.problem import Problem
from optimizer.repair import usable_spaces
from predictors.descriptor import describe
from predictors.predict import Predictions, own_figures, predict

MOST_DEVICES = 1_000
ADAPTED_LOOKS = 40
"""Devices whose limits are broken even so that are offered designs adapted to their precisions."""


class UnlikeProblems(BespokeError):
    """Problems of one fleet that differ in more than devices and limits."""


class NotAmortised(BespokeError):
    """No network was fitted for the spaces and task asked for."""


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
    """Devices that one design serves within all their limits.

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
        groups: Few designs (greedy cover) that together keep every limit of every device that can be served.
    """

    task: Task
    members: tuple[FleetMember | BespokeError, ...]
    groups: tuple[FleetGroup, ...]


def optimize_fleet(problems: Sequence[Problem]) -> Fleet:
    """Designs for devices that share a task, spaces, risk and energy model; limits and preferences may differ.

    Raises:
        UnlikeProblems: They share less than that, or there are none or too many.
        NotAmortised: No network was fitted for any of the spaces.
        TaskTooSmall: A space asked for by name does not expand for the task.
    """
    first = _common(problems)
    passes = _passes(first)
    failed: dict[int, BespokeError] = {}
    for number, problem in enumerate(problems):
        try:
            _enter(passes, number, problem)
        except BespokeError as error:
            failed[number] = error
    for one in passes.values():
        one.propose(first.constraints.risk)
    _settle(passes)
    scored = {name: one.encoded() for name, one in passes.items()}
    for designs in scored.values():
        own_figures(designs, first.task)  # the same on every device
    members: dict[int, FleetMember] = {}
    columns: list[_Column] = []
    for name, one in passes.items():
        for place in one.places:
            index = one.candidates(place)
            found = predict(
                scored[name].take(index).compact(),
                place.device,
                first.task,
                energy_model=first.energy_model,
                adaptation=place.adaptation,
            )
            scores = Scores.of(one.genotypes[index], found, first.constraints.risk)
            members[place.number] = _member(one.space, place.objective, scores, found)
            columns.append(_Column(place.number, name, index, place.objective, scores))
    _look_again(problems, passes, members)
    groups = _groups(columns, passes, members)
    return Fleet(
        task=first.task,
        members=tuple(failed[at] if at in failed else members[at] for at in range(len(problems))),
        groups=groups,
    )


@dataclass(frozen=True)
class _Column:
    """What one device thinks of the designs at `index` of a pass."""

    number: int
    space: str
    index: IntArray
    objective: Objective
    scores: Scores


def _common(problems: Sequence[Problem]) -> Problem:
    if not 1 <= len(problems) <= MOST_DEVICES:
        raise UnlikeProblems(f"a fleet must have 1 to {MOST_DEVICES} devices", str(len(problems)))
    shared = {(one.task, one.spaces, one.constraints.risk, one.energy_model) for one in problems}
    if len(shared) > 1:
        raise UnlikeProblems("problems of a fleet must share task, spaces, risk and energy model", "several")
    return problems[0]


def _passes(problem: Problem) -> dict[str, SpacePass]:
    found: dict[str, SpacePass] = {}
    for name in problem.spaces or SPACES:
        try:
            weights = neural_weights(SPACES[name], problem.task)  # type: ignore[arg-type]  # by identity
        except BespokeError:
            if problem.spaces:
                raise
            continue
        if weights is not None:
            found[name] = SpacePass(SPACES[name], problem.task, weights)
    if not found:
        raise NotAmortised(
            "a network must have been fitted for one of the spaces and the task",
            f"{', '.join(problem.spaces or SPACES)} for {problem.task.name}",
            "Ask for one device at a time: single requests can be searched.",
        )
    return found


def _enter(passes: dict[str, SpacePass], number: int, problem: Problem) -> None:
    """Observe a device in every space that fits it."""
    device = describe(problem.device)
    objective = Objective.of(problem, device)
    usable = usable_spaces(problem.spaces, {name: SPACES[name] for name in passes}, problem.task, device)
    spaces = [space for space, _ in usable]
    observed = observe_all(spaces, problem.task, device, problem.energy_model, problem.adaptation)
    for (space, mask), seen in zip(usable, observed, strict=True):
        passes[space.name].places.append(Place(number, device, mask, objective, seen, problem.adaptation))


def _settle(passes: dict[str, SpacePass]) -> None:
    """Each device stays in the space that promises most."""
    best: dict[int, tuple[float, str]] = {}
    for name, one in passes.items():
        for place in one.places:
            if place.number not in best or place.promise > best[place.number][0]:
                best[place.number] = (place.promise, name)
    for name, one in passes.items():
        one.places = [place for place in one.places if best[place.number][1] == name]


def _member(space: Space, objective: Objective, scores: Scores, predictions: Predictions) -> FleetMember:
    at = objective.order(scores)[:1]
    own = scores.take(at)
    return FleetMember(
        space=space,
        genotype=own.genotypes[0],
        objective=objective,
        scores=own,
        predictions=predictions.take(at),
        feasible=objective.feasible(own),
        evaluations=len(scores),
    )


def _look_again(problems: Sequence[Problem], passes: Mapping[str, SpacePass], members: dict[int, FleetMember]) -> None:
    """Offer uniform designs to devices whose limits are broken; to the nearest to keeping them also adapted ones."""
    spaces = {name: SPACES[name] for name in passes}
    for look in (second_look, adapted_look):
        broken = {at: float(one.objective.violation(one.scores)[0]) for at, one in members.items() if not one.feasible}
        nearest = sorted(broken, key=lambda number: (broken[number], number))
        for at in nearest[: None if look is second_look else ADAPTED_LOOKS]:
            problem, old = problems[at], members[at]
            device = describe(problem.device)
            usable = usable_spaces(problem.spaces, spaces, problem.task, device)
            found = look(problem, device, old.objective, usable)
            if found is not None and old.objective.rank(found.scores) < old.objective.rank(old.scores):
                members[at] = FleetMember(
                    space=found.space,
                    genotype=found.scores.genotypes[0],
                    objective=old.objective,
                    scores=found.scores,
                    predictions=found.predictions,
                    feasible=old.objective.feasible(found.scores),
                    evaluations=old.evaluations + found.evaluations,
                )


def _groups(
    columns: Sequence[_Column], passes: dict[str, SpacePass], members: dict[int, FleetMember]
) -> tuple[FleetGroup, ...]:
    """Cover the devices that can be served by few of the designs scored."""
    place: dict[tuple[str, bytes], int] = {}
    genotypes: list[tuple[Space, IntArray]] = []
    cells: list[tuple[int, int, bool, float, float]] = []
    for column, one in enumerate(columns):
        own = members[one.number]
        for space, scores in ((passes[one.space].space, one.scores), (own.space, own.scores)):
            holds = one.objective.excess(scores).any(axis=1) == 0
            values = one.objective.utility(scores)
            for number, genotype in enumerate(scores.genotypes):
                row = place.setdefault((space.name, genotype.tobytes()), len(place))
                if row == len(genotypes):
                    genotypes.append((space, genotype))
                accuracy_here = float(scores.accuracy[number])
                cells.append((row, column, bool(holds[number]), float(values[number]), accuracy_here))
    serves = np.zeros((len(genotypes), len(columns)), dtype=np.bool_)
    worth = np.full(serves.shape, -np.inf)
    accuracy: FloatArray = np.zeros(serves.shape)
    for row, column, kept, value, reached in cells:
        serves[row, column], worth[row, column], accuracy[row, column] = kept, value, reached
    used = np.flatnonzero(serves.any(axis=1))
    found = fewest(serves[used], worth[used])
    groups = []
    for number in sorted(set(found[found >= 0].tolist())):
        mine = np.flatnonzero(found == number)
        space, genotype = genotypes[used[number]]
        own_accuracy = np.array([float(members[columns[one].number].scores.accuracy[0]) for one in mine.tolist()])
        shared = accuracy[used[number], mine]
        groups.append(
            FleetGroup(
                space=space,
                genotype=genotype,
                members=tuple(sorted(columns[one].number for one in mine.tolist())),
                accuracy=float(shared[0]),
                accuracy_lost=float((own_accuracy - shared).mean()),
            )
        )
    return tuple(sorted(groups, key=lambda group: -len(group.members)))
