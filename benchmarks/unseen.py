"""Score the shipped predictors on a table of devices that they do not know.

    python -m benchmarks.unseen --space nb201|fbnet|ofa --table FILE [--descriptors FILE] --samples 0,10,20 --json -
    python -m benchmarks.unseen --space ncnn --table FILE.csv[.gz] [--descriptors FILE] --samples 0,3,10 --json -

The table of a known space is an `.npz` with `devices` and `latency_ms` (devices x networks; NaN or 0 = no value),
optionally `energy_mj` (with `energy_devices`, else the same devices), and the networks' choices; NAS-Bench-201 tables
may leave them out, their rows are then in the official order. An ncnn table has the columns of `ncnn_benchmark.csv`.

Descriptors are a JSON object, device -> fields of a device profile (or an address of the catalogue, e.g.
"raspberry-pi-5@onnxruntime_one_core"), or a CSV with the columns of `ncnn_devices.csv`. Devices with a descriptor are
scored in full without measurements; of the others only the order is, from their kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import say, write
from benchmarks.scores import Scores, mean_of, over_devices, score, score_estimates
from benchmarks.unseen_descriptors import read_descriptors
from benchmarks.unseen_ncnn import score_timings
from benchmarks.unseen_tables import InvalidTable, UnseenTable, read
from design.encoding import FloatArray, IntArray
from design.errors import BespokeError
from predictors.descriptor import describe
from predictors.experts import SpaceFeatures
from predictors.known_space import KnownSpace
from predictors.known_weights import shipped
from predictors.tables import TABLES
from predictors.zero_shot import zero_shot

SEEDS = 20
SAMPLES = "0,10,20"
LEAST_QUERIES = 10
NCNN = "ncnn"


def score_rows(
    known: KnownSpace,
    table: UnseenTable,
    rows: Mapping[str, FloatArray],
    samples: Sequence[int],
    seeds: int,
    *,
    levels: bool = True,
) -> dict[str, Any]:
    """Key `{n}` for each number of random samples; rows too short for it are left out.

    Args:
        known: The shipped space.
        table: Networks and descriptors.
        rows: Device -> N values, NaN = none.
        samples: Numbers of measurements.
        seeds: Draws of them.
        levels: Whether descriptors tell the level; of energies they tell the order alone.
    """
    found: dict[str, Any] = {}
    for count in samples:
        by_device: dict[str, Scores] = {}
        for name, row in rows.items():
            valid = np.flatnonzero(np.isfinite(row))
            if len(valid) < count + LEAST_QUERIES:
                say(f"{name}: {len(valid)} values are too few to score {count} samples")
                continue
            if count == 0:
                own = zero_shot(known, table.features.take(valid), describe(table.profiles[name]))
                whole = score_estimates(own, row[valid])
                by_device[name] = whole if levels and name in table.described else {"srcc": whole["srcc"]}
                continue
            by_device[name] = mean_of(_draw(known, table.features, row, valid, count, seed) for seed in range(seeds))
        if by_device:
            found[str(count)] = over_devices(by_device)
    return found


def _draw(
    known: KnownSpace, features: SpaceFeatures, row: FloatArray, valid: IntArray, count: int, seed: int
) -> Scores:
    """Measure `count` random networks, score all others."""
    order = np.random.default_rng(seed).permutation(valid)
    taken = features.take(order)
    found = known.posterior(taken, np.arange(count), row[order[:count]], np.arange(count, len(order)))
    return score(found.mean_ms, found.variance_ms2, row[order[count:]])


def measure(
    space: str, path: Path, descriptors: Path | None, samples: Sequence[int], seeds: int, layers: Path | None = None
) -> dict[str, Any]:
    """The scores of one table.

    Raises:
        BespokeError: A table or descriptors that cannot be used.
        OSError: A file that cannot be read.
    """
    facts = read_descriptors(descriptors)
    if space == NCNN:
        return score_timings(path, facts, samples, seeds, layers)
    table, known = read(space, path, facts), shipped(space)
    result = score_rows(known, table, table.latency_ms, samples, seeds)
    if table.energy_mj:
        result["energy"] = score_rows(known, table, table.energy_mj, samples, seeds, levels=False)
    if table.copies:
        result["copies_left_out"] = table.copies
    if not any(str(count) in result for count in samples) and "energy" not in result:
        raise InvalidTable("a device must have enough values to be scored", f"none in {path.name}")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Score the shipped predictors on devices they do not know.")
    parser.add_argument("--space", choices=(*TABLES, NCNN), required=True)
    parser.add_argument("--table", type=Path, required=True, metavar="FILE")
    parser.add_argument("--descriptors", type=Path, metavar="FILE", help="JSON, or CSV as of ncnn_devices.csv")
    parser.add_argument("--layers", type=Path, metavar="FILE", help="ncnn: layers of networks that are not shipped")
    parser.add_argument("--samples", default=SAMPLES, help=f"numbers of measurements (default {SAMPLES})")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--json", default="-", metavar="FILE")
    options = parser.parse_args(arguments)
    if not options.samples.replace(",", "").isdigit() or options.seeds < 1:
        parser.error("--samples must be whole numbers joined by commas, --seeds at least 1")
    samples = sorted({int(count) for count in options.samples.split(",") if count})
    try:
        result = measure(options.space, options.table, options.descriptors, samples, options.seeds, options.layers)
    except (BespokeError, OSError) as error:
        parser.error(str(error))
    write(result, options.json)


if __name__ == "__main__":
    main()
