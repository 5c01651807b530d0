"""KnownSpaces on disk: what was learned from all devices of a table, shipped as safetensors with a digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch

from design.encoding import IntArray
from design.errors import UnknownName
from predictors.fit_known_space import fit_known_space
from predictors.known_space import KnownSpace, SourceFunction
from predictors.storage import WEIGHTS, Weights, load_weights, parameter, save_weights
from predictors.tables import TABLES, read_table

VERSION = "2"
SEED = 0
CELLS, EDGES = 15625, 6
_STORED = ("name", "chip", "kind", "level_ms")


def kind_of(name: str) -> str:
    """What the weights of a table's space are called, on disk and in answers."""
    return f"known_{name}"


def to_weights(
    known: KnownSpace,
    facts: dict[str, str] | None = None,
    cells: IntArray | None = None,
    representatives: IntArray | None = None,
) -> Weights:
    """Functions as float32 tensors; names, variances, spreads and widening in the header.

    Args:
        known: To be stored.
        facts: For the header.
        cells: N x K choices of the table's networks, where their order is a standard.
        representatives: N, the first network of the table that computes the same function.
    """
    description = {
        "sources": [
            {"name": one.name, "chip": one.chip, "kind": one.kind, "level_ms": one.level_ms} for one in known.sources
        ],
        "variances": {name: dict(terms) for name, terms in known.variances.items()},
        "spreads": dict(known.spreads),
        "physical": known.physical,
        "widening": known.widening,
    }
    order = {} if cells is None else {"cells": torch.tensor(np.asarray(cells, dtype=np.uint8))}
    if representatives is not None:
        order["representatives"] = torch.tensor(np.asarray(representatives, dtype=np.int16))
    return Weights(
        kind=kind_of(known.name),
        version=VERSION,
        tensors=order
        | {
            "functions": torch.tensor(np.stack([one.weights for one in known.sources]), dtype=torch.float32),
            "floors": torch.tensor([one.floor for one in known.sources], dtype=torch.float32),
        },
        facts=(facts or {}) | {"known": json.dumps(description, sort_keys=True)},
    )


def from_weights(weights: Weights, name: str) -> KnownSpace:
    """The other way.

    Raises:
        InvalidWeights: Tensors that do not fit the header.
    """
    description = json.loads(weights.facts["known"])
    count = len(description["sources"])
    width = weights.tensors["functions"].shape[-1] if "functions" in weights.tensors else 0
    functions = parameter(weights, "functions", (count, width)).numpy().astype(np.float64)
    floors = parameter(weights, "floors", (count,)).numpy().astype(np.float64)
    return KnownSpace(
        name=name,
        sources=tuple(
            SourceFunction(**source, weights=row, floor=float(floor))
            for source, row, floor in zip(description["sources"], functions, floors, strict=True)
        ),
        variances=description["variances"],
        spreads=description["spreads"],
        physical=bool(description["physical"]),
        widening=float(description["widening"]),
    )


@cache
def shipped(name: str) -> KnownSpace:
    """The shipped KnownSpace of `nb201`, `fbnet` or `ofa`.

    Raises:
        UnknownName: Another name.
        InvalidWeights: The file is missing or damaged.
    """
    if name not in TABLES:
        raise UnknownName(f"the known space must be one of {', '.join(TABLES)}", repr(name))
    path = WEIGHTS / f"{kind_of(name)}.safetensors"
    return from_weights(load_weights(path, kind=kind_of(name), version=VERSION), name)


@cache
def official_cells() -> IntArray:
    """Choices of all NAS-Bench-201 cells in the order of their official index, 15625 x 6."""
    weights = load_weights(WEIGHTS / f"{kind_of('nb201')}.safetensors", kind=kind_of("nb201"), version=VERSION)
    return np.asarray(parameter(weights, "cells", (CELLS, EDGES)).numpy(), dtype=np.int64)


@cache
def official_representatives() -> IntArray:
    """For all NAS-Bench-201 cells in the official order: the first cell that computes the same function, 15625."""
    weights = load_weights(WEIGHTS / f"{kind_of('nb201')}.safetensors", kind=kind_of("nb201"), version=VERSION)
    return np.asarray(parameter(weights, "representatives", (CELLS,)).numpy(), dtype=np.int64)


def fit_known(data: Path, out: Path, progress: Callable[[str], None]) -> None:
    """Fit every table on all of its devices and write weights and card.

    Args:
        data: Folder of the tables.
        out: Folder that is written to.
        progress: Told what happens.
    """
    rows = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in TABLES:
            table = read_table(data, name)
            known = fit_known_space(table, table.devices, seed=SEED)
            facts = {"devices": str(len(table.devices)), "seed": str(SEED)}
            weights = to_weights(known, facts)
            if name == "nb201":
                with np.load(data / "nb201.npz") as stored:
                    weights = to_weights(known, facts, stored["ops"], stored["iso_rep"])
            path = out / f"{kind_of(name)}.safetensors"
            save_weights(weights, path)
            progress(f"known space {name}: {len(table.devices)} devices, intervals widened {known.widening:.2f} times")
            rows.append(
                f"| `{kind_of(name)}` | {len(table.devices)} | {path.stat().st_size} | {known.widening:.2f} "
                f"| `{weights.digest[:16]}` |"
            )
    finally:
        torch.set_num_threads(threads)
    (out / "known_spaces.md").write_text(_CARD.format(rows="\n".join(rows), version=VERSION), encoding="utf-8")
    progress(f"written to {out}")


_CARD = """# Model card: known spaces

Latency of any network of three published spaces on a device never seen, from a few measurements in closed form: a
mixture of Gaussian processes (`predictors/mixture.py`) whose means are functions of the known devices. Version
{version}. Predictions, not measurements.

| weights | devices | bytes | widening of intervals | digest |
|---|---|---|---|---|
{rows}

Data: the published tables of NAS-Bench-201, FBNet and Once-for-all latencies, all rows (a row is a chip with a batch
size). Each device's function is a ridge regression on the structure of a network; missing values are left out. The
variances of the experts were fitted on episodes in which a known device plays the unknown one, without its chip and
without its family, and on invented devices (`predictors/synthetic_devices.py`).

Scores: `python -m benchmarks.cross_device` fits on the sources of the published tasks alone and scores devices that
were left out; these shipped weights have seen every device of the tables, so a score of theirs on those rows says
nothing. Intervals are widened until 90 % of left-out devices' networks lie inside, and 80 % on nine devices in ten.

Limits: whole-millisecond clocks (four phones) bound what any predictor reaches there. One measurement fixes the scale,
the shape then comes from the known devices. A quarter of the measurements at most is set aside when contradicting the
others. Nothing is known of other input sizes, or of energy but its ranks and its level after measurements. Intervals
count the variance of noise twice (`mixture.NOISE_MARGIN`). The weights of NAS-Bench-201 also hold the official order of
cells and the first cell of each function: tables that copy values between cells of one function are told by it.
"""
