"""What devices of a fleet think of designs that were proposed for one of them by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.errors import BespokeError
from design.space import Space
from design.task import Task
from optimizer.fleet_groups import Judged
from optimizer.fleet_member import FleetMember
from optimizer.objective import Objective, Scores
from optimizer.offers import Key, Name, name_of, numbered
from optimizer.problem import Problem
from optimizer.repair import mask_in
from predictors.accuracy import accuracy_predictor
from predictors.descriptor import Descriptor
from predictors.predict import predict

MANY = 0.1
"""Of the devices that have a design, the share that has one of its own from which on all devices judge these."""
Proposed = Mapping[Space, tuple[EncodedDesigns, IntArray, IntArray]]
"""Designs of a space, N: encoded, their genotypes (N x G), and their numbers among all names (N)."""


def share_proposed(
    members: dict[int, FleetMember | BespokeError],
    judged: dict[int, Judged],
    problems: Sequence[Problem],
    devices: Mapping[int, Descriptor],
    keys: Mapping[int, Key],
    names: dict[Name, int],
) -> None:
    """Let devices judge the designs proposed for others by themselves; each takes the best that it knows of then.

    Where at least MANY have one of their own all judge them; where fewer but two or more do, only those do.

    Args:
        members: Position -> what a device gets; better designs take its place.
        judged: Position -> what a device thinks of all that was offered, and of its own; what is judged here is added.
        problems: Of all devices.
        devices: Position -> the device.
        keys: Position -> the spaces and precisions it can run.
        names: Of all designs judged so far, those proposed among them.
    """
    alone = {at: one for at, one in members.items() if isinstance(one, FleetMember) and one.alone and one.feasible}
    many = len(alone) >= max(MANY * sum(one.able for one in judged.values()), 1)
    if len(alone) < 2 and not many:
        return
    proposed = _proposed(list(alone.values()), problems[0].task, names)
    for number in sorted(judged) if many else list(alone):
        for space, own in proposed.items():
            member = members[number]
            assert isinstance(member, FleetMember)
            fits = _runnable(space, own, keys[number], problems[0].task, judged[number])
            if len(fits):
                members[number], judged[number] = _asked(
                    member, judged[number], problems[number], devices[number], (space, own, fits)
                )


def _proposed(alone: Sequence[FleetMember], task: Task, names: dict[Name, int]) -> Proposed:
    """The distinct designs proposed, by space."""
    by_space: dict[Space, dict[bytes, IntArray]] = {}
    for member in alone:
        by_space.setdefault(member.space, {})[member.genotype.tobytes()] = member.genotype
    found = {}
    for space, own in by_space.items():
        genotypes = np.stack(list(own.values()))
        rows = numbered([name_of(space, genotype) for genotype in genotypes], names)
        found[space] = space.rows(task, genotypes), genotypes, rows
    return found


def _runnable(
    space: Space, own: tuple[EncodedDesigns, IntArray, IntArray], key: Key, task: Task, judged: Judged
) -> IntArray:
    """Which of the designs a device can run and has not judged yet."""
    spaces, precisions = key
    mask = mask_in(space, task, precisions) if space in spaces else None  # type: ignore[arg-type]  # by identity
    if mask is None:
        return np.zeros(0, dtype=np.int64)
    _, genotypes, rows = own
    runs = (space.canonical(task, mask.apply(genotypes)) == genotypes).all(axis=1)
    return np.flatnonzero(runs & ~np.isin(rows, judged.rows))


def _asked(
    member: FleetMember,
    judged: Judged,
    problem: Problem,
    device: Descriptor,
    others: tuple[Space, tuple[EncodedDesigns, IntArray, IntArray], IntArray],
) -> tuple[FleetMember, Judged]:
    """What a device gets and thinks after it has judged designs of a space proposed for others."""
    space, (designs, genotypes, rows), fits = others
    model, adaptation = problem.energy_model, problem.adaptation
    found = predict(designs.take(fits), device, problem.task, energy_model=model, adaptation=adaptation)
    scores = Scores.of(genotypes[fits], found, problem.constraints.risk)
    objective = Objective.of(problem, device)
    keeps, utility = np.asarray(objective.violation(scores) == 0), objective.utility(scores)
    member = replace(member, evaluations=member.evaluations + len(fits))
    best = int(np.argmax(np.where(keeps, utility, -np.inf)))
    if not keeps[best] or (judged.able and utility[best] <= judged.utility[judged.best]):
        return member, judged.joined_by(rows[fits], keeps, utility, scores.accuracy)
    at = np.array([best])
    basis = accuracy_predictor().basis(designs.take(fits[at]), problem.task)
    better = replace(
        member,
        space=space,
        genotype=scores.genotypes[best],
        scores=scores.take(at),
        predictions=replace(found.take(at), accuracy_basis=basis),
        violations=(),
        alone=False,
    )
    return better, judged.joined_by(rows[fits], keeps, utility, scores.accuracy, best=best)
