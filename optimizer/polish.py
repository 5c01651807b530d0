"""Polish: from proposed designs to better ones near them, with a fixed number of predictions.

The predictors price every single change of a few promising designs in one batch, and the sets of changes that together
promise most (`optimizer.exchange`) in a second one; the best of all is where the next round starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from design.task import Task
from optimizer.exchange import Changes, combined
from optimizer.hills import hills
from optimizer.objective import Scores
from optimizer.repair import Mask
from optimizer.trials import Trials

ROUNDS = 2
HILLS = 4
"""Networks climbed from in the first round; in the next, only the best."""
TRIED = 64
"""Sets of changes that each place scores."""
KEPT = 64
"""Designs of which all single changes stay encoded, .3 to 3 MB each: devices of a fleet often start alike."""


def polish(trials: Trials, rounds: int = ROUNDS, count: int = HILLS) -> Scores:
    """Improve what `trials` has found; the best of all afterwards (N = 1).

    Args:
        trials: With designs that were scored.
        rounds: At most so many.
        count: Networks climbed from in the first round.
    """
    places = hills(trials.objective, trials.scores, count)
    for _ in range(rounds):
        found = climbed(trials, places)
        still = all((new.genotypes == old.genotypes).all() for new, old in zip(found, places, strict=True))
        places = [min(found, key=trials.objective.rank)]
        if still:
            break
    return trials.best()


def climbed(trials: Trials, places: Sequence[Scores], count: int = TRIED) -> list[Scores]:
    """The best design (N = 1) reached from each place in one step: a single change or several."""
    objective = trials.objective
    changes, near = _changed(trials, places)
    sets = [combined(objective, *given, count) for given in zip(places, changes, near, strict=True)]
    several = _scored(trials, [trials.allowed(own) for own in sets])
    return [objective.best(Scores.joined(reached)) for reached in zip(places, near, several, strict=True)]


def _changed(trials: Trials, places: Sequence[Scores]) -> tuple[list[Changes], list[Scores]]:
    """Every single change of each place, and its scores."""
    if len(places) == 1:
        genotype = places[0].genotypes[0].astype(np.int64).tobytes()
        own, designs = _encoded(_Place(trials.space, trials.task, genotype, trials.mask.choices, trials.mask))
        return [own], [trials.judge(designs)]
    changes = [Changes.of(trials, place.genotypes[0]) for place in places]
    return changes, _scored(trials, [own.genotypes for own in changes])


@dataclass(frozen=True)
class _Place:
    """One design (as bytes) and what may be chosen in its place; what stands in for other choices follows from that."""

    space: Space
    task: Task
    genotype: bytes
    choices: tuple[tuple[int, ...], ...]
    mask: Mask = field(compare=False)


@lru_cache(maxsize=KEPT)
def _encoded(place: _Place) -> tuple[Changes, EncodedDesigns]:
    """Every single change of a design, encoded: they depend on no limit, and on the precisions of a device alone."""
    own = Changes.within(place.space, place.task, place.mask, np.frombuffer(place.genotype, dtype=np.int64))
    designs = place.space.rows(place.task, own.genotypes)
    assert designs.genotypes is not None
    return replace(own, genotypes=designs.genotypes), designs


def _scored(trials: Trials, parts: Sequence[IntArray]) -> list[Scores]:
    """Scores of several lists of canonical genotypes, asked for at once."""
    scores = trials.judge(trials.space.rows(trials.task, np.concatenate(parts)))
    ends = np.cumsum([0, *(len(part) for part in parts)])
    return [scores.take(np.arange(first, last)) for first, last in pairwise(ends)]
