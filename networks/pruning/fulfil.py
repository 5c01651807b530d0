"""fulfil: a plan says how many filters each layer keeps, and this says which. The plan's numbers are never changed.

`decide` shares a budget among families of channels; here the numbers are given, by channel group. Streams that a
zero-padding shortcut ties have numbers of their own, so the same choice can be kept in one and removed in another.
Groups are taken in the order in which they are computed; each keeps, of its choices, those first that the tied group
before it kept (so that the shortcut carries them on), then those that no group before it has, then the others; within
each of the three the most sensitive ones. In narrow layers most sensitivities are 1
(docs/decisions/0016-pruning.md): of equally sensitive filters those with the larger weights stay. What grouped
convolutions read and write keeps the best of each of its blocks, as many of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.channels import kept_by_group
from design.pruning import PruningPlan
from networks.network import Network
from networks.pruning.allocation import bounds
from networks.pruning.bound import BERNSTEIN, BoundOptions, LayerBound
from networks.pruning.decision import families_of
from networks.pruning.families import Families
from networks.pruning.sampling import EQUAL_DIGITS
from networks.pruning.scores import L1Norm, Scores, Sensitivity, is_bounded
from networks.pruning.selection import Selection

IntArray = NDArray[np.int64]
CARRIED_ON, NEW, LEFT_BEHIND = range(3)


@dataclass(frozen=True, kw_only=True)
class Fulfilled:
    """What stays, and why.

    Attributes:
        found: What could have been removed.
        selection: As many filters of each layer as the plan says.
        scores: Of every channel that could have been removed.
        bounds: What can be said of each layer that reads what could be removed; empty for sensitivities by weight.
    """

    found: Families
    selection: Selection
    scores: Scores
    bounds: tuple[LayerBound, ...]


def fulfil(network: Network, plan: PruningPlan, score: Sensitivity, bound: BoundOptions = BERNSTEIN) -> Fulfilled:
    """Choose the filters that a plan keeps: of each channel group the most sensitive ones.

    Args:
        network: Trained, with all the filters that the plan counts from; not changed.
        plan: How many stay.
        score: Sensitivities.
        bound: Constants of the theorem.

    Raises:
        InvalidDesign: A plan that does not fit the network.
    """
    found = families_of(network)
    scores = score(network, found)
    kept = kept_of(found, scores, L1Norm()(network, found), kept_by_group(found.groups, plan.kept))
    selection = Selection(
        kept={
            name: tuple(kept[group].tolist())
            for group, names in found.groups.owners.items()
            if len(kept[group]) < found.groups.width[group]
            for name in names
        }
    )
    told = bounds(network.architecture, found, scores, kept, bound) if is_bounded(score) else ()
    return Fulfilled(found=found, selection=selection, scores=scores, bounds=told)


def kept_of(found: Families, scores: Scores, ties: Scores, counts: Mapping[int, int]) -> dict[int, IntArray]:
    """Channels kept of every channel group, ascending.

    Args:
        found: What can be removed. Channels that no family has (nobody can say what they are worth) are kept first.
        scores: Of each family's channels.
        ties: What counts among those of equal scores.
        counts: Group -> how many it keeps.
    """
    firsts = np.cumsum([0, *(family.width for family in found.families)])
    stands = np.full(firsts[-1] + 1, NEW)  # of each choice; the last place is that of channels without one
    kept = {}
    for group, width in found.groups.width.items():
        worth, second = np.full((2, width), np.inf)
        choice = np.full(width, len(stands) - 1)
        for family, first in zip(found.families, firsts, strict=False):
            if group in family.members:
                worth[family.members[group]] = np.round(scores[family.name], EQUAL_DIGITS)
                second[family.members[group]] = ties[family.name]
                choice[family.members[group]] = first + np.arange(family.width)
        stands[-1] = CARRIED_ON
        order = np.lexsort((-second, -worth, stands[choice]))
        stay = _best(order, found.groups.blocks_of(group), counts[group])
        kept[group], removed = np.sort(order[stay]), order[~stay]
        stands[choice[kept[group]]], stands[choice[removed]] = CARRIED_ON, LEFT_BEHIND
    return kept


def _best(order: IntArray, blocks: int, count: int) -> NDArray[np.bool_]:
    """Whether each channel of an order stays: the first `count` / `blocks` of each block."""
    by_block = np.argsort(order * blocks // len(order), kind="stable").reshape(blocks, -1)
    stays = np.zeros(len(order), dtype=np.bool_)
    stays[by_block[:, : count // blocks]] = True
    return stays
