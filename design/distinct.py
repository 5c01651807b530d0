"""Distinct rows of arrays of small whole numbers, such as genotypes."""

from __future__ import annotations

import numpy as np

from design.encoding import IntArray

_SMALL = 256


def distinct_rows(values: IntArray) -> tuple[IntArray, IntArray]:
    """Where each distinct row of N x G whole numbers first stands, and the number of each row's, N.

    In the order of `np.unique(values, axis=0)`, which compares number by number; numbers from 0 to 255 are compared as
    bytes here, many times faster.
    """
    if values.shape[1] and values.min(initial=0) >= 0 and values.max(initial=0) < _SMALL:
        small = np.ascontiguousarray(values.astype(np.uint8))
        _, first, number = np.unique(
            small.view(f"V{small.shape[1]}").reshape(-1), return_index=True, return_inverse=True
        )
    else:
        _, first, number = np.unique(values, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first), np.asarray(number.reshape(-1))


def without_doubles(values: IntArray) -> IntArray:
    """The distinct rows of N x G whole numbers, in order of size."""
    return values[distinct_rows(values)[0]]
