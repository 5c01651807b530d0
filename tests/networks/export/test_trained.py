"""Trained weights come back exactly, with what they belong to; other files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from design.design import Design
from design.policies import policy_by_role
from design.precision import precision
from design.task import find_task
from design.zoo import find_network
from networks.errors import InvalidArtefact
from networks.export.trained import load_trained, save_trained
from networks.options import BuildOptions, Order
from tests.networks.export.worn import pictures, worn


def _design(bits: int) -> Design:
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    return Design(architecture=architecture, policy=policy_by_role(architecture, body=precision(bits)))  # type: ignore[arg-type]


def test_a_network_comes_back_with_its_options_and_logits(tmp_path: Path) -> None:
    design, path = _design(4), tmp_path / "trained.safetensors"
    network = worn(design, BuildOptions(order=Order.NORM_FIRST))
    save_trained(network, design, path, task="digits", seed=3)
    found, note = load_trained(path, design)
    assert (note.design, note.task, note.seed) == (design.digest, "digits", 3)
    assert found.options == network.options
    with torch.no_grad():
        assert torch.equal(found(pictures(design)), network(pictures(design)))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_equal_weights_make_equal_files(tmp_path: Path) -> None:
    """The library writes metadata in an order that is drawn anew each time."""
    design = _design(4)
    network = worn(design)
    for number in range(8):
        save_trained(network, design, tmp_path / str(number), task="digits", seed=3)
    assert len({(tmp_path / str(number)).read_bytes() for number in range(8)}) == 1
    assert load_trained(tmp_path / "0", design)[1].seed == 3


def test_files_of_other_designs_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    design, path = _design(4), tmp_path / "trained.safetensors"
    save_trained(worn(design), design, path, task="digits", seed=0)
    with pytest.raises(InvalidArtefact, match="must be of the design"):
        load_trained(path, _design(2))
    with pytest.raises(InvalidArtefact, match="design they belong to"):
        save_trained(worn(design), _design(2), path, task="digits", seed=0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidArtefact, match="whole file of trained weights"):
        load_trained(path, design)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(InvalidArtefact, match="format"):
        load_trained(path, design)
    with pytest.raises(InvalidArtefact, match="whole file"):
        load_trained(tmp_path / "none", design)
