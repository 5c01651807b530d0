"""The figure of the hybrid study: accuracy over packed size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

LABELS = {
    "full_precision": "full precision",
    "binary": "binary",
    "fp_shortcuts": "binary, full-precision 1x1 shortcuts",
    "pca_k2": "2 bits where principal components say",
    "control_k2": "2 bits in first layers of stages",
    "uniform_2": "2 bits everywhere",
    "uniform_4": "4 bits everywhere",
}
COLOURS = {
    "full_precision": "#333333",
    "binary": "#4477aa",
    "fp_shortcuts": "#228833",
    "pca_k2": "#ee6677",
    "control_k2": "#ccbb44",
    "uniform_2": "#66ccee",
    "uniform_4": "#aa3377",
}


def draw(rows: dict[str, dict[str, Any]], title: str, path: Path) -> None:
    """One point a variant, an error bar of one deviation over seeds; none where there is one seed.

    Args:
        rows: As `hybrid_table.table` gives them.
        title: What was trained on what.
        path: An .svg file.
    """
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    largest = max(row["packed_bytes"] for row in rows.values()) / 1000
    for variant, row in rows.items():
        size, accuracy = row["packed_bytes"] / 1000, 100 * row["accuracy"]
        axes.errorbar(
            size,
            accuracy,
            yerr=None if row["accuracy_sd"] is None else 100 * row["accuracy_sd"],
            fmt="o" if variant != "control_k2" else "D",
            markersize=7 if variant != "control_k2" else 11,
            markerfacecolor=None if variant != "control_k2" else "none",
            capsize=4,
            color=COLOURS[variant],
            label=LABELS[variant],
        )
    axes.set_xscale("log")
    ticks = [tick for tick in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if tick <= 2 * largest]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.7 * min(row["packed_bytes"] for row in rows.values()) / 1000, 1.5 * largest)
    axes.set_xlabel("packed size (kB, logarithmic)")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8.5, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
