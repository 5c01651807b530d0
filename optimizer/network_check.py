"""NetworkCheck: how near a network comes to what answers by default, on requests that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from design.spaces.registry import SPACES
from optimizer.neural import NeuralSearch
from optimizer.objective import Objective, Scores
from optimizer.polish import polish
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.trials import Trials, begun
from predictors.descriptor import describe


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """What answers lose against those by default, over requests that the latter serve.

    Attributes:
        feasible: Share of the answers that keep every limit.
        behind: Utility lost by those, the mean; None without any.
        points: Points of accuracy lost by those where only accuracy counts.
    """

    feasible: float
    behind: float | None
    points: float | None

    @classmethod
    def of(cls, rows: Sequence[tuple[bool, float, float | None]]) -> Nearness:
        """Of requests: feasible, utility lost, points lost."""
        kept = [row for row in rows if row[0]]
        points = [row[2] for row in kept if row[2] is not None]
        return cls(
            feasible=len(kept) / max(len(rows), 1),
            behind=float(np.mean([row[1] for row in kept])) if kept else None,
            points=float(np.mean(points)) if points else None,
        )


@dataclass(frozen=True, kw_only=True)
class NetworkCheck:
    """How near a network comes.

    Attributes:
        requests: Those that the default serves.
        first: The one answer to the request as it is, before any predictor has judged it.
        answers: The best of all its answers, as its device's predictors judge them.
        polished: That one after a round of exchanges; the default has one to four.
    """

    requests: int
    first: Nearness
    answers: Nearness
    polished: Nearness


def check_network(search: NeuralSearch, problems: Sequence[Problem]) -> NetworkCheck:
    """Ask a network and the default the same; each problem names one space."""
    first, answers, polished = [], [], []
    for problem in problems:
        default = trials_of(problem)
        proposed([default])
        best, objective = default.best(), default.objective
        if not objective.feasible(best):
            continue
        alone = problem.preferences.accuracy == 1.0
        own = trials_of(problem)
        first.append(_lost(objective, best, own.score(search.first(own)), alone=alone))
        own.score(search.answers(own))
        answers.append(_lost(objective, best, own.best(), alone=alone))
        polish(own, rounds=1, count=1)
        polished.append(_lost(objective, best, own.best(), alone=alone))
    return NetworkCheck(
        requests=len(first), first=Nearness.of(first), answers=Nearness.of(answers), polished=Nearness.of(polished)
    )


def trials_of(problem: Problem) -> Trials:
    """Of the first space that a request names; nothing tried yet."""
    device = describe(problem.device)
    return begun(problem, device, usable_spaces(problem.spaces, SPACES, problem.task, device))[0]


def _lost(objective: Objective, best: Scores, own: Scores, *, alone: bool) -> tuple[bool, float, float | None]:
    """Whether a design keeps every limit, utility behind the best, and points of accuracy where only that counts."""
    behind = float(objective.utility(best)[0] - objective.utility(own)[0])
    points = 100 * float(best.accuracy[0] - own.accuracy[0]) if alone else None
    return objective.feasible(own), behind, points
