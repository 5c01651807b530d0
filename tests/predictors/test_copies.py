from __future__ import annotations

import numpy as np

from predictors.copies import copies

TWINS = np.array([0, 1, 0, 1, 4, 5] * 20) + np.repeat(np.arange(0, 120, 6), 6)


def test_values_copied_from_twins_are_found() -> None:
    values = np.random.default_rng(0).uniform(1, 2, size=120)[TWINS]
    values[7] = np.nan
    found = copies(values, TWINS)
    assert found.sum() == 39  # two of each six rows, but for the one whose representative has no value
    assert not found[np.arange(120) == TWINS].any()


def test_rows_measured_one_by_one_are_kept_with_fine_and_coarse_clocks() -> None:
    values = np.random.default_rng(0).uniform(1, 20, size=120)
    assert not copies(values, TWINS).any()
    assert not copies(np.round(values), TWINS).any()


def test_constant_rows_and_few_twins_say_nothing() -> None:
    assert not copies(np.full(120, 3.0), TWINS).any()
    assert not copies(np.arange(6.0)[TWINS[:6]], TWINS[:6]).any()
    assert not copies(np.full(120, np.nan), TWINS).any()
