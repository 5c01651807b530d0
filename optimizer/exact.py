"""Exact enumeration: every network of a space under every uniform precision that the device runs.

For spaces with few enough networks and no filters to prune, such as the 15,625 cells of NAS-Bench-201. Mixed
precisions are reached from the best of them by climbing, as everywhere. One pass of array code prices every network on
a device; it depends on no limit and is remembered, so that further requests to the device only compare numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.space import GeneKind, Space
from design.task import Task
from optimizer.exchange import PRICES
from optimizer.objective import Scores
from optimizer.search import climb
from optimizer.starts import levels
from optimizer.trials import Trials

MOST_NETWORKS = 20_000
PROPOSALS = 64
IMPROVEMENTS = 2
"""Steps climbed from the best uniform design."""
CACHED_FAMILIES = 16
"""A family is all networks under one policy: 15,625 cells take about 12 MB."""


class ExactSearch:
    """Scores every network under every uniform policy."""

    approach = "exact enumeration"

    def promise(self, trials: Trials) -> float:
        """Utility of the best design, which is known; far less than others where it breaks a limit."""
        violation, lost = trials.objective.rank(trials.best())
        return -lost - float(PRICES[-1]) * violation

    def improve(self, trials: Trials) -> None:
        """Climb from the best uniform design to mixed precisions, where the device has several."""
        genes = trials.space.genes(trials.task)
        free = (len(allowed) > 1 for gene, allowed in zip(genes, trials.mask.choices, strict=True) if gene.precisions)
        if any(free):
            climb(trials, trials.best(), trials.objective, IMPROVEMENTS)

    def around(self, trials: Trials) -> None:
        """Nothing: every network was scored, the front is among them."""

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the best designs, best first; the seed has no effect."""
        del seed
        policies = levels(trials.space.genes(trials.task), trials.mask.choices).policies
        trials.starts = Scores.joined(
            [
                trials.judge_family(family(trials.space, trials.task, tuple(policy)))  # type: ignore[arg-type]  # by identity
                for policy in policies.tolist()
            ]
        )
        return trials.starts.genotypes[trials.objective.first(trials.starts, PROPOSALS)]


def suits(space: Space, task: Task) -> bool:
    """Whether a space has few enough networks, and nothing but bits to choose beside them."""
    genes = space.genes(task)
    networks = 1
    for gene in genes:
        if gene.kind is GeneKind.ARCHITECTURE:
            networks *= len(gene.choices)
    return networks <= MOST_NETWORKS and all(gene.kind is not GeneKind.FILTERS for gene in genes)


@lru_cache(maxsize=CACHED_FAMILIES)
def family(space: Space, task: Task, policy: tuple[int, ...]) -> EncodedDesigns:
    """All distinct networks of a space under one policy (G choices, of which those of precision genes count)."""
    choices = [
        np.arange(len(gene.choices)) if gene.kind is GeneKind.ARCHITECTURE else np.array([choice])
        for gene, choice in zip(space.genes(task), policy, strict=True)
    ]
    every = np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, len(choices))
    found = space.rows(task, np.unique(space.canonical(task, every), axis=0))
    return EncodedDesigns(
        rows=found.rows,
        row_ids=found.row_ids.astype(np.int32),  # half the memory, kept for long
        peak_activation_bytes=found.peak_activation_bytes,
        genotypes=found.genotypes,
        space=found.space,
    )
