"""What devices of a fleet think of designs that were proposed for one of them by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from design.task import Task
from optimizer.fleet_groups import Judged
from optimizer.fleet_member import FleetMember
from optimizer.objective import Objective, Scores
from optimizer.offers import Key, Name, name_of, numbered
from optimizer.problem import Problem
from optimizer.repair import mask_in
from predictors.descriptor import Descriptor
from predictors.predict import predict

MANY = 0.1
"""Share of the devices served by themselves from which on all others are asked about their designs too."""
Proposed = Mapping[Space, tuple[EncodedDesigns, IntArray, IntArray]]
"""Designs of a space, N: encoded, their genotypes (N x G), and their numbers among all names (N)."""


def with_proposed(
    judged: Mapping[int, Judged],
    alone: Mapping[int, FleetMember],
    problems: Sequence[Problem],
    devices: Mapping[int, Descriptor],
    keys: Mapping[int, Key],
    names: dict[Name, int],
) -> dict[int, Judged]:
    """What devices judge, with the designs proposed for others by themselves.

    Few are asked by those who have one of their own; where they are MANY, by all that have a design.

    Args:
        judged: Position -> what a device thinks of all that was offered, and of its own.
        alone: Position -> what was proposed for a device by itself, which keeps its limits.
        problems: Of all devices.
        devices: Position -> the device.
        keys: Position -> the spaces and precisions it can run.
        names: Of all designs judged so far; those of `alone` are among them or added.
    """
    found = dict(judged)
    able = [number for number, one in judged.items() if one.able]
    asked = able if len(alone) >= MANY * len(able) else list(alone)
    if len(alone) < 2 and asked is not able:
        return found
    proposed = _proposed(alone, problems[0].task, names)
    for number in asked:
        for space, (designs, genotypes, rows) in proposed.items():
            spaces, precisions = keys[number]
            task = problems[number].task
            mask = mask_in(space, task, precisions) if space in spaces else None  # type: ignore[arg-type]  # by identity
            if mask is None:
                continue
            runs = (space.canonical(task, mask.apply(genotypes)) == genotypes).all(axis=1)
            fits = np.flatnonzero(runs & ~np.isin(rows, found[number].rows))
            if len(fits):
                found[number] = _judged_too(
                    found[number], problems[number], devices[number], designs.take(fits), rows[fits]
                )
    return found


def _proposed(alone: Mapping[int, FleetMember], task: Task, names: dict[Name, int]) -> Proposed:
    """The distinct designs proposed, by space."""
    by_space: dict[Space, dict[bytes, IntArray]] = {}
    for member in alone.values():
        by_space.setdefault(member.space, {})[member.genotype.tobytes()] = member.genotype
    found = {}
    for space, own in by_space.items():
        genotypes = np.stack(list(own.values()))
        rows = numbered([name_of(space, genotype) for genotype in genotypes], names)
        found[space] = space.rows(task, genotypes), genotypes, rows
    return found


def _judged_too(own: Judged, problem: Problem, device: Descriptor, designs: EncodedDesigns, rows: IntArray) -> Judged:
    found = predict(designs, device, problem.task, energy_model=problem.energy_model, adaptation=problem.adaptation)
    scores = Scores.of(np.empty((len(rows), 0), dtype=np.int64), found, problem.constraints.risk)
    objective = Objective.of(problem, device)
    keeps = np.asarray(objective.violation(scores) == 0)
    return own.joined_by(rows, keeps, objective.utility(scores), scores.accuracy)
