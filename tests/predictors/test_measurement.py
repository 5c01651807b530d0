from __future__ import annotations

import numpy as np
import pytest

from predictors.measurement import InvalidMeasurements, Measurements
from tests.predictors.measured_cells import cells

NAN = float("nan")


def test_values_that_were_not_measured_are_told_apart() -> None:
    found = Measurements(designs=cells(3), latency_ms=np.array([1.0, NAN, 2.0]), energy_mj=np.array([NAN, 5.0, NAN]))
    assert len(found) == 3
    assert found.latency_index.tolist() == [0, 2]
    assert found.energy_index.tolist() == [1]


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, 1e-200, 1e-10, 1e13])
def test_a_value_that_cannot_be_is_named_with_its_position(value: float) -> None:
    with pytest.raises(
        InvalidMeasurements, match=r"latency_ms must be finite and above 0, from 1e-09 to 1e\+12, .*position 1"
    ):
        Measurements(designs=cells(3), latency_ms=np.array([1.0, value, 2.0]), energy_mj=np.full(3, NAN))
    with pytest.raises(InvalidMeasurements, match=r"energy_mj must be finite and above 0.*position 2"):
        Measurements(designs=cells(3), latency_ms=np.ones(3), energy_mj=np.array([1.0, 2.0, value]))


def test_lengths_must_agree() -> None:
    with pytest.raises(InvalidMeasurements, match="one latency_ms for each design"):
        Measurements(designs=cells(3), latency_ms=np.ones(2), energy_mj=np.ones(3))


def test_many_wrong_values_are_counted() -> None:
    with pytest.raises(InvalidMeasurements, match="and 3 more"):
        Measurements(designs=cells(8), latency_ms=np.zeros(8), energy_mj=np.ones(8))
