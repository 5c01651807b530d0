"""Surroundings: designs that trade otherwise than the best one does, scored so that a front can show them.

What a library or uniform precisions know of the trade-off has gaps: designs that mix precisions otherwise. From the
designs that are best under a few preferences, without the limits asked for, one round of exchanges fills them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from design.constraints import Preferences
from design.distinct import without_doubles
from optimizer.exchange import Changes, combined
from optimizer.objective import Objective, Scores
from optimizer.trials import Trials

ACCURACY_SHARES = (0.1, 0.37, 0.63, 0.9)
"""Weight of accuracy in each preference; latency and energy share the rest."""
TRIED = 16
"""Sets of changes scored for each."""


def score_surroundings(trials: Trials) -> None:
    """Score every single change of what is best under each preference, and the sets of changes that promise most.

    Two batches: at most four times the single changes of a design, and 64 sets of them. 7 to 17 ms of processor time.
    Designs scored stay in `trials`.
    """
    objectives = [_preferring(trials.objective, share) for share in ACCURACY_SHARES]
    wanted: dict[bytes, tuple[Scores, list[Objective]]] = {}
    for objective in objectives:
        best = objective.best(trials.scores)
        wanted.setdefault(best.genotypes.tobytes(), (best, []))[1].append(objective)
    places = list(wanted.values())
    changes = [Changes.of(trials, place.genotypes[0]) for place, _ in places]
    near = trials.judge(trials.space.rows(trials.task, np.concatenate([own.genotypes for own in changes])))
    ends = np.cumsum([0, *(len(own) for own in changes)])
    sets = [
        combined(objective, place, own, near.take(np.arange(first, last)), TRIED)
        for (place, preferring), own, (first, last) in zip(places, changes, pairwise(ends), strict=True)
        for objective in preferring
    ]
    trials.score(without_doubles(np.concatenate(sets)))


def _preferring(objective: Objective, accuracy: float) -> Objective:
    """The same without the limits asked for, with preferences of its own."""
    rest = (1 - accuracy) / 2
    return replace(
        objective, limits=objective.own, preferences=Preferences(accuracy=accuracy, latency=rest, energy=rest)
    )
