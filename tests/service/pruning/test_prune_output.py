"""What `bespoke prune` says to people, and where it writes where nothing is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.service.pruning.conftest import Type


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("1500", ""),
        ("800", "Numbers of filters are multiples of 4; multiples of 8 cannot keep the limit."),
        ("100", "Filters are kept one by one; multiples of 8 cannot keep the limit."),
    ],
)
def test_blocks_of_channels_that_the_limit_does_not_allow_are_told(
    typed: Type, model: Path, tmp_path: Path, parameters: str, says: str
) -> None:
    out = tmp_path / "small.onnx"
    status, shown, _ = typed(str(model), "--out", str(out), "--parameters", parameters)
    assert status == 0
    text, document = " ".join(shown.split()), json.loads(out.with_suffix(".json").read_text())
    assert document["multiple_asked"] == 8
    assert ("cannot keep the limit" in text) == (document["multiple"] < 8) == bool(says)
    assert says in text
    assert ("Runtimes compute channels in blocks: measure it (--measure)." in text) == bool(says)


def test_blocks_of_channels_are_not_to_be_measured_twice(typed: Type, model: Path, tmp_path: Path) -> None:
    _, shown, _ = typed(str(model), "--out", str(tmp_path / "small.onnx"), "--parameters", "100", "--measure")
    assert "Runtimes compute channels in blocks." in " ".join(shown.split())
    assert "--measure" not in shown
