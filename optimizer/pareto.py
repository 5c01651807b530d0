"""The front: designs that no other beats in accuracy, latency and energy at once, thinned to what a plot can show."""

from __future__ import annotations

import numpy as np

from design.encoding import FloatArray, IntArray

MOST_POINTS = 60


def nondominated(costs: FloatArray) -> IntArray:
    """Indices, rising, of the rows of N x K `costs` (all minimised) that no other row dominates; of equals the first.

    Rows are visited from the smallest sum on, each removing all that it dominates, so that few visits are needed.
    """
    low, high = costs.min(axis=0), costs.max(axis=0)
    left = np.argsort(((costs - low) / np.where(high > low, high - low, 1.0)).sum(axis=1), kind="stable")
    own = np.ascontiguousarray(costs[left].T)  # each cost in one piece: comparisons run down columns
    visited = 0
    while visited < len(left):
        kept = np.zeros(len(left), dtype=np.bool_)
        for column in own:
            kept |= column < column[visited]
        kept[visited] = True
        left, own = left[kept], own[:, kept]
        visited = int(kept[:visited].sum()) + 1
    return np.sort(left)


def spread(points: FloatArray, count: int, first: IntArray) -> IntArray:
    """Indices of at most `count` of N x K `points`, far apart: `first`, then always the one farthest from all taken."""
    if len(points) <= count:
        return np.arange(len(points))
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    taken = list(dict.fromkeys(int(index) for index in first))
    away = np.min([((scaled - scaled[index]) ** 2).sum(axis=1) for index in taken], axis=0)
    while len(taken) < count:
        farthest = int(np.argmax(away))
        taken.append(farthest)
        away = np.minimum(away, ((scaled - scaled[farthest]) ** 2).sum(axis=1))
    return np.sort(np.array(taken, dtype=np.int64))


def front(costs: FloatArray, chosen: int, count: int = MOST_POINTS) -> IntArray:
    """Indices of at most `count` of the rows of N x K `costs` that no other dominates, always with `chosen`.

    The ends of the front (least of each cost) are kept; the rest are far from each other.
    """
    members = np.union1d(nondominated(costs), [chosen])
    own = costs[members]
    return members[spread(own, count, np.array([np.searchsorted(members, chosen), *own.argmin(axis=0)]))]
