"""LibrarySearch: a design without a search - the library of proxies' designs, judged on the device, and a short polish.

Limits, preferences and measurements of the device decide which design of the library is best; the predictors then price
every single change of it, and the sets of changes that together promise most, and again from there as long as that
brings much.
"""

from __future__ import annotations

from design.distinct import without_doubles
from design.encoding import IntArray
from design.space import Space
from design.task import Task
from optimizer.exchange import PRICES
from optimizer.library import library, offered
from optimizer.objective import Scores
from optimizer.polish import polish
from optimizer.repair import mask_in
from optimizer.surroundings import score_surroundings
from optimizer.trials import Trials

OFFERED = 800
"""Designs of the library that are judged."""
WORTH = 0.01
"""What a round of exchanges must bring, in utility, to promise more by another: a percent of error, or what counts like
it."""


class LibrarySearch:
    """Proposes designs of one space from its library."""

    approach = "library of proxy devices"

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the designs judged, best first; the seed has no effect."""
        del seed
        trials.starts = _judged(trials)
        return trials.scores.genotypes[trials.objective.order(trials.scores)]

    def promise(self, trials: Trials) -> float:
        """Utility of the best design; far less than others where it breaks a limit."""
        violation, lost = trials.objective.rank(trials.best())
        return -lost - float(PRICES[-1]) * violation

    def improve(self, trials: Trials) -> bool:
        """One round of exchanges from the best design; whether it mended a limit or brought WORTH."""
        violation, lost = trials.objective.rank(trials.best())
        polish(trials, rounds=1, count=1)
        broken, left = trials.objective.rank(trials.best())
        return broken < violation or lost - left >= WORTH

    def around(self, trials: Trials) -> None:
        """Exchanges from what other preferences choose: the library's front has gaps where precisions mix."""
        score_surroundings(trials)


def _judged(trials: Trials) -> Scores:
    """Scores of the library, within the mask of the trials."""
    space, task, bits = trials.space, trials.task, tuple(trials.device.supported_bits)
    own = mask_in(space, task, bits)  # type: ignore[arg-type]  # by identity
    if own is not None and own.choices == trials.mask.choices:
        return trials.judge_offered(offered(space, task, bits, OFFERED))  # type: ignore[arg-type]  # by identity
    known = library(space, task)  # type: ignore[arg-type]  # by identity
    assert known is not None
    return trials.judge(space.rows(task, without_doubles(trials.allowed(known[:OFFERED]))))


def has_library(space: Space, task: Task) -> bool:
    """Whether a library of a space was made for a task."""
    return library(space, task) is not None  # type: ignore[arg-type]  # by identity
