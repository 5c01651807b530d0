"""Energy on devices never seen: the energy part of the cross-device benchmark.

What energies say of power is fitted without the scored device in every case, and the latencies that energy rests on are
predicted by a model fitted without any of the chips scored here. Each figure stands beside the plain
closed form's in the same run. `mlperf_tiny` and `raspberry_pi_5` are measured with power meters, `hwnasbench` is three
printed rows; all under `derived` are derived from a formula or simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.scores import Scores, mean_of, rank_correlation
from design.encoding import FloatArray, IntArray
from predictors.adapt import DEFAULT_ENERGY_MODEL, adapt
from predictors.costs import LATENCY, Costs, costs_of
from predictors.descriptor import Descriptor, describe
from predictors.energy_tables import (
    EnergyTable,
    read_bitfusion,
    read_derived,
    read_jetson,
    read_mlperf_tiny,
    read_pi5,
)
from predictors.fit_energy import fit_energy, read_energy_tables
from predictors.fit_price_model import timings
from predictors.fit_universal import fit_universal
from predictors.measurement import Measurements
from predictors.power import energy
from predictors.power_effects import PowerEffects
from predictors.predictor import Estimates
from predictors.timed_tables import read_timed_devices
from predictors.universal import UniversalLatency

COUNTS = (0, 10)
DERIVED_CELLS = 3000
"""Cells of NAS-Bench-201 that derived energies are scored on."""


def scores(found: Estimates, measured: FloatArray) -> Scores:
    """Of predictions on one device."""
    low, high = found.interval()
    relative = np.abs(found.median / measured - 1)
    return {
        "srcc": rank_correlation(found.median, measured),
        "mape_median": float(np.median(relative)),
        "within_10": float((relative <= 0.1).mean()),
        "within_2x": float((np.abs(np.log(found.median / measured)) <= np.log(2)).mean()),
        "coverage_90": float(((low <= measured) & (measured <= high)).mean()),
    }


def plain(costs: Costs) -> Estimates:
    """The closed form alone, over the roofline's time."""
    return energy(costs.designs, costs.energies, costs.device)


def unseen_latency(folder: Path, families: set[str]) -> UniversalLatency:
    """The latency predictor fitted on all tables without these chip families."""
    return UniversalLatency(
        fit_universal(timings([one for one in read_timed_devices(folder) if one.family not in families]))
    )


def adapted(
    table: EnergyTable,
    device: Descriptor,
    seen: IntArray,
    query: IntArray,
    power: PowerEffects,
    *,
    timed: bool = True,
    model: UniversalLatency = LATENCY,
) -> Estimates:
    """Energy of the calls `query`, once those of `seen` (if any) were metered and, where `timed`, timed too."""
    costs = costs_of(table.designs.take(query), device, DEFAULT_ENERGY_MODEL, power, model)
    if not len(seen):
        return costs.energy_mj(costs.latency_ms)
    given = Measurements(
        designs=table.designs.take(seen),
        latency_ms=table.latency_ms[seen] if timed else np.full(len(seen), np.nan),
        energy_mj=table.energy_mj[seen],
    )
    found = replace(
        adapt(device, given, power=power, model=model), posteriors=()
    )  # these have seen devices scored here
    return found.energy_mj(costs, found.latency_ms(costs.designs, costs))


def learning(
    table: EnergyTable,
    power: PowerEffects,
    counts: Sequence[int],
    seeds: int,
    *,
    timed: bool = True,
    model: UniversalLatency = LATENCY,
) -> dict[str, list[Scores]]:
    """Key `{n}`: scores on all calls that were not measured, one for each draw of n."""
    device, found = describe(table.profile), {}
    for count in counts:
        draws = [np.random.default_rng(seed).permutation(len(table)) for seed in range(seeds if count else 1)]
        found[str(count)] = [
            scores(
                adapted(table, device, order[:count], order[count:], power, timed=timed, model=model),
                table.energy_mj[order[count:]],
            )
            for order in draws
        ]
    return found


