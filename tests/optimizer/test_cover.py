"""Set cover against all subsets."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.cover import fewest


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 10_000))
def test_covers_all_that_can_be_with_few(designs: int, devices: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    serves, worth = rng.random((designs, devices)) < 0.4, rng.random((designs, devices))
    found = fewest(serves, worth)
    possible = serves.any(axis=0)
    assert ((found >= 0) == possible).all()
    assert all(serves[found[device], device] for device in np.flatnonzero(possible))
    if possible.any():
        least = next(
            count
            for count in range(1, designs + 1)
            for chosen in combinations(range(designs), count)
            if (serves[list(chosen)].any(axis=0) == possible).all()
        )
        assert len(set(found[possible].tolist())) <= least * (log(devices) + 1)


def test_each_device_takes_the_worthiest_of_those_chosen() -> None:
    serves = np.array([[True, True, False], [False, True, True], [True, False, False]])
    worth = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0], [9.0, 0.0, 0.0]])
    assert fewest(serves, worth).tolist() == [2, 1, 1]
