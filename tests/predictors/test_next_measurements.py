from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from predictors.adapt import OtherDevice, adapt
from predictors.next_measurements import InvalidRequest, next_measurements
from predictors.predict import predict
from tests.predictors.measured_cells import TASK, cells, device, timed, true_ms

OWN = device()


def test_each_suggestion_narrows_the_intervals_of_all_candidates() -> None:
    found = next_measurements(OWN, cells(100), 8)
    assert len({one.index for one in found}) == 8
    assert all(one.spread_after < one.spread_before for one in found)
    for one, after in pairwise(found):
        assert after.spread_before == pytest.approx(one.spread_after)


def test_the_first_suggestion_is_the_best_of_all_by_brute_force() -> None:
    designs = cells(30)
    found = next_measurements(OWN, designs, 1)[0]
    truth = true_ms(designs, OWN, level=1.0, noise=0.0)

    def left(index: int) -> float:
        given = adapt(OWN, timed(designs.take(np.array([index])), truth[[index]]))
        return float((predict(designs, OWN, TASK, adaptation=given).latency_ms.spread ** 2).mean())

    every = np.array([left(index) for index in range(30)])
    assert every[found.index] <= every.min() * 1.05


def test_chosen_designs_teach_more_than_the_first_ones() -> None:
    designs = cells(200)
    truth = true_ms(designs, OWN)
    chosen = np.array([one.index for one in next_measurements(OWN, designs, 5)])

    def spread(index: np.ndarray) -> float:
        given = adapt(OWN, timed(designs.take(index), truth[index]))
        return float(predict(designs, OWN, TASK, adaptation=given).latency_ms.spread.mean())

    assert spread(chosen) < spread(np.arange(5))


def test_what_was_measured_before_is_taken_into_account() -> None:
    designs = cells(50)
    truth = true_ms(designs, OWN)
    first = next_measurements(OWN, designs, 3)
    seen = np.array([one.index for one in first])
    after = next_measurements(OWN, designs, 1, adapt(OWN, timed(designs.take(seen), truth[seen])))[0]
    assert after.spread_before < first[0].spread_before


def test_impossible_requests_are_refused() -> None:
    for count in (0, 4):
        with pytest.raises(InvalidRequest, match="between 1 and the 3 candidates"):
            next_measurements(OWN, cells(3), count)
    other = adapt(device("pixel-3"), timed(cells(2), np.ones(2)))
    with pytest.raises(OtherDevice):
        next_measurements(OWN, cells(3), 1, other)