def measure_table(
    table: EnergyTable, power: PowerEffects, seeds: int, model: UniversalLatency = LATENCY
) -> dict[str, Any]:
    """Keys 0 and 10 (energies and latencies measured), `10_energies_alone`, and `closed_form`."""
    found: dict[str, Any] = {
        key: mean_of(own) for key, own in learning(table, power, COUNTS, seeds, model=model).items()
    }
    alone = learning(table, power, COUNTS[1:], seeds, timed=False, model=model)
    found |= {f"{key}_energies_alone": mean_of(own) for key, own in alone.items()}
    costs = costs_of(table.designs, describe(table.profile), DEFAULT_ENERGY_MODEL)
    found["closed_form"] = scores(plain(costs), table.energy_mj)
    return found | {"networks": len(table), "origin": table.origin, "rail": table.rail}


def _zero_shot(tables: Sequence[EnergyTable], power: PowerEffects, model: UniversalLatency) -> dict[str, Any]:
    """Scores pooled over the settings of one family, and those of the closed form."""
    pooled: dict[str, list[Estimates]] = {"learned": [], "closed_form": [], "time_known": []}
    for table in tables:
        costs = costs_of(table.designs, describe(table.profile), DEFAULT_ENERGY_MODEL, power, model)
        known = Estimates(median=table.latency_ms, spread=np.zeros(len(table)), scale="log")
        pooled["learned"].append(costs.energy_mj(costs.latency_ms))
        pooled["closed_form"].append(plain(costs))
        pooled["time_known"].append(costs.energy_mj(known))
    measured = np.concatenate([table.energy_mj for table in tables])
    found = {key: scores(_joined(own), measured) for key, own in pooled.items()}
    aside = {key: _without_rank(own) for key, own in found.items() if key != "learned"}
    return _without_rank(found["learned"]) | aside | {"results": len(measured), "settings": len(tables)}


def _joined(parts: Sequence[Estimates]) -> Estimates:
    return Estimates(
        median=np.concatenate([part.median for part in parts]),
        spread=np.concatenate([part.spread for part in parts]),
        scale="log",
    )


def _without_rank(found: Scores) -> Scores:
    """Four networks under several settings are not ranked."""
    return {key: value for key, value in found.items() if key != "srcc"}


def _families(folder: Path, training: Sequence[EnergyTable], model: UniversalLatency) -> dict[str, Any]:
    """MLPerf Tiny: each chip family without a fit on it, then all together."""
    tiny = read_mlperf_tiny(folder)
    found: dict[str, Any] = {}
    for family in sorted({table.family for table in tiny}):
        power, _ = fit_energy([table for table in training if table.family != family])
        found[family] = _zero_shot([table for table in tiny if table.family == family], power, model)
    keys = ("within_2x", "mape_median", "coverage_90")
    found["mean"] = {key: float(np.mean([own[key] for own in found.values()])) for key in keys}
    return found | {"families_with_energy": len(found) - 1}


def measure_energy(folder: Path, seeds: int) -> dict[str, Any]:
    """Keys `mlperf_tiny`, `raspberry_pi_5`, `hwnasbench`, `derived`; see the module."""
    training = read_energy_tables(folder, pi5=False)
    every, _ = fit_energy(training)
    module, pi5 = read_jetson(folder), read_pi5(folder)
    drawn = np.sort(np.random.default_rng(0).permutation(15625)[:DERIVED_CELLS])
    derived = (*read_derived(folder, drawn), read_bitfusion(folder, 4))
    scored = (*read_mlperf_tiny(folder), module, pi5, *derived)
    model = unseen_latency(folder, {table.family for table in scored})
    without, _ = fit_energy([table for table in training if table.family != module.family])
    found: dict[str, Any] = {
        "mlperf_tiny": _families(folder, training, model),
        "raspberry_pi_5": measure_table(pi5, every, seeds, model),
        "hwnasbench": {"jetson_tx2": _zero_shot([module], without, model)},
        "derived": {},
    }
    for table in derived:
        power, _ = fit_energy([one for one in training if one.family != table.family])
        found["derived"][table.name] = measure_table(table, power, min(seeds, 5), model)
    _show(found)
    return found


def _show(found: Mapping[str, Any]) -> None:
    """The main figures for people."""
    for family, own in found["mlperf_tiny"].items():
        if isinstance(own, dict):
            say(f"energy mlperf_tiny {family}: " + _line(own))
    for name, own in {"raspberry_pi_5": found["raspberry_pi_5"], **found["derived"]}.items():
        for key in ("closed_form", "0", "10", "10_energies_alone"):
            say(f"energy {name} {key}: " + _line(own[key]))


def _line(own: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value:.3f}" for key, value in own.items() if isinstance(value, float))
