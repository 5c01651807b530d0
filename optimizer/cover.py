"""Cover: the fewest designs that serve a fleet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray


def fewest(serves: NDArray[np.bool_], worth: FloatArray) -> IntArray:
    """Which of N designs serves each of D devices so that few designs are needed, D; -1 where none does.

    Greedy set cover: always the design that serves most devices not yet served, of equal ones that with the greater
    summed worth. At most ln(D) + 1 times as many designs as needed. At the end each device takes, among the designs
    chosen, the one of greatest worth that serves it.

    Args:
        serves: N x D, whether a design keeps every limit of a device.
        worth: N x D.
    """
    left = serves.any(axis=0)
    chosen: list[int] = []
    while left.any():
        reach = serves[:, left].sum(axis=1)
        gain = np.where(serves[:, left], worth[:, left], 0.0).sum(axis=1)
        first = np.flatnonzero(reach == reach.max())
        best = int(first[np.argmax(gain[first])])
        chosen.append(best)
        left &= ~serves[best]
    found = np.full(serves.shape[1], -1, dtype=np.int64)
    if chosen:
        own = np.where(serves[chosen], worth[chosen], -np.inf)
        served = serves[chosen].any(axis=0)
        found[served] = np.array(chosen)[own.argmax(axis=0)][served]
    return found
