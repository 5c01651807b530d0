"""prune: a trained network in, a smaller one out, at once or in rounds of pruning and training. The main path."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from design.design import Design
from networks.errors import InvalidSelection
from networks.network import Network
from networks.pruning.budget import TOLERANCE, Amount
from networks.pruning.compensation import channel_means
from networks.pruning.decision import Decision, Method, decide, families_of, reweight_
from networks.pruning.families import Families
from networks.pruning.surgery import cut

Retrain = Callable[[Network, Design, int], None]
"""Trains a pruned network in place: (network, its design, round from 1)."""


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """How to prune.

    Attributes:
        rounds: Of pruning and training; what remains shrinks by the same factor in each.
        tolerance: Share of the target that may be left unused.
        compensate: Removed channels' means go on as constants (`networks.pruning.compensation`), where nothing was
            drawn.
    """

    rounds: int = 1
    tolerance: float = TOLERANCE
    compensate: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InvalidSelection("rounds must be at least 1", str(self.rounds), "One is pruning once.")


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A smaller network.

    Attributes:
        network: Its weights are those of the filters that remain.
        design: With the plan: counts and prices are those of the network.
        decisions: Of each round.
    """

    network: Network
    design: Design
    decisions: tuple[Decision, ...]


def prune(
    network: Network,
    design: Design,
    method: Method,
    amount: Amount,
    target: float,
    *,
    batches: Callable[[], Iterable[Tensor]],
    retrain: Retrain | None = None,
    options: PruneOptions | None = None,
) -> Pruned:
    """Remove filters until no more than the target remains.

    Args:
        network: Trained; not changed.
        design: The one it was built from.
        method: How filters are chosen.
        amount: What is limited: one of `budget.AMOUNTS`, or a predicted cost.
        target: How much may remain at most, in its unit.
        batches: Gives pictures held out of training, anew each time: for the means of removed channels.
        retrain: After every round; None: not.
        options: See PruneOptions.

    Raises:
        InvalidSelection: The target cannot be reached, or is none.
    """
    own = options or PruneOptions()
    if not target > 0:
        raise InvalidSelection("the target must be above 0", f"{target:g}", "Say how much may remain.")
    begun = float(amount([design])[0])
    decisions = []
    for number, wanted in enumerate(np.geomspace(max(begun, target), target, own.rounds + 1)[1:], 1):
        last = float(target) if number == own.rounds else float(wanted)
        decision = decide(network, design, method, amount, last, tolerance=own.tolerance)
        network, design = carried_out(network, design, decision, batches if own.compensate else None)
        decisions.append(decision)
        if retrain is not None:
            retrain(network, design, number)
    return Pruned(network=network, design=design, decisions=tuple(decisions))


def carried_out(
    network: Network,
    design: Design,
    decision: Decision,
    batches: Callable[[], Iterable[Tensor]] | None = None,
    *,
    found: Families | None = None,
) -> tuple[Network, Design]:
    """What a decision leaves of a network, and its design.

    Args:
        network: Not changed.
        design: The one it was built from.
        decision: Of it.
        batches: For means of the removed channels; None: they count as zero. Not used where channels were drawn:
            those that remain stand for the others already.
        found: From `families_of`, where that is known.
    """
    if decision.factors:
        network = copy.deepcopy(network)
        reweight_(network, found or families_of(network), decision.factors)
        return cut(network, design, decision.selection)
    means = None if batches is None else channel_means(network, batches())
    return cut(network, design, decision.selection, means=means)
