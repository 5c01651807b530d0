from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from design.errors import InvalidGenotype
from design.spaces.nasbench201_cells import all_cells
from design.spaces.nasbench201_text import cell_of, cell_text


def test_every_cell_is_read_back_from_its_text() -> None:
    cells = [tuple(int(op) for op in ops) for ops in all_cells().ops.T]
    texts = [cell_text(ops) for ops in cells]
    assert len(set(texts)) == 15_625
    assert [cell_of(text) for text in texts] == cells


def test_inputs_of_a_node_come_in_any_order() -> None:
    assert cell_of("|none~0|+|skip_connect~1|nor_conv_1x1~0|+|none~0|none~2|none~1|") == (0, 2, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|", "three nodes"),
        ("|none~0|+none~0|none~1+|none~0|none~1|none~2|", "begin and end"),
        ("|+|none~0|none~1|+|none~0|none~1|none~2|", "begin and end"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "2 operations at node 2"),
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", "avg_pool_3x3"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "each once, at node 1"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "each once, at node 2"),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", "each once"),
    ],
)
def test_what_is_no_cell_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidGenotype, match=message):
        cell_of(text)


def test_texts_of_the_published_table_name_its_cells() -> None:
    folder = os.environ.get("BESPOKE_TEST_DATA")
    if not folder:
        pytest.skip("BESPOKE_TEST_DATA is not set")
    with np.load(Path(folder) / "nb201.npz", allow_pickle=False) as stored:
        texts, ops = stored["arch_str"], stored["ops"]
    assert [cell_of(str(text)) for text in texts] == [tuple(row) for row in ops.tolist()]
