"""Reproduces every weight file that predictions ship with, one fitter after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from predictors import fit_energy
from predictors.fit_accuracy import fit_accuracy
from predictors.fit_cpu_latency import fit_cpu_latency
from predictors.fit_universal import fit_universal_weights
from predictors.known_weights import fit_known
from predictors.ncnn_networks import ship_networks

Say = Callable[[str], None]


def _energy(data: Path, out: Path, say: Say) -> None:
    fit_energy.main(["--data", str(data), "--out", str(out / "energy.safetensors")])
    say("energy: power effects written")


def _networks(data: Path, out: Path, say: Say) -> None:
    ship_networks(data, out)
    say("ncnn networks: layers written")


FITTERS: dict[str, Callable[[Path, Path, Say], None]] = {
    "universal-latency": fit_universal_weights,
    "cpu-latency": fit_cpu_latency,
    "known-spaces": fit_known,
    "energy": _energy,
    "ncnn-networks": _networks,
    "accuracy": fit_accuracy,
}
"""Name -> writes its weights and model card into a folder."""


def fit_predictors(data: Path, out: Path, say: Say) -> None:
    """Fit everything that is shipped; about a quarter of an hour on two idle cores.

    Args:
        data: Folder of measured tables.
        out: Folder that weights and model cards are written to.
        say: Told how it goes.

    Raises:
        FileNotFoundError: A table is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    begun = perf_counter()
    for number, (name, fit) in enumerate(FITTERS.items(), start=1):
        say(f"[{number}/{len(FITTERS)}] {name}")
        fit(data, out, say)
        say(f"[{number}/{len(FITTERS)}] {name} done after {perf_counter() - begun:.0f} s")
