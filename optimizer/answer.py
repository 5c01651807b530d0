"""What the optimizer says: the design explained, the limits it breaks, and the front around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from design.constraints import LimitName
from design.design import Genotype
from design.encoding import FloatArray
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.pareto import front
from optimizer.problem import FrontPoint, Violation
from optimizer.trials import Trials


def violations(objective: Objective, best: Scores, tightest: Mapping[LimitName, float]) -> tuple[Violation, ...]:
    """The limits that a design (N = 1) breaks, each with the tightest value that can be kept alone."""
    limits, excess = objective.limits, objective.excess(best)[0]
    return tuple(
        Violation(
            limit=name,
            allowed=allowed,
            reached=float(best.at_risk[0, LIMITS.index(name)]),
            tightest=tightest[name],
        )
        for (name, allowed), over in zip(limits.items(), excess, strict=True)
        if over > 0
    )


def tightest_of(objective: Objective, parts: Sequence[Scores]) -> dict[LimitName, float]:
    """For each limit the tightest value that a design already scored keeps, were it the only one.

    The device's own memory holds beside it; but where no design keeps that, what designs reach that do not.
    """
    found: dict[LimitName, float] = {}
    for name in objective.limits:
        alone = objective.only(name)
        if not any((alone.violation(scores) == 0).any() for scores in parts):
            alone = replace(alone, limits={})
        best = min((alone.best(scores) for scores in parts), key=alone.rank)
        found[name] = float(best.at_risk[0, LIMITS.index(name)])
    return found


def front_points(searches: Sequence[Trials], winner: Trials, best: Scores) -> tuple[FrontPoint, ...]:
    """The accuracy / latency / energy front of all designs tried, by rising latency, always with the best of `winner`.

    Figures are medians, as shown to people; a member is feasible if it keeps every limit at the requested risk.
    """
    costs = np.concatenate([front_costs(trials.scores) for trials in searches])
    starts = np.cumsum([0, *(len(trials.scores) for trials in searches)])
    chosen = int(starts[searches.index(winner)] + (winner.scores.genotypes == best.genotypes).all(axis=1).argmax())
    members = front(costs, chosen)
    feasible = np.concatenate([trials.objective.violation(trials.scores) == 0 for trials in searches])
    points = []
    for index in members[np.argsort(costs[members, 1], kind="stable")].tolist():
        space = int(np.searchsorted(starts, index, side="right")) - 1
        own = index - int(starts[space])
        points.append(front_point(searches[space], own, feasible=bool(feasible[index]), chosen=index == chosen))
    return tuple(points)


def front_costs(scores: Scores) -> FloatArray:
    """What a front trades, all minimised, N x 3: minus accuracy, log latency, log energy."""
    return np.column_stack([-scores.accuracy, np.log(scores.latency_ms), np.log(scores.energy_mj)])


def front_point(trials: Trials, index: int, *, feasible: bool, chosen: bool) -> FrontPoint:
    """One design tried, for people to read."""
    scores = trials.scores
    values = scores.genotypes[index]
    return FrontPoint(
        genotype=Genotype(space=trials.space.name, task=trials.task.name, values=tuple(values.tolist())),
        name=trials.space.title(trials.task, values),
        accuracy=float(scores.accuracy[index]),
        latency_ms=float(scores.latency_ms[index]),
        energy_mj=float(scores.energy_mj[index]),
        model_bytes=int(scores.model_bytes[index]),
        peak_memory_bytes=int(scores.peak_memory_bytes[index]),
        feasible=feasible,
        chosen=chosen,
    )
