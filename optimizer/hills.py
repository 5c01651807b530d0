"""Hills: which networks of a space are worth climbing, by what their uniform designs promise when mixed.

Designs of one network and width with different bits in every layer lie between its uniform designs: what the best of
them can reach within the limits is foretold by the Lagrangian dual over the designs already scored, the least over
prices of limits of the greatest `utility - price x excess`. A network none of whose uniform designs is both good and
within the limits may still hold the best mixture.
"""

from __future__ import annotations

import numpy as np

from design.encoding import FloatArray, IntArray
from optimizer.exchange import prices
from optimizer.objective import Objective, Scores


def hills(objective: Objective, scores: Scores, count: int) -> list[Scores]:
    """Where to climb from: the best design (N = 1) of each of the `count` networks that promise most.

    Networks are told apart by their first two genes: in every space the family and the width. The best design of all
    is always among them.
    """
    if count == 1:
        return [objective.best(scores)]
    group, promise = promises(objective, scores)
    order = np.argsort(-promise, kind="stable")[:count]
    best = objective.best(scores)
    own = group[int((scores.genotypes == best.genotypes).all(axis=1).argmax())]
    if own not in order:
        order[-1] = own
    return [objective.best(scores.take(np.flatnonzero(group == number))) for number in order.tolist()]


def promises(objective: Objective, scores: Scores) -> tuple[IntArray, FloatArray]:
    """The network (first two genes) of each of N designs, counted from 0, and what each network promises, in utility.

    A network promises at least what its best design within the limits has, and far less than others where no mixture
    of its designs keeps the limits.
    """
    keys = scores.genotypes[:, 0] * (1 + int(scores.genotypes[:, 1].max())) + scores.genotypes[:, 1]
    _, group = np.unique(keys, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    priced = objective.utility(scores) - prices(len(objective.limits)) @ objective.beyond(scores.at_risk).T
    return group, np.maximum.reduceat(priced[:, order], starts, axis=1).min(axis=0)
