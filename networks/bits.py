"""Whole numbers of 1, 2, 4 or 8 bits in bytes, the first number in the lowest bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def packed(numbers: NDArray[np.uint8], bits: int) -> bytes:
    """Numbers from 0 to 2^bits - 1 in ceil(n * bits / 8) bytes.

    Args:
        numbers: n of them.
        bits: 1, 2, 4 or 8.
    """
    each = 8 // bits
    filled = np.zeros(-(-len(numbers) // each) * each, dtype=np.uint8)
    filled[: len(numbers)] = numbers
    shifts = (bits * np.arange(each)).astype(np.uint8)
    together: NDArray[np.uint8] = np.bitwise_or.reduce(filled.reshape(-1, each) << shifts, axis=1)
    return together.tobytes()


def unpacked(data: bytes, number: int, bits: int) -> NDArray[np.uint8]:
    """The numbers that `packed` has written, `number` of them."""
    each = 8 // bits
    shifts = (bits * np.arange(each)).astype(np.uint8)
    found = (np.frombuffer(data, dtype=np.uint8)[:, None] >> shifts) & np.uint8(2**bits - 1)
    return np.asarray(found.reshape(-1)[:number], dtype=np.uint8)


def packed_size(number: int, bits: int) -> int:
    """Bytes of `number` numbers."""
    return -(-number * bits // 8)
