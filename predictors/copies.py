"""Copies: rows of a table that were not measured but hold the value of a network that computes the same function.

NAS-Bench-201 has 15,625 cells but 6,466 functions. Some tables measure one cell of each function, the first in the
official order, and copy its value to the others, whose own structure (dead edges among it) the value does not show:
on the Raspberry Pi 5 table the features of the cell measured explain the ranks of all rows to .998, those of the row
itself to .91.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray

LEAST_SHARE = 0.99
"""Of the rows that have a representative with a value: more than this equal to the last digit means copies."""
LEAST_TWINS = 20


def copies(values: FloatArray, representatives: IntArray) -> NDArray[np.bool_]:
    """Which of N rows are copies; none where the table measured each row.

    Coarse clocks make some twins equal by chance, hardly ever all of them.

    Args:
        values: N; NaN = no value.
        representatives: N, the first row that computes the same function.
    """
    twins = np.flatnonzero(representatives != np.arange(len(values)))
    other = values[representatives[twins]]
    twins = twins[np.isfinite(other) & np.isfinite(values[twins])]
    found = np.zeros(len(values), dtype=bool)
    equal = values[twins] == values[representatives[twins]]
    constant = len(twins) == 0 or np.ptp(values[np.isfinite(values)]) == 0
    if len(twins) >= LEAST_TWINS and not constant and equal.mean() >= LEAST_SHARE:
        found[twins[equal]] = True
    return found
