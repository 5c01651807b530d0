"""The published cross-device tasks on known spaces: fit on the task's sources alone, meet its unseen devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np

from benchmarks.protocols import HELP, NASFLAT, NASFLAT_MEASUREMENTS, OFA, TRIM, Protocol
from benchmarks.scores import Scores, mean_of, over_devices, rank_correlation, score, score_estimates
from design.encoding import FloatArray, IntArray
from design.errors import UnknownName
from predictors.descriptor import describe
from predictors.fit_known_space import fit_known_space
from predictors.known_space import KnownSpace
from predictors.tables import MeasuredTable, chip_of, profile_of_row, read_table
from predictors.zero_shot import zero_shot

COUNTS = (0, 10, 20)


def trimmed(rows: range, latency_ms: FloatArray) -> IntArray:
    """Rows without the slowest and the fastest tenth."""
    index = np.array(rows)
    ordered = index[np.argsort(latency_ms[index], kind="stable")]
    dropped = int(TRIM * len(ordered))
    return np.asarray(ordered[dropped : len(ordered) - dropped])


def adapted(
    known: KnownSpace, table: MeasuredTable, device: str, measured: IntArray, queries: IntArray
) -> tuple[Scores, float]:
    """Scores on `queries` after measuring `measured`, and the milliseconds of one core that it took."""
    latency = table.row(device)
    features = table.features.take(np.concatenate([measured, queries]))
    count = len(measured)
    started = thread_time()
    found = known.posterior(features, np.arange(count), latency[measured], np.arange(count, len(features)))
    took = 1e3 * (thread_time() - started)
    return score(found.mean_ms, found.variance_ms2, latency[queries]), took


def described(known: KnownSpace, table: MeasuredTable, device: str, queries: IntArray) -> Scores:
    """Scores of the catalogue's descriptor alone; where it says that pools run on the MAC array, also without that."""
    profile = profile_of_row(table.name, device)
    if profile is None:
        raise UnknownName("the row must stand for a device of the catalogue", repr(device))
    features, latency = table.features.take(queries), table.row(device)[queries]
    found = score_estimates(zero_shot(known, features, describe(profile)), latency)
    plain = profile.model_copy(update={"pooling_on_mac_array": None})
    without = score_estimates(zero_shot(known, features, describe(plain)), latency)
    return found | {"srcc_without_pooling_field": without["srcc"]}


def measure_trimmed(folder: Path, protocol: Protocol, seeds: int) -> dict[str, Any]:
    """HELP's protocol: keys 0, 10 and 20 (measurements drawn from the trimmed pool), `flops_srcc`, `adapt_ms`."""
    table = read_table(folder, protocol.table)
    unseen = {chip_of(target) for target in protocol.targets}
    known = fit_known_space(table, [source for source in protocol.sources if chip_of(source) not in unseen])
    whole = range(len(table.features))
    found: dict[str, Any] = {}
    took: list[float] = []
    for count in COUNTS:
        by_device: dict[str, Scores] = {}
        for device in protocol.targets:
            latency = table.row(device)
            pool, queries = trimmed(protocol.pool or whole, latency), trimmed(protocol.queries or whole, latency)
            if count == 0:
                by_device[device] = described(known, table, device, queries)
                continue
            scores = []
            for seed in range(seeds):
                drawn = np.random.default_rng(seed).choice(pool, count, replace=False)
                one, milliseconds = adapted(known, table, device, drawn, queries)
                scores.append(one)
                took.append(milliseconds)
            by_device[device] = mean_of(scores)
        found[str(count)] = over_devices(by_device)
    arithmetic = table.features.arithmetic
    flops = []
    for device in protocol.targets:
        queries = trimmed(protocol.queries or whole, table.row(device))
        flops.append(rank_correlation(arithmetic[queries], table.row(device)[queries]))
    return found | {"flops_srcc": float(np.mean(flops)), "adapt_ms": float(np.median(took))}


def measure_help(folder: Path, task: str, seeds: int) -> dict[str, Any]:
    """`help_nb201` or `help_fbnet`."""
    return measure_trimmed(folder, HELP[task], seeds)


def measure_ofa(folder: Path, seeds: int) -> dict[str, Any]:
    """HELP's OFA devices under the same trimming (rows 0-3999 measured, 4000-4999 asked for)."""
    return measure_trimmed(folder, OFA, seeds)


def measure_nasflat(folder: Path, task: str, seeds: int, *, strict: bool = False) -> dict[str, Any]:
    """One NASFLAT task: 20 random measurements, scored on all other networks of the space.

    `srcc_standard_error` is that of the task's mean over draws of measurements, devices fixed.

    Args:
        folder: Of the tables.
        task: Key of NASFLAT.
        seeds: Draws.
        strict: Leave out sources that are other settings of a tested chip; the published tasks keep them.
    """
    protocol = NASFLAT[task]
    table = read_table(folder, protocol.table)
    unseen = {chip_of(target) for target in protocol.targets} if strict else set()
    known = fit_known_space(table, [source for source in protocol.sources if chip_of(source) not in unseen])
    by_device, ranks = {}, []
    for device in protocol.targets:
        scores = []
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(table.features))
            drawn, queries = order[:NASFLAT_MEASUREMENTS], order[NASFLAT_MEASUREMENTS:]
            scores.append(adapted(known, table, device, drawn, queries)[0])
        by_device[device] = mean_of(scores)
        ranks.append([one["srcc"] for one in scores])
    by_draw = np.mean(ranks, axis=0)
    return over_devices(by_device) | {"srcc_standard_error": float(by_draw.std() / np.sqrt(seeds))}


def tasks_with_tested_chips() -> Sequence[str]:
    """NASFLAT tasks whose sources hold another setting of a tested chip."""
    return [
        name
        for name, task in NASFLAT.items()
        if {chip_of(source) for source in task.sources} & {chip_of(target) for target in task.targets}
    ]
