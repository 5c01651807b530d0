"""Points for the plots: predictions on devices left out, beside what was measured there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.energy_scores import adapted, unseen_latency
from benchmarks.known_spaces import trimmed
from benchmarks.protocols import HELP
from benchmarks.report import say
from benchmarks.scores import rank_correlation
from design.devices.catalogue import CatalogueDevice, catalogue
from design.encoding import FloatArray, IntArray
from predictors.adapt import DEFAULT_ENERGY_MODEL
from predictors.costs import costs_of
from predictors.descriptor import describe
from predictors.energy_tables import EnergyTable, cells, read_bitfusion, read_derived, read_mlperf_tiny, read_pi5
from predictors.fit_energy import fit_energy, read_energy_tables
from predictors.fit_known_space import fit_known_space
from predictors.fit_latency import fit_latency, predict_pairs
from predictors.fit_mean import CANDIDATES, Arrays, arrays_of, folds
from predictors.ncnn import read_ncnn
from predictors.random_effects import NORMAL_90, posterior
from predictors.tables import chip_of, read_table

COUNTS = (0, 1, 3, 5, 10, 20, 50)
FOLDS = 5
_LEAST_SCORED = 5
_DERIVED_CELLS = 1000


@dataclass(frozen=True, kw_only=True)
class Points:
    """Q predictions on one device after `count` measurements.

    Attributes:
        task: `ncnn`, `nb201` or `energy`.
        measured, predicted, low, high: Q, milliseconds or millijoules; the ends are those of the 90 % interval.
    """

    task: str
    device: str
    count: int
    measured: FloatArray
    predicted: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def error(self) -> float:
        """Median of |predicted / measured - 1|."""
        return float(np.median(np.abs(self.predicted / self.measured - 1)))

    @property
    def rank(self) -> float:
        """Spearman's coefficient."""
        return rank_correlation(self.predicted, self.measured)

    @property
    def coverage(self) -> float:
        """Share inside the interval."""
        return float(((self.low <= self.measured) & (self.measured <= self.high)).mean())


def nb201_points(folder: Path, seeds: int) -> Iterator[Points]:
    """NAS-Bench-201, HELP's six test devices and queries: the profile alone at 0, else the mixture of known devices."""
    protocol, table = HELP["help_nb201"], read_table(folder, "nb201")
    unseen = {chip_of(target) for target in protocol.targets}
    known = fit_known_space(table, [source for source in protocol.sources if chip_of(source) not in unseen])
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        ops = stored["ops"].astype(np.int64)
    assert protocol.pool is not None
    assert protocol.queries is not None
    model = unseen_latency(folder, {_device("nb201", name).family for name in protocol.targets})
    for name in protocol.targets:
        latency = table.row(name)
        pool, query = trimmed(protocol.pool, latency), trimmed(protocol.queries, latency)
        own = _device("nb201", name)
        device = describe(own.profile(own.tables["nb201"][name]))
        designs = cells(ops[query], "cifar10", device.profile)
        found = costs_of(designs, device, DEFAULT_ENERGY_MODEL, model=model).latency_ms
        low, high = found.interval()
        yield _points("nb201", name, 0, latency[query], found.median, low, high)
        for count in COUNTS[1:]:
            for seed in range(seeds):
                drawn = np.random.default_rng(seed).choice(pool, count, replace=False)
                features = table.features.take(np.concatenate([drawn, query]))
                first = np.arange(count)
                got = known.posterior(features, first, latency[drawn], np.arange(count, len(features)))
                half = NORMAL_90 * np.sqrt(got.variance_ms2)
                yield _points("nb201", name, count, latency[query], got.mean_ms, got.mean_ms - half, got.mean_ms + half)
        say(f"nb201 {name} done")


def _device(table: str, row: str) -> CatalogueDevice:
    """The device of a table's row.

    Raises:
        StopIteration: No device of the catalogue has that row.
    """
    return next(device for device in catalogue().values() if row in device.tables.get(table, {}))


