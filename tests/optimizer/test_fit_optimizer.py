"""Fitting: small, whole, and the same twice."""

from __future__ import annotations

from pathlib import Path

from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.fit_groups import groups, spread_out
from optimizer.fit_optimizer import FitOptions, fit_group
from optimizer.gene_code import gene_code
from optimizer.neural_weights import NeuralWeights, weights_file

SMALL = FitOptions(devices=6, validation=5, steps=12)


def test_two_fits_with_one_seed_are_equal(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        fit_group("vgg", ("digits",), SMALL, tmp_path / name)
        files.append(weights_file(SPACES["vgg"], find_task("digits"), tmp_path / name))
    assert files[0].read_bytes() == files[1].read_bytes()
    card = files[0].with_suffix(".md").read_text("utf-8")
    assert "digits" in card
    assert "| best of its answers | " in card
    assert "titan-rtx" in card
    code = gene_code(SPACES["vgg"], find_task("digits"))  # type: ignore[arg-type]
    assert NeuralWeights.load(files[0], code.width, int(code.sizes[0])).facts["seed"] == "0"


def test_groups_cover_every_space_and_built_in_task_once() -> None:
    found = groups()
    assert {name for name, _ in found} == set(SPACES)
    pairs = [(name, task) for name, tasks in found for task in tasks]
    assert len(pairs) == len(set(pairs))


def test_tasks_are_spread_over_sizes_and_classes() -> None:
    chosen = spread_out(("cifar10", "cifar100", "fashion_mnist", "mnist", "imagenet16_120"))
    assert len(chosen) == 3
    assert {task.input_height for task in chosen} >= {16, 32}
