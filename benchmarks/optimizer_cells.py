"""NAS-Bench-201: designs for devices never seen, judged by their true latency and accuracy.

The known space is fitted on HELP's thirteen source devices alone; an unseen device is measured on a few random cells.
Accuracies are known, as in the study that the figures are compared with (the published table has every cell); under
`predicted_accuracy` the shipped predictor's stand in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.hypervolume import hypervolume
from benchmarks.protocols import HELP
from benchmarks.report import say
from design.constraints import Constraints, Preferences
from design.device import DeviceProfile
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.spaces.nasbench201 import NasBench201Space
from design.spaces.nasbench201_cells import OPERATIONS
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.exact import ExactSearch
from optimizer.families import family
from optimizer.genetic import GeneticSearch
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.pareto import nondominated
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.trials import Trials
from predictors.adapt import Adaptation, adapt
from predictors.cell_posterior import cell_posterior, on_all_cells
from predictors.condensed_space import CondensedSpace
from predictors.descriptor import describe
from predictors.fit_known_space import fit_known_space
from predictors.measurement import Measurements
from predictors.predict import Predictions
from predictors.tables import profile_of_row, read_table

SPACE, TASK, ACCURACY_ROW = "nasbench201", "cifar100", "cifar100"
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
PREFERENCES = 24
RISK = 0.1
GENETIC = (50, 50)
COMPARED_DRAWS = 2
LEAST_ACCURACY = 10.0
SEARCHERS = ("proposed", "exact", "genetic")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The table.

    Attributes:
        cells: Row of the table -> number of the cell.
        row_of_cell: The other way round.
        accuracy: Percent, by row.
        latency_ms: Device -> latency by row.
        known: Whether the optimizer is told the accuracies.
    """

    cells: IntArray
    row_of_cell: IntArray
    accuracy: FloatArray
    latency_ms: Mapping[str, FloatArray]
    known: bool = True

    def row(self, genotype: IntArray) -> int:
        """The row of a design."""
        return int(self.row_of_cell[NasBench201Space.cell_numbers(genotype[None, :6])[0]])


class KnownTrials(Trials):
    """Trials in which the accuracy of every cell is that of the table."""

    def __init__(self, truth: Truth, trials: Trials, problem: Problem) -> None:
        super().__init__(
            space=trials.space, mask=trials.mask, device=trials.device, objective=trials.objective, problem=problem
        )
        self.truth = truth

    def family(self, policy: tuple[int, ...]) -> EncodedDesigns:
        """See Trials: all of them, since their accuracies are others here."""
        return family(self.space, self.task, policy)  # type: ignore[arg-type]  # by identity

    def _scored(self, designs: EncodedDesigns, predictions: Predictions) -> Scores:
        super()._scored(designs, predictions)
        assert designs.genotypes is not None
        cells = NasBench201Space.cell_numbers(designs.genotypes[:, :6])
        accuracy = self.truth.accuracy[self.truth.row_of_cell[cells]] / 100
        at_risk = self._parts[-1].at_risk.copy()
        at_risk[:, LIMITS.index("min_accuracy")] = accuracy
        self._parts[-1] = replace(self._parts[-1], accuracy=accuracy, at_risk=at_risk)
        return self._parts[-1]


def measure_cells(folder: Path, seeds: int) -> dict[str, Any]:
    """Keys `nb201` (10 measurements), `nb201_n20` and `nb201_n0`."""
    table = read_table(folder, "nb201")
    truth = _truth(folder, {name: table.row(name) for name in PROTOCOL.targets})
    say("nb201: fitting the known space on thirteen sources")
    space = on_all_cells(fit_known_space(table, list(PROTOCOL.sources)))
    found = {}
    for key, count in (("nb201", 10), ("nb201_n20", 20), ("nb201_n0", 0)):
        draws = seeds if count else 1
        found[key] = _measure(truth, space, count, draws)
        predicted = _measure(replace(truth, known=False), space, count, min(draws, COMPARED_DRAWS))
        found[key]["predicted_accuracy"] = predicted
        say(f"{key}: " + ", ".join(f"{name} {value:.3g}" for name, value in found[key].items() if _plain(value)))
    return found


def _plain(value: object) -> bool:
    return isinstance(value, float)


def _truth(folder: Path, latency_ms: Mapping[str, FloatArray]) -> Truth:
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        names = [str(name) for name in stored["op_names"]]
        operations = np.array([OPERATIONS.index(name) for name in names])[stored["ops"].astype(np.int64)]
        accuracy = stored["acc_test_mean"][[str(one) for one in stored["datasets"]].index(ACCURACY_ROW)]
    cells = NasBench201Space.cell_numbers(operations)
    row_of_cell = np.empty(len(cells), dtype=np.int64)
    row_of_cell[cells] = np.arange(len(cells))
    return Truth(cells=cells, row_of_cell=row_of_cell, accuracy=np.asarray(accuracy), latency_ms=latency_ms)


def _profile(device: str) -> DeviceProfile:
    """The catalogue's profile of a row; the table's networks run at full precision alone."""
    found = profile_of_row("nb201", device)
    assert found is not None
    return DeviceProfile.model_validate(found.model_dump() | {"supported_bits": ((32, 32),)})


def _designs(truth: Truth, rows: IntArray) -> EncodedDesigns:
    genotypes = np.zeros((len(rows), len(SPACES[SPACE].genes(find_task(TASK)))), dtype=np.int64)
    genotypes[:, :6] = np.stack(np.unravel_index(truth.cells[rows], (len(OPERATIONS),) * 6), axis=1)
    return SPACES[SPACE].rows(find_task(TASK), genotypes)


