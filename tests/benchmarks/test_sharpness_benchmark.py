"""The sharpness benchmark on small runs: crossings, plateaus, runs that never cross, and what is read from a folder."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.sharpness import summary
from benchmarks.sharpness_descent import IMAGES, RULES, Course, Descent, descend, half_square, images_of
from benchmarks.sharpness_figure import draw
from benchmarks.sharpness_overhead import agreement

SHORT = Descent(rule="polyak", threshold=8.0, steps=60, every=6)


def pictures(number: int = 200) -> tuple[Tensor, Tensor]:
    """Classes that can be told apart, as inputs and one-hot targets."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(number) % 10
    centres = torch.randn(10, 64, generator=generator, dtype=torch.float64)
    inputs = centres[labels] + 0.5 * torch.randn(number, 64, generator=generator, dtype=torch.float64)
    return inputs, torch.nn.functional.one_hot(labels, 10).double()


@pytest.mark.parametrize("rule", RULES)
def test_a_run_has_the_threshold_it_says(rule: str) -> None:
    course = descend(replace(SHORT, rule=rule, threshold=1e4), *pictures())
    assert course.crossing is None
    assert course.plateau == ()
    assert course.at == tuple(range(0, 60, 6))
    assert course.rises[0] == 0 or rule != "gd"
    assert course.losses[-1] < course.losses[0]
    assert summary([course]) == {"plateau_ratio": None, "plateau_min": None, "plateau_max": None, "never_crossed": 1}


def test_a_run_that_starts_over_its_threshold_is_all_plateau() -> None:
    course = descend(replace(SHORT, threshold=2.0), *pictures())
    assert course.crossing == 0
    assert course.plateau == course.ratios
    assert course.rises[0] is None


def test_a_loss_out_of_hand_ends_a_run() -> None:
    course = descend(replace(SHORT, rule="gd", threshold=0.02), *pictures())
    assert course.end is not None
    assert len(course.at) < 10


def test_the_summary_weighs_runs_alike() -> None:
    def course(*ratios: float) -> Course:
        count = len(ratios)
        at = tuple(range(count))
        return Course(run=SHORT, at=at, ratios=ratios, losses=(1.0,) * count, rises=(None, None), end=None)

    found = summary([course(0.5, 0.96, 0.9, 1.1), course(0.2, 1.2, 1.0), course(0.1, 0.2)])
    assert found["plateau_ratio"] == pytest.approx((0.96 + 1.1) / 2)
    assert (found["plateau_min"], found["plateau_max"], found["never_crossed"]) == (0.9, 1.2, 1)


def test_pictures_are_grey_small_and_centred(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    files = []
    for _ in range(IMAGES + 5):
        buffer = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "jpeg")
        files.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in files])])
    labels = np.arange(IMAGES + 5) % 10
    np.savez(tmp_path / "cifar10_train_jpeg.npz", jpeg=np.concatenate(files), offsets=offsets, labels=labels)
    inputs, targets = images_of(tmp_path)
    assert inputs.shape == (IMAGES, 64)
    assert inputs.dtype == torch.float64
    assert float(inputs.mean(0).abs().max()) < 1e-12
    assert targets.sum(1).tolist() == [1.0] * IMAGES
    own = np.asarray(Image.open(io.BytesIO(files[0].tobytes())).convert("L"), dtype=np.float64)
    whole = np.stack([np.asarray(Image.open(io.BytesIO(one.tobytes())).convert("L")) for one in files[:IMAGES]])
    corner = whole[:, :4, :4].mean((1, 2))
    assert float(inputs[0, 0]) == pytest.approx((own[:4, :4].mean() - corner.mean()) / corner.std())


def test_eigenvalues_agree_with_the_whole_hessian() -> None:
    inputs, targets = pictures(500)
    found = agreement(inputs, targets)
    assert found.pop("parameters") == 682
    assert found.pop("float32") < 1e-4
    assert max(found.values()) < 1e-6
    assert float(half_square(targets, targets)) == 0


def test_the_figure_shows_every_run() -> None:
    course = descend(replace(SHORT, threshold=1e4), *pictures())
    figure = draw([course])
    legends = [axes.get_legend() for axes in figure.axes]
    shown = [text.get_text() for legend in legends if legend is not None for text in legend.get_texts()]
    assert shown == ["threshold 10000, step size 0.00038 (never crossed)"]
