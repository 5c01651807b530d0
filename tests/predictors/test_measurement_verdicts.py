from __future__ import annotations

import numpy as np
import pytest

from predictors.measurement_verdicts import grid_of, grouped, is_constant
from tests.predictors.measured_cells import cells


def test_the_step_of_a_clock_is_the_largest_that_fits_all_values() -> None:
    assert grid_of(np.array([3.0, 5.0, 21.0])) == 1.0
    assert grid_of(np.array([0.5, 5.0, 21.3])) == 0.1
    assert grid_of(np.array([10.0, 50.0, 210.0])) == 10.0
    assert grid_of(np.array([np.pi, np.e, 1.0])) == 0.0
    assert grid_of(np.array([3.0, 5.0])) == 0.0


def test_every_value_is_one_step_at_least() -> None:
    """Nanoseconds of a chip are no multiples of 100 ms."""
    assert grid_of(np.array([2.3e-6, 4.1e-6, 9.7e-6])) == 0.0
    assert grid_of(np.array([1e-7, 3.0, 5.0])) == 0.0
    assert grid_of(np.array([1e-4, 3e-4, 7e-4])) == pytest.approx(1e-4)


def test_repeats_are_grouped_by_design() -> None:
    designs = cells(3).take(np.array([2, 0, 2, 1, 2]))
    found = grouped(designs, np.array([4.0, 9.0, 2.0, 3.0, 8.0]))
    assert len(found.first) == 3
    own = found.group[0]
    assert found.group[[2, 4]].tolist() == [own, own]
    np.testing.assert_allclose(np.exp(found.log_value[own]), 4.0)
    np.testing.assert_allclose(found.ratio[own], 4.0)
    np.testing.assert_allclose(np.exp(found.log_value[found.group[1]]), 9.0)


def test_equal_values_are_constant_only_where_predictions_differ() -> None:
    assert is_constant(np.full(4, 3.0), np.array([1.0, 2.0, 3.0, 4.0]))
    assert not is_constant(np.full(4, 3.0), np.full(4, 2.0))
    assert not is_constant(np.array([3.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]))
