"""Choices: which channels of a family go together, what each choice is worth, and who reads what of it at once.

A choice keeps or removes one channel of every block (`design.channels`). Blocks have no common order, so the choice c
is the c-th best channel of each: what stays is the best of every block. In a family of one block choices are channels.

A filter reads the channels of its own group of a convolution only. What it loses with a choice is at most the sum of
the sensitivities of those channels of the choice that it reads: one of them if the convolution has as many groups as
the family has blocks, all where a filter reads every channel. The largest of these sums is the sensitivity of the
choice; a share is never over 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from networks.pruning.families import Families, Family
from networks.pruning.sampling import Chosen
from networks.pruning.shares import Piece

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def ranked(family: Family, worth: FloatArray) -> IntArray:
    """The channels (places in the family) of each choice, choices x blocks.

    Args:
        family: Of one block: in their order.
        worth: Of each of its channels.
    """
    if family.blocks == 1:
        return np.arange(family.size)[:, None]
    first = np.arange(family.blocks) * family.size
    return np.argsort(-worth.reshape(family.blocks, -1), axis=1, kind="stable").T + first


def worth_of_choices(found: Families, family: Family, worth: FloatArray, most: float = np.inf) -> FloatArray:
    """What each choice of a family is worth, from what its channels are.

    Args:
        found: The families of the network.
        family: One of them.
        worth: Of each of its channels.
        most: What a choice can be worth; 1 for sensitivities.
    """
    if family.blocks == 1:
        return worth
    own = worth[ranked(family, worth)]
    total = np.zeros(family.size)
    for name in found.read_by(family):
        for piece in found.readers[name]:
            if piece.group in family.members:
                total = np.maximum(total, (own @ reads_at_once(found, name, piece, family)).max(axis=1))
    return np.minimum(total, most)


def reads_at_once(found: Families, name: str, piece: Piece, family: Family) -> FloatArray:
    """Whether filters of each group of a reader see each block of a family by way of a piece: blocks x groups, 0 or 1.

    Args:
        found: The families of the network.
        name: The reader.
        piece: Of what it reads.
        family: One that has channels of the piece.
    """
    first = family.members[piece.group].reshape(family.blocks, -1)[:, 0]
    groups, held = found.grouped.get(name, (1, 0))
    if groups == 1:
        return np.ones((family.blocks, 1))
    return np.eye(groups)[(piece.start + first * piece.copies) // held]


def spread(family: Family, worth: FloatArray, chosen: Chosen) -> Chosen:
    """Choices kept as the channels kept (places in the family)."""
    if family.blocks == 1:
        return chosen
    kept = ranked(family, worth)[chosen.kept].reshape(-1)
    order = np.argsort(kept)
    factors = None if chosen.factors is None else np.repeat(chosen.factors, family.blocks)[order]
    return replace(chosen, kept=kept[order], factors=factors)
