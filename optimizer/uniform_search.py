"""UniformSearch: designs with one precision and one share of filters throughout, and exchanges from the most promising.

It knows nothing that was fitted to designs: libraries are made with it, so that they rest on the predictors alone.
"""

from __future__ import annotations

from functools import lru_cache

from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from design.task import Task
from optimizer.polish import polish
from optimizer.starts import uniform_designs
from optimizer.surroundings import score_surroundings
from optimizer.trials import Trials

SIZES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the way from the largest to the smallest network of a family."""


class UniformSearch:
    """Proposes uniform designs of one space."""

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the designs scored, best first; the seed has no effect."""
        del seed
        trials.starts = trials.judge(uniform(trials.space, trials.task, trials.mask.choices))  # type: ignore[arg-type]  # by identity
        return trials.scores.genotypes[trials.objective.order(trials.scores)]

    def improve(self, trials: Trials) -> None:
        """Mix precisions and filters: two rounds of exchanges, the first from several networks."""
        polish(trials)

    def around(self, trials: Trials) -> None:
        """Exchanges from what other preferences choose."""
        score_surroundings(trials)


@lru_cache(maxsize=64)
def uniform(space: Space, task: Task, choices: tuple[tuple[int, ...], ...]) -> EncodedDesigns:
    """Designs of every family and several sizes with the same bits and share of filters throughout.

    Args:
        space: Of which.
        task: For which pictures.
        choices: Allowed choices of each gene.
    """
    return space.rows(task, uniform_designs(space.genes(task), choices, sizes=SIZES))
