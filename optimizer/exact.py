"""Exact enumeration: every network of a space under every uniform precision that the device runs.

For spaces with few enough networks and no filters to prune, such as the 15,625 cells of NAS-Bench-201. Mixed
precisions are reached from the best of them by exchanges, as everywhere. Of networks that cost the same on every device
only the most accurate is priced (`optimizer.families`). That pass depends on no limit and is remembered, so that
further requests to the device only compare numbers.
"""

from __future__ import annotations

from design.encoding import IntArray
from design.space import GeneKind, Space
from design.task import Task
from optimizer.exchange import PRICES
from optimizer.objective import Scores
from optimizer.polish import polish
from optimizer.starts import levels
from optimizer.surroundings import score_surroundings
from optimizer.trials import Trials

MOST_NETWORKS = 20_000
PROPOSALS = 64
IMPROVEMENTS = 1
"""Rounds of exchanges from the best uniform design: as good as two steps of climbing, in half the time."""


class ExactSearch:
    """Scores every network under every uniform policy."""

    approach = "exact enumeration"

    def promise(self, trials: Trials) -> float:
        """Utility of the best design, which is known; far less than others where it breaks a limit."""
        violation, lost = trials.objective.rank(trials.best())
        return -lost - float(PRICES[-1]) * violation

    def improve(self, trials: Trials) -> bool:
        """From the best uniform design to mixed precisions, where the device has several; once is enough."""
        if _mixes(trials):
            polish(trials, rounds=IMPROVEMENTS, count=1)
        return False

    def around(self, trials: Trials) -> None:
        """Mixed precisions, by exchanges from what other preferences choose; nothing where there are none to mix."""
        if _mixes(trials):
            score_surroundings(trials)

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the best designs, best first; the seed has no effect."""
        del seed
        policies = levels(trials.space.genes(trials.task), trials.mask.choices).policies
        trials.starts = Scores.joined([trials.judge_family(tuple(policy)) for policy in policies.tolist()])
        return trials.starts.genotypes[trials.objective.first(trials.starts, PROPOSALS)]


def _mixes(trials: Trials) -> bool:
    """Whether layers may differ in precision."""
    genes = trials.space.genes(trials.task)
    free = (len(allowed) > 1 for gene, allowed in zip(genes, trials.mask.choices, strict=True) if gene.precisions)
    return any(free)


def suits(space: Space, task: Task) -> bool:
    """Whether a space has few enough networks, and nothing but bits to choose beside them."""
    genes = space.genes(task)
    networks = 1
    for gene in genes:
        if gene.kind is GeneKind.ARCHITECTURE:
            networks *= len(gene.choices)
    return networks <= MOST_NETWORKS and all(gene.kind is not GeneKind.FILTERS for gene in genes)
