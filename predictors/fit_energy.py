"""Fits PowerEffects: python -m predictors.fit_energy --data DIR.

A linear mixed model of log (measured energy / closed form over the measured time), records of all tables together:

    level = common + kind + device + setting + meter (of derived and simulated tables) + rail (of cores alone)
    shares of arithmetic and memory = common + device

Variances of kind, device, setting, shares and noise by maximum likelihood, pulled weakly to where they start; those
that one or two tables cannot tell (common, meter, rail) are set. What is shipped is the posterior of a further device
of each kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from design.encoding import FloatArray
from predictors.call_energy import POWER_TRAITS, call_energy
from predictors.descriptor import describe
from predictors.energy import find_energy_model
from predictors.energy_card import energy_card
from predictors.energy_tables import (
    EnergyTable,
    read_bitfusion,
    read_derived,
    read_jetson,
    read_mlperf_tiny,
    read_pi5,
)
from predictors.power import layer_energies
from predictors.power_effects import FILE, KINDS, PowerEffects
from predictors.roofline import layer_times

VARIANCES = ("kind", "device", "setting", "share", "device_share", "noise")
START = np.array([0.01, 0.3, 0.05, 0.02, 0.5, 0.01])
"""Variances that fitting starts from and is pulled to. Those of kinds and of shares in common, and COMMON, were lowered
until devices left out (without the Raspberry Pi 5) were predicted no better: kinds tell next to nothing of a level."""
PULL = 1.0
"""Of the squared log distance from START: worth about two devices."""
COMMON, METER, RAIL = 0.01, 0.16, 0.16
"""Variances of the mean of all devices, of what a model or simulator leaves out, of one rail against all."""
STATED, STATED_DEVICE = 0.04, 0.12
"""Variances where power while computing is stated: of the mean of all devices, and of one (voltage, workload)."""
MODELLED = {"measured": 0.0, "derived": 0.04, "simulated": 0.3}
"""Variance of a record that is no meter's: of networks, and of single layers."""
CELLS, EVERY = 60, 60
"""Cells of NAS-Bench-201 and every so many layers of a simulator that take part: a device counts by its level."""
_SHARES = slice(1, None)
_LOWEST, _HIGHEST = -8.0, 2.0


@dataclass(frozen=True, kw_only=True)
class Records:
    """All records of all tables, N.

    Attributes:
        deviation: N, log of measured energy over the closed form at the measured time.
        traits: N x POWER_TRAITS.
        kind, device, setting: N, numbers.
        meter: N, number of the table where it is derived or simulated, else -1.
        core: N, 1 where only the rail of the cores was measured.
        modelled: N, see MODELLED.
        assumed: N, variance of the level for what the profile does not state.
    """

    deviation: FloatArray
    traits: FloatArray
    kind: FloatArray
    device: FloatArray
    setting: FloatArray
    meter: FloatArray
    core: FloatArray
    modelled: FloatArray
    assumed: FloatArray


def deviations(table: EnergyTable, *, stated: bool = False) -> tuple[FloatArray, FloatArray]:
    """Log of measured energy over the closed form at the measured time (N), and the calls' traits.

    Args:
        table: Of one device.
        stated: With the power while computing that its profile states, if any.
    """
    device = describe(table.profile if stated else table.profile.model_copy(update={"active_w": None}))
    rows = np.asfortranarray(table.designs.rows)
    times = layer_times(rows, device)
    energies = layer_energies(rows, device, find_energy_model("horowitz"), times.total)
    roofline = call_energy(table.designs, energies)
    seconds = 1e-3 * table.latency_ms
    if device.static_per_call:  # the shape of the measured time at the roofline's level
        level = np.exp(np.mean(np.log(seconds / table.designs.total(times.total))))
        found = replace(roofline, static=device.static_w * seconds / level)
    else:
        found = roofline.lasting(seconds, device)
    return np.log(1e-3 * table.energy_mj / found.total), found.traits


def records(tables: Sequence[EnergyTable]) -> Records:
    """The records of all tables."""
    devices = sorted({table.family for table in tables})
    parts = []
    for number, table in enumerate(tables):
        deviation, traits = deviations(table)
        one = np.ones(len(table))
        measured = table.origin == "measured"
        parts.append(
            (
                deviation,
                traits,
                one * KINDS.index(table.profile.kind),
                one * devices.index(table.family),
                one * number,
                one * (-1 if measured else number),
                one * (table.rail == "core"),
                one * MODELLED[table.origin],
                one * describe(table.profile.model_copy(update={"active_w": None})).power_variance,
            )
        )
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    names = ("deviation", "traits", "kind", "device", "setting", "meter", "core", "modelled", "assumed")
    return Records(**dict(zip(names, joined, strict=True)))


