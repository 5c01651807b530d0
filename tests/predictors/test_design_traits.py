from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from design.encoding import EncodedDesigns
from predictors.design_traits import SCATTER, TRAITS, design_traits, scatter_terms
from predictors.roofline import layer_times
from tests.predictors.measured_cells import cells, device

OWN = device()


def terms(designs: EncodedDesigns) -> np.ndarray:
    times = layer_times(designs.rows, OWN)
    return scatter_terms(designs, times, design_traits(designs, times, OWN))


def test_shares_of_time_add_up_to_one() -> None:
    designs = cells(20)
    found = design_traits(designs, layer_times(designs.rows, OWN), OWN)
    assert found.shape == (20, len(TRAITS))
    np.testing.assert_allclose(found[:, 1 : TRAITS.index("low_bits")].sum(axis=1), 1.0)


def test_concentration_is_the_sum_of_squared_shares_of_layers() -> None:
    designs = cells(5)
    seconds = layer_times(designs.rows, OWN).total
    for found, rows in zip(terms(designs)[:, SCATTER.index("concentration")], designs.row_ids, strict=True):
        own = seconds[rows[rows > 0]]
        assert found == pytest.approx(((own / own.sum()) ** 2).sum())


def test_a_single_layer_averages_nothing_out() -> None:
    designs = cells(3)
    alone = replace(designs, row_ids=designs.row_ids[:, :1], genotypes=None)
    np.testing.assert_allclose(terms(alone)[:, SCATTER.index("concentration")], 1.0)
    assert (terms(designs)[:, SCATTER.index("concentration")] < 0.2).all()
