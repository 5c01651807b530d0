"""NAS-Bench-201: designs for devices never seen, judged by their true latency and accuracy.

The known space is fitted on HELP's thirteen source devices alone; an unseen device is measured on a few random cells.
Without measurements (`nb201_n0`) the universal predictor answers, fitted on all timings but those of their chips.
Accuracies are known, as in the study that the figures are compared with (the published table has every cell); under
`predicted_accuracy` the shipped predictor's stand in their place. Before the first request to a device all that is
remembered of it is forgotten (`ms_new_device`); `ms_per_design` is the median over that one and those with other
limits behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.cell_front import GENETIC, front_ratios
from benchmarks.cell_truth import LEAST_ACCURACY, Truth, designs_of, read_truth, trials_of
from benchmarks.cell_zero_shot import fit_without, unmeasured
from benchmarks.protocols import HELP
from benchmarks.report import say
from design.constraints import Preferences
from design.device import DeviceProfile
from design.encoding import FloatArray
from optimizer.exact import ExactSearch
from optimizer.family_predictions import FAMILIES
from optimizer.genetic import GeneticSearch
from optimizer.proposals import proposed
from predictors.adapt import Adaptation, adapt
from predictors.cell_posterior import cell_posterior, on_all_cells
from predictors.condensed_space import CondensedSpace
from predictors.descriptor import describe
from predictors.fit_known_space import fit_known_space
from predictors.measurement import Measurements
from predictors.tables import profile_of_row, read_table
from predictors.universal import UniversalLatency

PROTOCOL = HELP["help_nb201"]
DECILES = tuple(round(0.1 * step, 1) for step in range(1, 10))
PUBLISHED_LIMITS_MS: Mapping[str, tuple[float, ...]] = {
    "titan_rtx_256": (18.0, 21.0, 25.0),
    "gold_6226": (8.0, 11.0, 14.0),
    "pixel2": (14.0, 18.0, 22.0),
    "eyeriss": (5.0, 7.0, 9.0),
    "fpga": (4.0, 5.0, 6.0),
}
"""Limits of table 4 of HELP (arXiv 2106.08630)."""
PUBLISHED: Mapping[str, tuple[tuple[float, float], ...]] = {
    "titan_rtx_256": ((17.8, 69.7), (18.9, 71.5), (24.2, 71.8)),
    "gold_6226": ((8.0, 67.3), (10.7, 70.2), (14.3, 72.1)),
    "pixel2": ((13.0, 69.7), (19.0, 71.8), (25.0, 73.2)),
    "eyeriss": ((3.9, 71.5), (5.1, 71.8), (9.1, 73.5)),
    "fpga": ((3.8, 70.2), (4.7, 71.8), (7.4, 73.5)),
}
"""Latency (ms) and accuracy (%) of the designs that HELP with MetaD2A answers with there."""
COMPARED_DRAWS = 2
SEARCHERS = ("proposed", "exact", "genetic")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of other devices: of cells, and where nothing is measured, of all timed networks."""

    space: CondensedSpace
    unmeasured: UniversalLatency


def measure_cells(folder: Path, seeds: int) -> dict[str, Any]:
    """Keys `nb201` (10 measurements), `nb201_n20` and `nb201_n0`."""
    table = read_table(folder, "nb201")
    truth = read_truth(folder, {name: table.row(name) for name in PROTOCOL.targets})
    say("nb201: fitting the known space on thirteen sources")
    space = on_all_cells(fit_known_space(table, list(PROTOCOL.sources)))
    say("nb201: fitting the universal predictor without the chips of the tested devices")
    known = Known(space=space, unmeasured=fit_without(folder, "nb201", PROTOCOL.targets))
    found = {}
    for key, count in (("nb201", 10), ("nb201_n20", 20), ("nb201_n0", 0)):
        draws = seeds if count else 1
        found[key] = _measure(truth, known, count, draws)
        predicted = _measure(replace(truth, known=False), known, count, min(draws, COMPARED_DRAWS))
        found[key]["predicted_accuracy"] = predicted
        say(f"{key}: " + ", ".join(f"{name} {value:.3g}" for name, value in found[key].items() if _plain(value)))
    return found


def _plain(value: object) -> bool:
    return isinstance(value, float)


def _profile(device: str) -> DeviceProfile:
    """The catalogue's profile of a row; the table's networks run at full precision alone."""
    found = profile_of_row("nb201", device)
    assert found is not None
    return DeviceProfile.model_validate(found.model_dump() | {"supported_bits": ((32, 32),)})


