"""Drawing: filters drawn at random, anew and fewer until what remains fits.

Draws keep numbers of filters in expectation, so that about half of them need more than the target. Every further try
draws a little less, the last one once from each family; no family then keeps more than it was allotted, so that it
fits. The first that fits is taken. That choice is part of what is random: each try has its share of the theorem's delta
(`sampling.Draws`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from design.design import Design
from networks.errors import InvalidSelection
from networks.pruning.budget import Allotment, Amount, planned
from networks.pruning.families import Families
from networks.pruning.sampling import Chosen, Variant, choose
from networks.pruning.scores import Scores

TRIES = 51


def draw_within(
    design: Design,
    found: Families,
    scores: Scores,
    allotment: Allotment,
    amount: Amount,
    variant: Variant,
    random: np.random.Generator,
) -> tuple[dict[str, Chosen], Allotment]:
    """Draw until no more than the target remains.

    Args:
        design: Of the network as it is.
        found: What can be removed from it.
        scores: Of each family's choices.
        allotment: Numbers of filters to expect.
        amount: What is limited.
        variant: RANDOM or PARTIAL.
        random: The same gives the same choice.

    Returns:
        Family -> what was drawn, and the allotment with the numbers and the amount that remain.

    Raises:
        InvalidSelection: No try fits (an amount that falls where filters are added).
    """
    for tries in range(1, TRIES + 1):
        share = 1 - (tries - 1) / (TRIES - 1)
        chosen = {
            family.name: choose(
                scores[family.name], count, variant, random, share=share, tries=tries, least=family.least
            )
            for family, count in zip(found.families, allotment.counts, strict=True)
        }
        counts = tuple(len(own.kept) for own in chosen.values())
        reached = float(amount([planned(design, found.plan(counts))])[0])
        if reached <= allotment.target:
            return chosen, replace(allotment, counts=counts, amount=reached)
    raise InvalidSelection(
        f"filters drawn at random must be able to reach {allotment.target:g}",
        f"more in each of {TRIES} tries",
        "Choose the deterministic variant.",
    )