def ncnn_points(folder: Path, seeds: int) -> Iterator[Points]:
    """Real networks on CPUs, one thread; every machine predicted from those of other folds."""
    data = arrays_of(read_ncnn(folder, one_thread=True))
    fold = folds(data.table.pair_twin, FOLDS, 0)
    for number in range(FOLDS):
        yield from _ncnn_fold(data, np.flatnonzero(fold != number), np.flatnonzero(fold == number), seeds)
        say(f"ncnn fold {number + 1} of {FOLDS} done")


def _ncnn_fold(data: Arrays, train: IntArray, test: IntArray, seeds: int) -> Iterator[Points]:
    table = data.table
    weights, _ = fit_latency(data, train, seed=0, candidates=CANDIDATES[:1])
    prior, pairs = predict_pairs(weights, data, test)
    machine = table.pair_machine[test]
    names = sorted(set(table.machine))
    for own in np.unique(machine).tolist():
        here = np.flatnonzero(machine == own)
        truth, mine = table.log_seconds[test][here], pairs.take(here)
        for count in COUNTS:
            if len(here) < count + _LEAST_SCORED:
                continue
            for draw in range(seeds if count else 1):
                order = np.random.default_rng([draw, own]).permutation(len(here))
                seen, rest = order[:count], order[count:]
                found = posterior(mine.take(seen), (truth - prior[here])[seen], weights.variances)
                mean, variance = found.predict(mine.take(rest))
                half = NORMAL_90 * np.sqrt(variance) * weights.widening(count)
                middle = prior[here][rest] + mean
                ends = [1e3 * np.exp(value) for value in (truth[rest], middle, middle - half, middle + half)]
                yield _points("ncnn", names[own], count, *ends)


def energy_points(folder: Path, seeds: int) -> Iterator[Points]:
    """Energy tables; each device predicted by a fit that has not seen it."""
    training = read_energy_tables(folder, pi5=False)
    drawn = np.sort(np.random.default_rng(0).permutation(15625)[:_DERIVED_CELLS])
    tables = [read_pi5(folder), *read_mlperf_tiny(folder), *read_derived(folder, drawn), read_bitfusion(folder, 8)]
    model = unseen_latency(folder, {table.family for table in tables})
    for family in dict.fromkeys(table.family for table in tables):
        power, _ = fit_energy([table for table in training if table.family != family])
        for table in (table for table in tables if table.family == family):
            device = describe(table.profile)
            for count in COUNTS:
                if len(table) < count + _LEAST_SCORED and count:
                    continue
                for seed in range(seeds if count else 1):
                    order = np.random.default_rng(seed).permutation(len(table))
                    seen, rest = order[:count], order[count:]
                    found = adapted(table, device, seen, rest, power, model=model)
                    low, high = found.interval()
                    yield _points("energy", _energy_name(table), count, table.energy_mj[rest], found.median, low, high)
    say("energy done")


def _energy_name(table: EnergyTable) -> str:
    names = {"nb201_pi5": "Raspberry Pi 5", "nb201_fpga": "FPGA", "nb201_eyeriss": "Eyeriss", "bitfusion": "Bit Fusion"}
    return f"{names.get(table.name, table.family.upper())} ({table.origin})"


def _points(
    task: str, device: str, count: int, measured: FloatArray, predicted: FloatArray, low: FloatArray, high: FloatArray
) -> Points:
    return Points(task=task, device=device, count=count, measured=measured, predicted=predicted, low=low, high=high)


def pooled(points: Iterable[Points], count: int) -> dict[str, list[Points]]:
    """Device -> its points after `count` measurements, devices in the order of their first point."""
    found: dict[str, list[Points]] = {}
    for one in points:
        if one.count == count:
            found.setdefault(one.device, []).append(one)
    return found


def by_count(points: Sequence[Points]) -> dict[int, list[Points]]:
    """Number of measurements -> points."""
    return {count: [one for one in points if one.count == count] for count in COUNTS}