def _adaptation(truth: Truth, known: Known, profile: DeviceProfile, device: str, count: int, seed: int) -> Adaptation:
    described, latency = describe(profile), truth.latency_ms[device]
    if not count:
        return unmeasured(known.unmeasured, described, designs_of(truth, np.arange(1)))
    valid = np.flatnonzero(np.isfinite(latency) & (latency > 0))
    rows = np.random.default_rng(seed).choice(valid, count, replace=False)
    measured = Measurements(designs=designs_of(truth, rows), latency_ms=latency[rows], energy_mj=np.full(count, np.nan))
    own = cell_posterior(described, measured, known.space)
    assert own is not None
    return replace(adapt(described, measured), posteriors=(own,))


def _measure(truth: Truth, known: Known, count: int, seeds: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    ratios: list[dict[str, float]] = []
    for device in PROTOCOL.targets:
        profile, latency = _profile(device), truth.latency_ms[device]
        valid = np.flatnonzero(np.isfinite(latency) & (latency > 0))
        limits: list[tuple[float, int | None]] = [
            (float(np.quantile(latency[valid], share)), None) for share in DECILES
        ]
        limits += [(limit, at) for at, limit in enumerate(PUBLISHED_LIMITS_MS.get(device, ()))]
        for seed in range(seeds):
            for searcher in SEARCHERS if seed < COMPARED_DRAWS else SEARCHERS[:1]:
                _forget()
                adaptation = _adaptation(truth, known, profile, device, count, seed)
                for number, (limit, at) in enumerate(limits):
                    one = _answer(truth, profile, adaptation, limit, searcher, latency)
                    about = {"device": device, "searcher": searcher, "draw": seed, "published": at}
                    rows.append(about | {"first": number == 0} | one)
            if seed < COMPARED_DRAWS:
                adaptation = _adaptation(truth, known, profile, device, count, seed)
                ratios.append(front_ratios(truth, profile, adaptation, latency))
    own = [row for row in rows if row["searcher"] == "proposed"]
    found = _summary(own) | {
        "by_device": {name: _summary([row for row in own if row["device"] == name]) for name in PROTOCOL.targets},
        "satisfied_by_device": {
            name: float(np.mean([row["kept"] for row in own if row["device"] == name])) for name in PROTOCOL.targets
        },
        "published_limits": published_limits(own),
        **{key: float(np.mean([one[key] for one in ratios])) for key in ratios[0]},
    }
    shared = [row for row in rows if row["draw"] < COMPARED_DRAWS]
    for searcher in SEARCHERS:
        found[f"same_draws_{searcher}"] = _summary([row for row in shared if row["searcher"] == searcher])
    return found


def _forget() -> None:
    """Make every device one that was never asked about: nothing is remembered of it or of its networks' costs."""
    FAMILIES.forget()
    describe.cache_clear()


def published_limits(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """HELP's limits one by one beside its published designs; figures are means over the draws of measurements."""
    found = []
    for device, limits in PUBLISHED_LIMITS_MS.items():
        for at, limit in enumerate(limits):
            own = [row for row in rows if row["device"] == device and row["published"] == at]
            was, reached = PUBLISHED[device][at]
            note = {"device": device, "limit_ms": limit, "published_ms": was, "published_percent": reached}
            means = {key: float(np.mean([row[key] for row in own])) for key in ("latency_ms", "percent", "kept")}
            found.append(note | {"draws": len(own)} | means)
    return found


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "regret_points": float(np.mean([row["regret"] for row in rows])),
        "satisfied": float(np.mean([row["kept"] for row in rows])),
        "answered": float(np.mean([row["answered"] for row in rows])),
        "ms_per_design": float(np.median([row["ms"] for row in rows])),
        "ms_new_device": float(np.median([row["ms"] for row in rows if row["first"]])),
    }


def _answer(
    truth: Truth,
    profile: DeviceProfile,
    adaptation: Adaptation,
    limit: float,
    searcher: str,
    latency: FloatArray,
) -> dict[str, Any]:
    begun = process_time()
    trials = trials_of(truth, profile, adaptation, limit, Preferences())
    if searcher == "proposed":
        proposed([trials])
    elif searcher == "exact":
        ExactSearch().propose(trials, 0)
    else:
        GeneticSearch(*GENETIC).propose(trials, 0)
    milliseconds = 1e3 * (process_time() - begun)
    best = trials.best()
    row = truth.row(best.genotypes[0])
    able = np.isfinite(latency) & (latency > 0) & (latency <= limit)
    reachable = float(truth.accuracy[able].max()) if able.any() else LEAST_ACCURACY
    return {
        "regret": max(reachable - float(truth.accuracy[row]), 0.0),
        "kept": bool(latency[row] <= limit),
        "answered": trials.objective.feasible(best),
        "latency_ms": float(latency[row]),
        "percent": float(truth.accuracy[row]),
        "ms": milliseconds,
    }
