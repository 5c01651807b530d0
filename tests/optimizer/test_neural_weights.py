"""Weights of the networks: stored in eight bits a weight, refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from design.spaces.registry import SPACES
from design.task import TASKS, Task
from optimizer.fit_groups import groups
from optimizer.gene_code import gene_code
from optimizer.generator import Generator
from optimizer.neural_weights import NeuralWeights, narrowed, neural_weights, weights_file
from predictors.storage import InvalidWeights


def test_round_trip_within_the_rounding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = NeuralWeights(generator=Generator(20, 3))
    own.save(tmp_path / "one.safetensors", {"seed": "0"})
    found = NeuralWeights.load(tmp_path / "one.safetensors", 20, 3)
    assert found.facts == {"seed": "0"}
    for name, value in own.generator.state_dict().items():
        near = found.generator.state_dict()[name]
        most = value.abs().amax(dim=-1, keepdim=True) / 254 if value.dim() == 2 else torch.tensor(0.0)
        assert ((near - value).abs() <= most * 1.001).all(), name


def test_other_sizes_and_damage_are_refused(tmp_path: Path) -> None:
    own = NeuralWeights(generator=Generator(20, 3))
    path = tmp_path / "one.safetensors"
    own.save(path, {})
    with pytest.raises(InvalidWeights, match="21 choices"):
        NeuralWeights.load(path, 21, 3)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InvalidWeights):
        NeuralWeights.load(path, 20, 3)


def test_narrowed_keeps_the_largest_of_each_row() -> None:
    matrix = torch.tensor([[1.0, -4.0], [0.0, 0.0]])
    whole, scale = narrowed(matrix)
    assert (whole * scale)[0, 1] == pytest.approx(-4.0)
    assert torch.equal((whole * scale)[1], torch.zeros(2))


def test_every_built_in_task_has_its_networks() -> None:
    for space, tasks in groups():
        for task in tasks:
            found = neural_weights(SPACES[space], TASKS[task])  # type: ignore[arg-type]
            assert found is not None, (space, task)
            code = gene_code(SPACES[space], TASKS[task])  # type: ignore[arg-type]
            assert found.generator.last.out_features == code.width


def test_an_odd_task_has_none() -> None:
    odd = Task(name="odd", input_channels=3, input_height=20, input_width=12, classes=7, dataset="own", trainable=False)
    path = weights_file(SPACES["vgg"], odd)
    assert (neural_weights(SPACES["vgg"], odd) is not None) == path.is_file()  # type: ignore[arg-type]
