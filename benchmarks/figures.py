"""Figures: predicted against measured, learning curves, coverage - one plain style for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.plot_data import Points, by_count, pooled
from design.encoding import FloatArray

BLUE, ORANGE, GREY = "#1f5a94", "#c4570e", "#8a8a8a"
STYLE: dict[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.7,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.dpi": 110.0,
    "savefig.dpi": 110.0,
}
COLOURS = 96
MOST_DOTS = 250
"""Per panel: more only hide each other."""
TASKS = {
    "nb201": "NAS-Bench-201 cells, latency",
    "ncnn": "real networks on CPUs (ncnn), latency",
    "energy": "energy",
}
Score = Callable[[Points], float]


def save(figure: Figure, path: Path) -> None:
    """Write a small PNG of few colours; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def styled(width: float, height: float, rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with rows x columns panels in the common style."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in panels]


def scatter(axes: Axes, points: Sequence[Points], colour: str) -> None:
    """Predicted against measured on log scales, with the diagonal and factors of two beside it."""
    measured = np.concatenate([one.measured for one in points])
    predicted = np.concatenate([one.predicted for one in points])
    shown = np.random.default_rng(0).permutation(len(measured))[:MOST_DOTS]
    low = float(min(measured[shown].min(), predicted[shown].min())) / 1.3
    high = float(max(measured[shown].max(), predicted[shown].max())) * 1.3
    line = np.array([low, high])
    axes.plot(line, line, color="#333333", linewidth=0.8)
    axes.fill_between(line, line / 2, line * 2, color="#eeeeee", zorder=0)
    axes.scatter(measured[shown], predicted[shown], s=7, color=colour, alpha=0.5, linewidths=0)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1)
    _plain_log(axes)
    error = float(np.median(np.abs(predicted / measured - 1)))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.8}
    axes.text(0.03, 0.97, f"error {error:.0%}", transform=axes.transAxes, va="top", fontsize=8.5, bbox=box)


def _plain_log(axes: Axes) -> None:
    """Ticks at whole decades, or at 1, 2 and 5 of each where there are few, written out."""
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        decades = np.arange(np.floor(np.log10(limits[0])), np.ceil(np.log10(limits[1])) + 1)
        steps = (1.0, 2.0, 5.0) if np.log10(limits[1] / limits[0]) < 1.7 else (1.0,)
        ticks = [step * 10.0**power for power in decades for step in steps]
        ticks = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)


def predicted_against_measured(points: Sequence[Points], task: str, unit: str, columns: int) -> Figure:
    """One pair of panels a device: from the profile alone, and after ten measurements (one draw)."""
    first, later = pooled(points, 0), pooled(points, 10)
    names = list(first)
    rows = -(-len(names) // columns)
    figure, panels = styled(2.0 * columns, 4.35 * rows, 2 * rows, columns)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        for place, name in enumerate(names):
            row, column = divmod(place, columns)
            top, bottom = panels[2 * row][column], panels[2 * row + 1][column]
            scatter(top, first[name], GREY)
            top.set_title(name)
            if name in later:
                scatter(bottom, later[name][:1], BLUE)
            else:
                bottom.text(0.5, 0.5, "too few results\nto measure ten", ha="center", va="center", fontsize=8.5)
                bottom.set_axis_off()
            if column == 0:
                top.set_ylabel(f"predicted {unit}, 0 measured")
                bottom.set_ylabel(f"predicted {unit}, 10 measured")
            bottom.set_xlabel(f"measured {unit}")
        for spare in range(len(names), rows * columns):
            row, column = divmod(spare, columns)
            panels[2 * row][column].set_axis_off()
            panels[2 * row + 1][column].set_axis_off()
        figure.suptitle(f"Predicted against measured: {TASKS[task]}. Grey band: within a factor of two.", fontsize=10)
    return figure


def machines(points: Sequence[Points], unit: str) -> Figure:
    """All machines in one panel before and after ten measurements, and the error of each machine."""
    first, later = pooled(points, 0), pooled(points, 10)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.2, 7.0), layout="constrained")
        panels = figure.subplot_mosaic([["before", "by"], ["after", "by"]], width_ratios=[1.0, 1.1])
        for place, own, colour, words in (("before", first, GREY, 0), ("after", later, BLUE, 10)):
            axes = panels[place]
            scatter(axes, [one for parts in own.values() for one in parts[:1]], colour)
            axes.set(xlabel=f"measured {unit}", ylabel=f"predicted {unit}", title=f"all machines, {words} measured")
        axes = panels["by"]
        error = {name: float(np.mean([one.error for one in parts])) for name, parts in first.items()}
        names = sorted(error, key=lambda name: error[name])
        after = [float(np.mean([one.error for one in later[name]])) if name in later else np.nan for name in names]
        axes.scatter([100 * error[name] for name in names], range(len(names)), s=14, color=GREY, label="0 measured")
        axes.scatter(100 * np.array(after), range(len(names)), s=14, color=BLUE, label="10 measured")
        axes.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize=6.5)
        axes.set(xlabel="median error, %", xscale="log", title="by machine", ylim=(-1, len(names)))
        axes.set_xticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
        axes.set_xticks([], minor=True)
        axes.grid(axis="x")
        axes.legend(loc="lower right")
        figure.suptitle(
            f"Predicted against measured: {TASKS['ncnn']}, one thread.\n"
            "Every machine left out of the fit. Grey band: within a factor of two.",
            fontsize=10,
        )
    return figure


