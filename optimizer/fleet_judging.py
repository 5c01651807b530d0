"""What devices of a fleet make of what is offered to them: all with the same precisions are predicted in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from design.encoding import IntArray
from design.prediction import AccuracyBasis
from design.space import Space
from design.task import Task
from optimizer.answer import tightest_of, violations
from optimizer.fleet_groups import Judged
from optimizer.fleet_member import FleetMember
from optimizer.library_search import LibrarySearch
from optimizer.objective import Objective, Scores
from optimizer.offers import Offers, genotypes_of
from optimizer.problem import Problem
from predictors.accuracy import accuracy_predictor
from predictors.descriptor import Descriptor
from predictors.predict import predict
from predictors.predict_each import predict_each
from predictors.predictions import Predictions

Within = tuple[NDArray[np.bool_], Offers]


def judged_by(
    numbers: Sequence[int],
    problems: Sequence[Problem],
    devices: Mapping[int, Descriptor],
    own: Offers,
    rows: IntArray,
    within: Within | None,
) -> dict[int, tuple[FleetMember, Judged]]:
    """What devices make of what is offered to them; of all of it where nothing within their limits keeps the others.

    Args:
        numbers: Positions of the devices.
        problems: Of all devices.
        devices: Position -> the device.
        own: What is offered to these, N.
        rows: N, numbers of the designs among all that are offered to any device.
        within: What of it keeps the limits that no device has a part in (N) and that alone; None: no need to ask first.

    Returns:
        Position -> what the device gets of it, and what it thinks of it.
    """
    if within is None:
        return _judge(numbers, problems, devices, own, rows)
    kept, few = within
    found = _judge(numbers, problems, devices, few, rows[kept])
    unable = [number for number, (_, judged) in found.items() if not judged.able]
    for number, (member, judged) in _judge(unable, problems, devices, own, rows).items():
        evaluations = member.evaluations + found[number][0].evaluations
        found[number] = replace(member, evaluations=evaluations), judged
    return found


def _judge(
    numbers: Sequence[int], problems: Sequence[Problem], devices: Mapping[int, Descriptor], own: Offers, rows: IntArray
) -> dict[int, tuple[FleetMember, Judged]]:
    """The best for each device of what is offered to it, and what it thinks of all that is."""
    parts = {number: _predicted_by_space(own, devices[number], problems[number]) for number in numbers}
    plain = [number for number in numbers if problems[number].adaptation is None]
    if plain:
        first = problems[plain[0]]
        asked = [devices[number] for number in plain]
        every = predict_each(own.designs, asked, first.task, energy_model=first.energy_model)
        parts |= {number: [one] for number, one in zip(plain, every, strict=True)}
    known = _Known(own, problems[0].task)
    return {number: _best(number, problems[number], devices[number], parts[number], known, rows) for number in numbers}


def _best(
    number: int, problem: Problem, device: Descriptor, parts: list[Predictions], known: _Known, rows: IntArray
) -> tuple[FleetMember, Judged]:
    """The best for a device by predictions of all that is offered, or of parts of it in order, and what it thinks."""
    objective = Objective.of(problem, device)
    begun = np.cumsum([0, *(len(one.model_bytes) for one in parts)])
    scores = Scores.joined(
        [
            Scores.of(np.empty((end - first, 0), dtype=np.int64), one, problem.constraints.risk)
            for one, first, end in zip(parts, begun[:-1], begun[1:], strict=True)
        ]  # without genotypes: those of several spaces have no common form
    )
    violation, utility = objective.violation(scores), objective.utility(scores)
    least = np.flatnonzero(violation == violation.min())
    best = int(least[utility[least].argmax()])
    space, genotype, basis = known.of(best)
    part = int(np.searchsorted(begun, best, side="right")) - 1
    found = scores.take(np.array([best]))
    tightest = tightest_of(objective, [scores]) if violation[best] else {}
    member = FleetMember(
        space=space,
        genotype=genotype,
        scores=replace(found, genotypes=genotype[None]),
        predictions=replace(parts[part].take(np.array([best - begun[part]])), accuracy_basis=basis),
        violations=violations(objective, found, tightest) if violation[best] else (),
        approach=LibrarySearch.approach,
        evaluations=len(scores),
    )
    judged = Judged(
        number=number,
        rows=rows,
        keeps=np.asarray(violation == 0),
        utility=utility,
        accuracy=scores.accuracy,
        best=best,
    )
    return member, judged


class _Known:
    """Designs of offers as members of a fleet get them, each looked at once."""

    def __init__(self, own: Offers, task: Task) -> None:
        self._own, self._task = own, task
        self._found: dict[int, tuple[Space, IntArray, AccuracyBasis]] = {}

    def of(self, index: int) -> tuple[Space, IntArray, AccuracyBasis]:
        """Space, genotype (G) and what the accuracy of one of them rests on."""
        if index not in self._found:
            space, design = self._own.of(index)
            basis = accuracy_predictor().basis(design, self._task)
            self._found[index] = space, genotypes_of(design)[0], basis
        return self._found[index]


def _predicted_by_space(own: Offers, device: Descriptor, problem: Problem) -> list[Predictions]:
    """Of a measured device: measurements may say more of one space than of others. Nothing of others."""
    model, adaptation = problem.energy_model, problem.adaptation
    if adaptation is None:
        return []
    return [predict(part, device, problem.task, energy_model=model, adaptation=adaptation) for _, part in own.parts]