def _adaptation(
    truth: Truth, space: CondensedSpace, profile: DeviceProfile, device: str, count: int, seed: int
) -> Adaptation | None:
    if not count:
        return None
    latency = truth.latency_ms[device]
    valid = np.flatnonzero(np.isfinite(latency) & (latency > 0))
    rows = np.random.default_rng(seed).choice(valid, count, replace=False)
    measured = Measurements(designs=_designs(truth, rows), latency_ms=latency[rows], energy_mj=np.full(count, np.nan))
    described = describe(profile)
    own = cell_posterior(described, measured, space)
    assert own is not None
    return replace(adapt(described, measured), posteriors=(own,))


def _measure(truth: Truth, space: CondensedSpace, count: int, seeds: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    published: list[dict[str, Any]] = []
    ratios: list[dict[str, float]] = []
    for device in PROTOCOL.targets:
        profile, latency = _profile(device), truth.latency_ms[device]
        valid = np.flatnonzero(np.isfinite(latency) & (latency > 0))
        limits: list[tuple[float, int | None]] = [
            (float(np.quantile(latency[valid], share)), None) for share in DECILES
        ]
        limits += [(limit, at) for at, limit in enumerate(PUBLISHED_LIMITS_MS.get(device, ()))]
        for seed in range(seeds):
            adaptation = _adaptation(truth, space, profile, device, count, seed)
            for limit, at in limits:
                searchers = SEARCHERS if seed < COMPARED_DRAWS else SEARCHERS[:1]
                for searcher in searchers:
                    one = _answer(truth, profile, adaptation, limit, searcher, latency)
                    rows.append({"device": device, "searcher": searcher, "draw": seed} | one)
                    if at is not None and searcher == "proposed" and seed == 0:
                        was, reached = PUBLISHED[device][at]
                        note = {"device": device, "limit_ms": limit, "published_ms": was, "published_percent": reached}
                        published.append(note | {key: one[key] for key in ("latency_ms", "percent", "kept")})
            if seed < COMPARED_DRAWS:
                ratios.append(_front(truth, profile, adaptation, latency))
    own = [row for row in rows if row["searcher"] == "proposed"]
    found = _summary(own) | {
        "by_device": {name: _summary([row for row in own if row["device"] == name]) for name in PROTOCOL.targets},
        "satisfied_by_device": {
            name: float(np.mean([row["kept"] for row in own if row["device"] == name])) for name in PROTOCOL.targets
        },
        "published_limits": published,
        "hypervolume_ratio": float(np.mean([one["ratio"] for one in ratios])),
        "igd_plus": float(np.mean([one["igd_plus"] for one in ratios])),
    }
    shared = [row for row in rows if row["draw"] < COMPARED_DRAWS]
    for searcher in SEARCHERS:
        found[f"same_draws_{searcher}"] = _summary([row for row in shared if row["searcher"] == searcher])
    return found


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "regret_points": float(np.mean([row["regret"] for row in rows])),
        "satisfied": float(np.mean([row["kept"] for row in rows])),
        "answered": float(np.mean([row["answered"] for row in rows])),
        "ms_per_design": float(np.median([row["ms"] for row in rows])),
    }


def _trials(
    truth: Truth, profile: DeviceProfile, adaptation: Adaptation | None, limit: float | None, preferences: Preferences
) -> Trials:
    problem = Problem(
        device=profile,
        task=find_task(TASK),
        spaces=(SPACE,),
        constraints=Constraints(latency_ms=limit, risk=RISK),
        preferences=preferences,
        adaptation=adaptation,
    )
    device = describe(profile)
    space, mask = usable_spaces(problem.spaces, SPACES, problem.task, device)[0]
    mask = replace(mask, choices=(*mask.choices[:6], *((0,) for _ in mask.choices[6:])), table=mask.table.copy())
    mask.table[6:] = 0
    found = Trials(space=space, mask=mask, device=device, objective=Objective.of(problem, device), problem=problem)
    return KnownTrials(truth, found, problem) if truth.known else found


def _answer(
    truth: Truth,
    profile: DeviceProfile,
    adaptation: Adaptation | None,
    limit: float,
    searcher: str,
    latency: FloatArray,
) -> dict[str, Any]:
    trials = _trials(truth, profile, adaptation, limit, Preferences())
    begun = process_time()
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


def _front(
    truth: Truth, profile: DeviceProfile, adaptation: Adaptation | None, latency: FloatArray
) -> dict[str, float]:
    """Hypervolume (reference (1, 1)) over that of the exact front, and IGD+, both axes min-max normalised."""
    valid = np.isfinite(latency) & (latency > 0) & (truth.accuracy > LEAST_ACCURACY)
    points = np.column_stack([100 - truth.accuracy, latency])
    low, high = points[valid].min(axis=0), points[valid].max(axis=0)
    scaled = (points - low) / (high - low)
    exact = scaled[valid][nondominated(scaled[valid])]
    chosen = []
    for share in np.linspace(0, 1, PREFERENCES):
        trials = _trials(truth, profile, adaptation, None, Preferences(accuracy=float(share), latency=float(1 - share)))
        proposed([trials])
        chosen.append(scaled[truth.row(trials.best().genotypes[0])])
    own = np.array(chosen)
    igd_plus = np.maximum(own[None] - exact[:, None], 0.0)
    return {
        "ratio": hypervolume(own) / hypervolume(exact),
        "igd_plus": float(np.sqrt((igd_plus**2).sum(axis=2)).min(axis=1).mean()),
    }
