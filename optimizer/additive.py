"""Additive: the best set of changes to a design where figures add up, exactly, by integer programming.

`optimizer.exchange` takes costs and log odds of accuracy of a set of changes for the sums of what each does alone, and
looks for good sets under a few prices of the limits. Under the same sums the best set is an integer programme: of every
gene at most one change, the added log odds the greatest, every added cost within its limit. Branch and bound (HiGHS in
`scipy.optimize.milp`) solves it in 2 ms to 1 s. It is the slow twin of `optimizer.exchange.combined` for accuracy
alone; no request is answered by it, since where filters and depths change the sums are true of few changes only.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from design.encoding import FloatArray, IntArray
from optimizer.exchange import Changes, additive_figures
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.observation import log_odds

_ACCURACY = LIMITS.index("min_accuracy")


def best_set(objective: Objective, here: Scores, changes: Changes, near: Scores) -> IntArray | None:
    """The changes, as indices, whose added log odds of accuracy are greatest where every added figure keeps its limit.

    Accuracy is that at the quantile of the requested risk, as for limits; preferences do not count.

    Args:
        objective: Whose limits, kept to a millionth.
        here: The design (N = 1) that is changed.
        changes: Of it, M of at least 1.
        near: What is predicted of each, M.

    Returns:
        Rising, of each gene at most one, none where the design is best as it is; None where no set keeps every limit.
    """
    base, delta = _sums(here, near)
    one_each = (changes.genes == np.unique(changes.genes)[:, None]).astype(np.float64)
    constraints = [LinearConstraint(one_each, -np.inf, 1.0)]
    for name, allowed in objective.limits.items():
        column, room, scale, sign = LIMITS.index(name), allowed, allowed, 1.0
        if column == _ACCURACY:
            room, scale, sign = float(log_odds(np.array(allowed))), 1.0, -1.0  # a limit from below
        row = sign * delta[:, column] / scale
        constraints.append(LinearConstraint(row[None], -np.inf, sign * (room - base[column]) / scale))
    found = milp(
        -delta[:, _ACCURACY],
        integrality=np.ones(len(changes), dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    return None if found.x is None else np.flatnonzero(found.x > 0.5)


def foretold(here: Scores, near: Scores, chosen: IntArray) -> FloatArray:
    """LIMITS of a set of changes by adding up what each does alone; accuracy as log odds.

    Args:
        here: The design (N = 1) that is changed.
        near: What is predicted of each change, M.
        chosen: Indices of those in the set.
    """
    base, delta = _sums(here, near)
    return np.asarray(base + delta[chosen].sum(axis=0))


def _sums(here: Scores, near: Scores) -> tuple[FloatArray, FloatArray]:
    """LIMITS of a design, and what each of M changes adds to them; accuracy as log odds."""
    base = additive_figures(here)[0, : len(LIMITS)]
    return base, additive_figures(near)[:, : len(LIMITS)] - base
