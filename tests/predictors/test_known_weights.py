from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from design.errors import UnknownName
from predictors.known_weights import (
    VERSION,
    from_weights,
    kind_of,
    official_cells,
    official_representatives,
    shipped,
    to_weights,
)
from predictors.storage import WEIGHTS, InvalidWeights, load_weights, save_weights
from predictors.tables import TABLES
from tests.predictors.small_tables import measured, small_space, small_table


def test_a_space_survives_the_disk(tmp_path: Path) -> None:
    known, features = small_space(), small_table().features
    path = tmp_path / "known.safetensors"
    save_weights(to_weights(known, {"seed": "0"}), path)
    again = from_weights(load_weights(path, kind=kind_of("fbnet"), version=VERSION), "fbnet")
    rows, latency, query = measured(10)
    one, other = (space.posterior(features, rows, latency, query) for space in (known, again))
    assert np.allclose(one.mean_ms, other.mean_ms, rtol=1e-4)
    assert [source.name for source in again.sources] == [source.name for source in known.sources]


def test_weights_of_another_space_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "known.safetensors"
    save_weights(to_weights(small_space()), path)
    with pytest.raises(InvalidWeights):
        load_weights(path, kind=kind_of("ofa"), version=VERSION)


@pytest.mark.parametrize("name", TABLES)
def test_shipped_spaces_open_and_are_small(name: str) -> None:
    known = shipped(name)
    assert len(known.sources) >= 12
    assert known.widening >= 1
    assert (WEIGHTS / f"{kind_of(name)}.safetensors").stat().st_size < 2 * 2**20


def test_official_cells_are_all_different() -> None:
    cells = official_cells()
    assert len(np.unique(cells, axis=0)) == 5**6
    assert cells.min() == 0
    assert cells.max() == 4


def test_an_unknown_space_is_named() -> None:
    with pytest.raises(UnknownName, match="nb301"):
        shipped("nb301")


def test_representatives_come_first_and_stand_for_themselves() -> None:
    found = official_representatives()
    assert len(np.unique(found)) == 6466
    assert np.all(found <= np.arange(5**6))
    assert np.array_equal(found[found], found)
