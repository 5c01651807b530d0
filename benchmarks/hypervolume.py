"""Hypervolume of a front of two costs."""

from __future__ import annotations

import numpy as np

from design.encoding import FloatArray


def hypervolume(points: FloatArray) -> float:
    """Area between N x 2 points (minimised) and (1, 1)."""
    inside = points[(points < 1).all(axis=1)]
    total, edge = 0.0, 1.0
    for first, second in inside[np.lexsort((inside[:, 1], inside[:, 0]))].tolist():
        if second < edge:
            total += (1 - first) * (edge - second)
            edge = second
    return total