def _same(values: FloatArray) -> FloatArray:
    return np.asarray((values[:, None] == values[None]).astype(np.float64))


def _parts(found: Records) -> tuple[FloatArray, FloatArray]:
    """Covariance that is set, N x N, and that of each of VARIANCES at variance 1."""
    device, shares = _same(found.device), found.traits[:, _SHARES] @ found.traits[:, _SHARES].T
    meter = _same(found.meter) * (found.meter >= 0)[:, None]
    settled = COMMON + METER * meter + RAIL * np.outer(found.core, found.core) + device * found.assumed
    settled = settled + np.diag(found.modelled)
    parts = [_same(found.kind), device, _same(found.setting), shares, device * shares, np.eye(len(found.deviation))]
    return settled, np.stack(parts)


def fit_variances(found: Records, steps: int = 100) -> FloatArray:
    """VARIANCES by maximum likelihood, with gradient; each device counts as much as its records tell of it."""
    settled, parts = _parts(found)
    start = np.log(START)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(logs)
        covariance = settled + np.tensordot(variances, parts, 1)
        inverse = np.linalg.inv(covariance)
        solved = inverse @ found.deviation
        slope = inverse - np.outer(solved, solved)
        gradient = 0.5 * np.array([(slope * part).sum() for part in parts]) * variances
        value = 0.5 * (float(found.deviation @ solved) + float(np.linalg.slogdet(covariance)[1]))
        return value + PULL * float(((logs - start) ** 2).sum()), gradient + 2 * PULL * (logs - start)

    bounds = [(_LOWEST, _HIGHEST)] * len(start)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return np.asarray(np.exp(best.x))


def stated_level(tables: Sequence[EnergyTable]) -> FloatArray:
    """Mean and variance of the level of a further device whose profile states its power while computing."""
    levels: dict[str, list[float]] = {}
    for table in tables:
        if table.profile.active_w is not None:
            levels.setdefault(table.family, []).append(float(np.mean(deviations(table, stated=True)[0])))
    means = [float(np.mean(own)) for own in levels.values()]
    weight = len(means) + STATED_DEVICE / STATED
    return np.array([sum(means) / weight, STATED_DEVICE / weight + STATED_DEVICE])


def effects(found: Records, variances: FloatArray, stated: FloatArray) -> PowerEffects:
    """The posterior of a further device of each kind, in closed form."""
    kind, device, setting, share, device_share, noise = variances
    settled, parts = _parts(found)
    covariance = settled + np.tensordot(variances, parts, 1)
    inverse = np.linalg.inv(covariance)
    prior = np.diag([COMMON + kind + device + setting, *[share + device_share] * (len(POWER_TRAITS) - 1)])
    means, covariances = [], []
    for number in range(len(KINDS)):
        level = COMMON + kind * (found.kind == number)
        cross = np.stack([level, *(share * found.traits[:, _SHARES]).T])
        means.append(cross @ inverse @ found.deviation)
        covariances.append(prior - cross @ inverse @ cross.T)
    return PowerEffects(means=np.stack(means), covariances=np.stack(covariances), stated=stated, noise=float(noise))


def fit_energy(tables: Sequence[EnergyTable]) -> tuple[PowerEffects, FloatArray]:
    """Effects and VARIANCES."""
    found = records(tables)
    variances = fit_variances(found)
    return effects(found, variances, stated_level(tables)), variances


def read_energy_tables(folder: Path, *, seed: int = 0, pi5: bool = True) -> list[EnergyTable]:
    """All tables that are fitted on, thinned.

    Args:
        folder: Of the tables.
        seed: Of the cells drawn.
        pi5: With the Raspberry Pi 5: for shipping only, since benchmarks score it as a device never seen.
    """
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        count = len(stored["ops"])
    drawn = np.sort(np.random.default_rng(seed).permutation(count)[:CELLS])
    found = [*read_mlperf_tiny(folder), read_jetson(folder), *read_derived(folder, drawn)]
    found.append(read_bitfusion(folder, EVERY))
    return [*found, read_pi5(folder, drawn)] if pi5 else found


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the shipped weights and write their card."""
    parser = argparse.ArgumentParser(description="Fit the power effects that energy predictions ship with.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of measurement tables")
    parser.add_argument("--out", type=Path, default=FILE, metavar="FILE")
    options = parser.parse_args(arguments)
    tables = read_energy_tables(options.data)
    found, variances = fit_energy(tables)
    named = ", ".join(f"{name} {value:.4f}" for name, value in zip(VARIANCES, variances, strict=True))
    stored = found.save(options.out, {"variances": named})
    options.out.with_suffix(".md").write_text(energy_card(tables, found, named, stored.digest), encoding="utf-8")
    sys.stderr.write(f"power effects of {len({table.family for table in tables})} devices: {named}\n")


if __name__ == "__main__":
    main()
