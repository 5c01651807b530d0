from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.bits import packed, packed_size, unpacked


@given(st.sampled_from([1, 2, 4, 8]), st.lists(st.integers(0, 255), max_size=50))
def test_numbers_come_back_from_as_few_bytes_as_they_need(bits: int, numbers: list[int]) -> None:
    own = np.array(numbers, dtype=np.int64) % 2**bits
    data = packed(own.astype(np.uint8), bits)
    assert len(data) == packed_size(len(own), bits) == -(-len(own) * bits // 8)
    assert unpacked(data, len(own), bits).tolist() == own.tolist()


@pytest.mark.parametrize(("bits", "expected"), [(1, b"\x0d\x01"), (2, b"\x51\x00\x01"), (4, b"\x01\x11\x00\x00\x01")])
def test_the_first_number_stands_in_the_lowest_bits(bits: int, expected: bytes) -> None:
    numbers = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1], dtype=np.uint8)
    assert packed(numbers, bits)[: len(expected)] == expected
