"""Plots of predictions on devices never seen: python -m benchmarks.plots --data DIR --out DIR [--seeds N].

Writes `latency_nb201.png`, `latency_ncnn.png`, `energy.png`, `learning_curves.png` and `coverage.png`; what each shows
stands in `docs/results/README.md`. Every device is predicted by fits that have not seen its chip.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.figures import coverage, learning_curves, machines, predicted_against_measured, save
from benchmarks.plot_data import Points, energy_points, nb201_points, ncnn_points
from benchmarks.report import say

SEEDS = 5


def drawn(nb201: Sequence[Points], ncnn: Sequence[Points], energy: Sequence[Points]) -> Mapping[str, Figure]:
    """File name -> figure."""
    groups = {"NAS-Bench-201, latency": nb201, "real networks (ncnn), latency": ncnn}
    metered = [one for one in energy if "(measured)" in one.device]
    cells_metered = [one for one in metered if one.device.startswith("Raspberry")]
    modelled = [one for one in energy if "(measured)" not in one.device]
    curves = groups | {"Raspberry Pi 5, energy": cells_metered, "derived and simulated energy": modelled}
    return {
        "latency_nb201.png": predicted_against_measured(nb201, "nb201", "ms", 6),
        "latency_ncnn.png": machines(ncnn, "ms"),
        "energy.png": predicted_against_measured(energy, "energy", "mJ", 7),
        "learning_curves.png": learning_curves(curves),
        "coverage.png": coverage({"NAS-Bench-201, latency": nb201, "energy": energy}, ncnn),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Plots of predictions on devices never seen.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of measurement tables")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the pictures go")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"draws of measurements (default {SEEDS})")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", message="constrained_layout not applied")
    energy = list(energy_points(options.data, options.seeds))
    nb201 = list(nb201_points(options.data, options.seeds))
    ncnn = list(ncnn_points(options.data, options.seeds))
    for name, figure in drawn(nb201, ncnn, energy).items():
        save(figure, options.out / name)
        say(f"{options.out / name}: {(options.out / name).stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
