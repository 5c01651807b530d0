"""Distinct rows are those of numpy, in its order, for small numbers and for others."""

from __future__ import annotations

import numpy as np
import pytest

from design.distinct import distinct_rows, without_doubles


@pytest.mark.parametrize("most", [1, 3, 256, 300])
@pytest.mark.parametrize("least", [0, -2])
@pytest.mark.parametrize("shape", [(50, 4), (1, 1), (0, 3), (6, 2)])
def test_it_is_what_numpy_finds(most: int, least: int, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(least, most, shape)
    values[len(values) // 2 :] = values[: len(values) - len(values) // 2]
    wanted, first, number = np.unique(values, axis=0, return_index=True, return_inverse=True)
    found, its = distinct_rows(values)
    assert found.tolist() == first.tolist()
    assert its.tolist() == number.reshape(-1).tolist()
    assert without_doubles(values).tolist() == wanted.tolist()
    assert values[found][its].tolist() == values.tolist()
