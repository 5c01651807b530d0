from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.figures import (
    coverage,
    learning_curves,
    machines,
    predicted_against_measured,
    save,
    shortened,
)
from benchmarks.plot_data import COUNTS, Points, by_count, pooled

DEVICES = ("one", "two (Cortex-A72) avx512", "three")


def points(task: str = "nb201") -> list[Points]:
    """Three devices whose error falls with the number of measurements."""
    rng = np.random.default_rng(0)
    found = []
    for device in DEVICES:
        for count in COUNTS:
            measured = np.exp(rng.normal(2, 1, 30))
            predicted = measured * np.exp(rng.normal(0, 0.5 / (1 + count), 30))
            found.append(
                Points(
                    task=task,
                    device=device,
                    count=count,
                    measured=measured,
                    predicted=predicted,
                    low=predicted / 2,
                    high=predicted * 2,
                )
            )
    return found


def test_points_know_their_scores() -> None:
    truth = np.array([1.0, 2.0, 4.0, 8.0])
    own = Points(
        task="energy", device="a", count=0, measured=truth, predicted=1.5 * truth, low=truth * 1.1, high=truth * 2
    )
    assert (own.error, own.rank, own.coverage) == (0.5, 1.0, 0.0)
    assert list(pooled(points(), 10)) == list(DEVICES)
    assert {count: len(some) for count, some in by_count(points()).items()} == dict.fromkeys(COUNTS, 3)


def test_every_figure_is_a_small_picture_that_can_be_read(tmp_path: Path) -> None:
    found = points()
    figures = {
        "scatter": predicted_against_measured(found, "nb201", "ms", 2),
        "machines": machines(found, "ms"),
        "curves": learning_curves({"a": found, "b": found}),
        "coverage": coverage({"a": found}, found),
    }
    for name, figure in figures.items():
        path = tmp_path / f"{name}.png"
        save(figure, path)
        assert path.stat().st_size < 150 * 1024
        with Image.open(path) as picture:
            assert min(picture.size) > 300
    save(figures["curves"], tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "curves.png").read_bytes()
    panels = figures["scatter"].axes
    assert [one.get_title(loc="left") for one in panels if one.get_title(loc="left")] == list(DEVICES)
    labels = {one.get_xlabel() for one in panels} | {one.get_ylabel() for one in panels}
    assert {"measured ms", "predicted ms, 0 measured", "predicted ms, 10 measured"} <= labels


def test_curves_show_what_measurements_buy() -> None:
    top = learning_curves({"a": points()}).axes[0]
    heights = np.asarray(top.lines[0].get_ydata(), dtype=np.float64)
    assert heights[0] > heights[-1]
    assert len(heights) == len(COUNTS)


def test_names_are_shortened_but_builds_stay_apart() -> None:
    assert shortened("Azure D64s (Zen 4) avx512") == "Azure D64s avx512"
    assert shortened("Azure D64s (Zen 4) no_avx512") == "Azure D64s no avx512"
    assert shortened("x" * 50) == "x" * 33 + "…"
