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


def test_the_smaller_model_has_the_name_of_the_model_where_none_is_given(
    typed: Type, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the current folder; what is read there is not written over, by whatever name."""
    before = model.read_bytes()
    monkeypatch.chdir(tmp_path)
    status, shown, _ = typed(str(model), "--parameters", "1500")
    assert status == 0
    assert "Written: model-pruned.onnx and model-pruned.json." in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-pruned.json", "model-pruned.onnx"]
    assert [path.name for path in model.parent.iterdir()] == ["model.onnx"]
    assert json.loads(Path("model-pruned.json").read_text())["file"] == "model-pruned.onnx"
    Path("model-pruned.onnx").unlink()
    Path("model-pruned.onnx").symlink_to(model)
    status, _, said = typed(str(model), "--parameters", "1500")
    assert status == 2
    assert "must not be written over, but got model-pruned.onnx. Choose another --out." in said
    assert model.read_bytes() == before
