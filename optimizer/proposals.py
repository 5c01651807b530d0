"""Proposals: designs without a search, from what knows each space best - all of it, a library, or a network."""

from __future__ import annotations

from typing import Protocol

from design.encoding import IntArray
from design.space import Space
from design.task import Task
from optimizer.exact import ExactSearch, suits
from optimizer.library_search import LibrarySearch, has_library
from optimizer.neural import NeuralSearch
from optimizer.neural_weights import neural_weights
from optimizer.trials import Trials, best_first

CONTENDERS = 2
"""Spaces that are polished."""
LEAD = 0.05
"""In utility: a space that is so far behind one that was polished is not polished itself. Of 120 drawn requests to
synthetic devices (all spaces) one had another winner for it and 61 % needed one polish; .0006 are lost in the mean."""
FURTHER = 3
"""Times at most that the best space is improved further, as long as that promises much."""


class Proposes(Protocol):
    """Proposes designs of one space; those that it scores stay in the trials.

    Attributes:
        approach: What it is called in answers.
    """

    approach: str

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """The designs scored, best first."""
        ...

    def promise(self, trials: Trials) -> float:
        """What improving promises, in utility: what spaces are compared by."""
        ...

    def improve(self, trials: Trials) -> bool:
        """Improve what was proposed; whether to do so once more promises much."""
        ...

    def around(self, trials: Trials) -> None:
        """Score designs around the best one, for people to see what it trades."""
        ...


def proposed(searches: list[Trials], *, exact: bool = True, networks: bool = False) -> bool:
    """Let proposers suggest designs of every space and improve what looks best; whether the best keeps every limit.

    A space small enough to be priced whole has no need of a library, and one with a library none of a network. Without
    one of them for each space nothing is proposed: a space must not lose for want of it.

    Args:
        searches: One for each space; designs that are scored stay in them.
        exact: Price spaces small enough whole.
        networks: Leave libraries out.
    """
    found = [_proposer(trials.space, trials.task, exact=exact, networks=networks) for trials in searches]
    proposers = [own for own in found if own is not None]
    if len(proposers) < len(searches):
        return False
    for trials, own in zip(searches, proposers, strict=True):
        trials.approach = own.approach
        own.propose(trials, 0)
    promised = {id(trials): own.promise(trials) for trials, own in zip(searches, proposers, strict=True)}
    contenders = sorted(searches, key=lambda trials: -promised[id(trials)])[:CONTENDERS]
    promising: dict[int, bool] = {}
    for trials in contenders:
        own, leader = proposers[searches.index(trials)], best_first(searches)[0]
        ahead = -leader.objective.rank(leader.best())[1] - promised[id(trials)]
        if promising and ahead > LEAD and leader.objective.feasible(leader.best()):
            continue
        promising[id(trials)] = own.improve(trials)
    winner = best_first(searches)[0]
    for _ in range(FURTHER if promising.get(id(winner), False) else 0):
        if not proposers[searches.index(winner)].improve(winner):
            break
    return winner.objective.feasible(winner.best())


def look_around(trials: Trials, *, networks: bool = False) -> None:
    """Score designs around what is best in a space, so that a front can show what it trades.

    Args:
        trials: Of the space; designs that are scored stay in them.
        networks: As in `proposed`.
    """
    own = _proposer(trials.space, trials.task, exact=True, networks=networks)
    if own is not None:
        own.around(trials)


def _proposer(space: Space, task: Task, *, exact: bool, networks: bool) -> Proposes | None:
    """What proposes designs of a space; None where nothing was fitted."""
    if exact and suits(space, task):
        return ExactSearch()
    if not networks and has_library(space, task):
        return LibrarySearch()
    weights = neural_weights(space, task)  # type: ignore[arg-type]  # by identity
    return None if weights is None else NeuralSearch(weights)
