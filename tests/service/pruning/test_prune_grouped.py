"""`bespoke prune` on a user's model with grouped convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from design.counts import count
from networks.adoption.module_source import adopt_module
from networks.adoption.onnx_source import adopt_onnx
from networks.export.onnx_model import export_onnx
from networks.runtime.session import logits, open_session
from service import cli
from tests.networks.adoption.user_modules import ResNeXt, trained

SHAPE = (3, 8, 8)


def pruned(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run `bespoke prune ARGUMENTS` in single filters."""
    monkeypatch.setattr("sys.argv", ["bespoke", "prune", *arguments, "--multiple", "1"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def pictures(folder: Path) -> Path:
    """Pictures as the model reads them."""
    random = np.random.default_rng(0)
    path = folder / "pictures.npz"
    np.savez(path, images=random.normal(size=(24, *SHAPE)).astype(np.float32), labels=random.integers(0, 5, 24))
    return path


@pytest.mark.parametrize("with_pictures", [False, True])
def test_grouped_convolutions_of_a_user_are_pruned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, with_pictures: bool
) -> None:
    model, out, module = tmp_path / "model.onnx", tmp_path / "small.onnx", trained(ResNeXt())
    export_onnx(adopt_module(module, SHAPE).network).save(model)
    data = ("--data", str(pictures(tmp_path))) if with_pictures else ()
    pruned(monkeypatch, str(model), "--out", str(out), "--macs", "150000", *data)
    document = json.loads(out.with_suffix(".json").read_text())
    small = adopt_onnx(out.read_bytes()).design
    assert count(small).macs == document["after"]["macs"] <= 150000 < document["before"]["macs"]
    before = {layer.name: layer for layer in adopt_module(module, SHAPE).design.architecture.layers if layer.grouped}
    after = {layer.name: layer for layer in small.architecture.layers if layer.grouped}
    assert {name: layer.groups for name, layer in after.items()} == {name: one.groups for name, one in before.items()}
    assert any(layer.in_channels < before[name].in_channels for name, layer in after.items())
    assert list(document["left_whole"]) == ["head"]


def test_dead_filters_around_grouped_convolutions_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The way of the command: a file of a user in, a file out, with the weights of half the filters zero."""
    module, model, out = trained(ResNeXt()), tmp_path / "model.onnx", tmp_path / "small.onnx"
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.Conv2d):
                dead = np.arange(part.out_channels) % 2 == 1
                part.weight[dead] = 0
                if part.bias is not None:
                    part.bias[dead] = 0
            elif isinstance(part, torch.nn.BatchNorm2d):
                dead = np.arange(part.num_features) % 2 == 1
                part.weight[dead] = part.bias[dead] = 0
    export_onnx(adopt_module(module, SHAPE).network).save(model)
    with torch.no_grad():
        images = torch.randn(4, *SHAPE)
        wanted = module(images).numpy()
    parameters = count(adopt_module(module, SHAPE).design).parameters
    pruned(monkeypatch, str(model), "--out", str(out), "--parameters", str(parameters * 0.3))
    found = adopt_onnx(out.read_bytes()).design
    assert count(found).parameters <= 0.3 * parameters
    assert np.abs(logits(open_session(out), images.numpy()) - wanted).max() <= 1e-5 * np.abs(wanted).max()
