"""How limits are checked on measured devices: python -m benchmarks.limit_rule --data DIR [--seeds N] --json -.

Every known device of NAS-Bench-201 (HELP's thirteen sources) plays an unknown one twice: the known space is fitted
without its chip, and without its whole kind. It is measured on random cells and asked for the most accurate cell (their
accuracies are known) under each decile of its latency, at several risks. The devices that the optimizer is tested on
have no part in it. It shows what ships: `predictors.predictor.LIMIT_SLACK` and `optimizer.objective.CAUTION` have the
least regret that keeps .93 of the limits at a risk of .1, mean of both counts of measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cell_truth import Truth, designs_of, read_truth
from benchmarks.optimizer_cells import DECILES, PROTOCOL
from benchmarks.report import Arguments, main, say
from design.encoding import FloatArray
from optimizer.objective import LIMITS, Objective, Scores
from predictors.cell_posterior import cell_posterior, on_all_cells
from predictors.condensed_space import CondensedSpace
from predictors.descriptor import describe
from predictors.fit_known_space import fit_known_space
from predictors.measurement import Measurements
from predictors.predictor import Estimates
from predictors.tables import MeasuredTable, chip_of, device_kind, profile_of_row, read_table

RISKS = (0.3, 0.2, 0.1, 0.05, 0.02)
COUNTS = (10, 20)
SEEDS, QUICK_SEEDS = 6, 2
FIRST_SEED = 1000


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is predicted of a device that its fit did not see.

    Attributes:
        without: `chip` or `kind`.
        count: Cells measured.
        estimates: Of all rows of the table.
    """

    device: str
    without: str
    count: int
    estimates: Estimates


def measure(arguments: Arguments) -> dict[str, Any]:
    """For each count of measurements and each risk: regret (points), share of limits kept, that of the worst device."""
    table = read_table(arguments.data, "nb201")
    truth = read_truth(arguments.data, {name: table.row(name) for name in PROTOCOL.sources})
    seeds = min(arguments.seeds, QUICK_SEEDS) if arguments.quick else arguments.seeds
    found: dict[tuple[int, float], dict[tuple[str, str], list[FloatArray]]] = {}
    for case in cases(truth, table, seeds):
        for risk in RISKS:
            own = found.setdefault((case.count, risk), {})
            own.setdefault((case.device, case.without), []).append(outcome(truth, case, risk))
    return {
        f"measurements_{count}": {f"risk_{risk}": _summary(found[count, risk]) for risk in RISKS} for count in COUNTS
    }


def cases(truth: Truth, table: MeasuredTable, seeds: int) -> Iterator[Case]:
    """Every device without its chip and without its kind, measured on several draws of cells."""
    for known, targets in _fits():
        space = on_all_cells(fit_known_space(table, known))
        say(f"known without {', '.join(sorted({device for _, device in targets}))}")
        for without, device in targets:
            for count in COUNTS:
                for seed in range(seeds):
                    yield _measured(truth, space, device, without, count, FIRST_SEED + seed)


def outcome(truth: Truth, case: Case, risk: float) -> FloatArray:
    """Mean regret (points) and share of limits kept over the deciles of a device, 2."""
    latency = truth.latency_ms[case.device]
    valid = np.isfinite(latency) & (latency > 0)
    scores = _scores(truth, case.estimates, risk)
    found = []
    for decile in DECILES:
        limit = float(np.quantile(latency[valid], decile))
        objective = Objective(limits={"latency_ms": limit}, risk=risk)
        row = int(objective.best(scores).genotypes[0, 0])
        best = float(truth.accuracy[valid & (latency <= limit)].max())
        found.append((max(best - float(truth.accuracy[row]), 0.0), float(latency[row] <= limit)))
    return np.asarray(np.mean(found, axis=0))


def _fits() -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Known devices, and the devices that are unknown to them: without their chip, or without their kind."""
    found: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for device in PROTOCOL.sources:
        chip, kind = chip_of(device), _family(device)
        without_chip = tuple(name for name in PROTOCOL.sources if chip_of(name) != chip)
        without_kind = tuple(name for name in PROTOCOL.sources if _family(name) != kind)
        found.setdefault(without_chip, []).append(("chip", device))
        found.setdefault(without_kind, []).append(("kind", device))
    return [(list(known), targets) for known, targets in found.items()]


def _family(device: str) -> str:
    return device_kind(device).split("_")[0]


def _measured(truth: Truth, space: CondensedSpace, device: str, without: str, count: int, seed: int) -> Case:
    latency = truth.latency_ms[device]
    rows = np.random.default_rng(seed).choice(np.flatnonzero(np.isfinite(latency) & (latency > 0)), count, False)
    taken = Measurements(designs=designs_of(truth, rows), latency_ms=latency[rows], energy_mj=np.full(count, np.nan))
    profile = profile_of_row("nb201", device)
    assert profile is not None
    posterior = cell_posterior(describe(profile), taken, space)
    assert posterior is not None
    every = designs_of(truth, np.arange(len(truth.cells)))
    return Case(device=device, without=without, count=count, estimates=posterior.latency_ms(every))


def _scores(truth: Truth, latency: Estimates, risk: float) -> Scores:
    """Of all rows of the table, whose numbers stand for genotypes; nothing but latency and accuracy."""
    number = len(truth.cells)
    at_risk = np.ones((number, len(LIMITS)))
    at_risk[:, LIMITS.index("latency_ms")] = latency.limit_quantile(1 - risk)
    at_risk[:, LIMITS.index("min_accuracy")] = truth.accuracy / 100
    assert latency.common_spread is not None
    return Scores(
        genotypes=np.arange(number)[:, None],
        accuracy=truth.accuracy / 100,
        latency_ms=latency.median,
        energy_mj=np.ones(number),
        model_bytes=np.ones(number),
        peak_memory_bytes=np.ones(number),
        at_risk=at_risk,
        doubt=latency.common_spread,
    )


def _summary(by_device: dict[tuple[str, str], list[FloatArray]]) -> dict[str, float]:
    means: Sequence[FloatArray] = [np.mean(own, axis=0) for own in by_device.values()]
    regret, kept = np.mean(means, axis=0)
    return {"regret_points": float(regret), "kept": float(kept), "kept_least": float(min(own[1] for own in means))}


if __name__ == "__main__":
    main(__doc__, measure, seeds=SEEDS)