def shortened(name: str, longest: int = 34) -> str:
    """A device's name that fits beside an axis: without its bracket, but with the build behind it."""
    build = next((f" {word}" for word in ("no_avx512", "avx512") if name.endswith(f" {word}")), "")
    short = name.strip().removesuffix(build).split("(")[0].split(",")[0].replace("Microsoft Azure Standard ", "Azure ")
    short = short.removesuffix(" Instance").strip()
    return (short if len(short) <= longest else short[: longest - 1] + "…") + build.replace("_", " ")


def _curve(axes: Axes, points: Sequence[Points], score: Score, colour: str, label: str) -> None:
    """Mean over devices of each number of measurements; the band holds eight of ten devices and draws."""
    found = {count: [score(one) for one in own] for count, own in by_count(points).items() if own}
    counts = np.array(list(found))
    middle = np.array([np.mean(values) for values in found.values()])
    low, high = (np.array([np.quantile(values, q) for values in found.values()]) for q in (0.1, 0.9))
    place = np.log1p(counts)
    axes.fill_between(place, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(place, middle, color=colour, marker="o", markersize=3.5, linewidth=1.3, label=label)


def learning_curves(groups: Mapping[str, Sequence[Points]]) -> Figure:
    """Error and Spearman over the number of measurements, one column a group."""
    figure, panels = styled(2.9 * len(groups), 5.0, 2, len(groups))
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        for column, (name, points) in enumerate(groups.items()):
            top, bottom = panels[0][column], panels[1][column]
            _curve(top, points, lambda one: 100 * one.error, ORANGE, "median error")
            _curve(bottom, points, lambda one: one.rank, BLUE, "Spearman")
            top.set(title=name, yscale="log")
            ticks = [tick for tick in (2, 5, 10, 20, 50, 100, 200, 500) if _inside(tick, top.get_ylim())]
            top.set_yticks(ticks, [str(tick) for tick in ticks])
            top.set_yticks([], minor=True)
            for axes in (top, bottom):
                counts = sorted({one.count for one in points})
                axes.set_xticks(np.log1p(counts), [str(count) for count in counts])
                axes.grid(axis="y")
            bottom.set_xlabel("measurements")
            bottom.set_ylim(min(0.9, bottom.get_ylim()[0]), 1.0)
        panels[0][0].set_ylabel("median error, %")
        panels[1][0].set_ylabel("Spearman")
        figure.suptitle("What measurements buy: mean over devices never seen, band of eight in ten", fontsize=10)
    return figure


def _inside(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def coverage(tables: Mapping[str, Sequence[Points]], machines: Sequence[Points]) -> Figure:
    """Share of measurements inside the 90 % intervals, by device, at 0 and 10 measurements.

    Args:
        tables: Title -> points, one panel each on the left.
        machines: Of the panel on the right.
    """
    heights = [len(pooled(points, 0)) for points in tables.values()]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.2, 6.6), layout="constrained")
        mosaic: list[list[Any]] = [[name, "machines"] for name in tables]
        panels = figure.subplot_mosaic(mosaic, height_ratios=heights, width_ratios=[1.0, 1.0])
        for name, points in (*tables.items(), ("machines", machines)):
            _coverage_of(panels[name], points)
            panels[name].set_title("real networks (ncnn), latency" if name == "machines" else name)
        panels["machines"].legend(loc="center left")
        figure.suptitle("Do 90 % intervals hold on devices never seen?", fontsize=10)
    return figure


def _coverage_of(axes: Axes, points: Sequence[Points]) -> None:
    first, later = pooled(points, 0), pooled(points, 10)
    names = sorted(first, key=lambda own: np.mean([one.coverage for one in first[own]]))
    axes.axvline(90, color="#333333", linewidth=0.8)
    for own, colour, words, size in ((first, GREY, "0 measured", 22), (later, BLUE, "10 measured", 12)):
        shown = [place for place, device in enumerate(names) if device in own]
        values: FloatArray = np.array([100 * np.mean([one.coverage for one in own[names[place]]]) for place in shown])
        axes.scatter(values, shown, s=size, color=colour, label=words, clip_on=False, zorder=3)
    axes.set_yticks(range(len(names)), [shortened(device) for device in names], fontsize=6.5 if len(names) > 20 else 8)
    axes.set(xlabel="inside the 90 % interval, %", xlim=(0, 100), ylim=(-1, len(names)))
    axes.grid(axis="x")
