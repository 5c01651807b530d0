"""Proxy devices: how many pairs rank alike when measured, what predictions know of it, and what AdaProxy gains.

    python -m benchmarks.proxies --data DIR --json -

Constants (how much correlations of predictions promise too much) are fitted on pairs of development devices, those of
HELP's training and validation; scores are of pairs of its test devices and those that it leaves out.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.protocols import HELP_FBNET_TRAIN, HELP_FBNET_VALID, HELP_NB201_TRAIN, HELP_NB201_VALID
from benchmarks.report import Arguments, main, say
from design.devices.catalogue import catalogue, find_device
from design.encoding import FloatArray
from predictors.ada_proxy import adapt, one_hot
from predictors.costs import LATENCY
from predictors.monotonicity import REUSE_FROM, RankMatrix, clusters, fisher_z, monotonicity, rank_matrix
from predictors.proxies import expected_measured, proxies
from predictors.proxy_reference import SPACES, reference_latencies

DEVELOPMENT = {"nb201": HELP_NB201_TRAIN + HELP_NB201_VALID, "fbnet": HELP_FBNET_TRAIN + HELP_FBNET_VALID}
SPACE_OF = {"nb201": "nasbench201", "fbnet": "mobilenet"}
MEASUREMENTS = (10, 20, 60)
PAIRS = (
    ("pixel3", "edgegpu"),
    ("pixel3", "eyeriss"),
    ("pixel3", "fpga"),
    ("pixel3", "titan_rtx_256"),
    ("1080ti_1", "gold_6226"),
    ("gold_6240", "silver_4210r"),
)
"""(proxy, target), rows of nb201."""


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in ("devices", "latency_ms", "ops")}


def measured_pairs(table: dict[str, Any]) -> dict[str, Any]:
    """Pairs of rows by their measured correlation, and the groups that could share a proxy."""
    found, names = rank_matrix(table["latency_ms"]), [str(one) for one in table["devices"]]
    upper = np.triu_indices(len(names), 1)
    groups = clusters(found.rho)
    return {
        "rows": len(names),
        "pairs": len(upper[0]),
        "rho_from_0_9": int((found.rho[upper] >= REUSE_FROM).sum()),
        "low_from_0_9": int((found.low[upper] >= REUSE_FROM).sum()),
        "median": round(float(np.median(found.rho[upper])), 3),
        "clusters": {names[one.proxy]: [names[member] for member in one.members] for one in groups},
    }


def _rank_pairs(name: str, table: dict[str, Any]) -> dict[str, Any]:
    """Measured and predicted correlations of pairs of complete rows, and which are of development devices."""
    settings = {
        row: device.profile(setting)
        for device in catalogue().values()
        for row, setting in device.tables.get(name, {}).items()
    }
    complete = np.isfinite(table["latency_ms"]).all(axis=1)
    rows = [n for n, row in enumerate(table["devices"]) if complete[n] and str(row) in settings]
    names = [str(table["devices"][row]) for row in rows]
    space = SPACE_OF[name]
    ranks = np.stack([reference_latencies(settings[row], LATENCY).ranks[space] for row in names])
    measured = rank_matrix(table["latency_ms"][rows]).rho
    own = np.array([row in DEVELOPMENT[name] for row in names])
    first, second = np.array(list(combinations(range(len(rows)), 2))).T
    return {
        "measured": measured[first, second],
        "predicted": np.clip(ranks @ ranks.T, -1, 1)[first, second],
        "designs": np.full(len(first), SPACES[space], dtype=np.int64),
        "development": own[first] & own[second],
        "test": ~own[first] & ~own[second],
        "first": np.array([f"{name}/{names[one]}" for one in first]),
        "second": np.array([f"{name}/{names[one]}" for one in second]),
    }


def _line(pairs: dict[str, Any], use: FloatArray) -> FloatArray:
    """Intercept and slope of measured over predicted z."""
    left = np.column_stack([np.ones(int(use.sum())), pairs["z_predicted"][use]])
    return np.asarray(np.linalg.lstsq(left, pairs["z_measured"][use], rcond=None)[0])


def calibration(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Fit what a correlation of predictions says of the measured one, each device left out in turn; score on others."""
    parts = {name: _rank_pairs(name, table) for name, table in tables.items()}
    pairs: dict[str, Any] = {key: np.concatenate([part[key] for part in parts.values()]) for key in parts["nb201"]}
    most = float(np.arctanh(0.9999))
    pairs["z_measured"] = np.minimum(np.arctanh(np.minimum(pairs["measured"], 1 - 1e-9)), most)
    pairs["z_predicted"] = np.minimum(fisher_z(pairs["predicted"], pairs["designs"].astype(np.float64)), most)
    use = pairs["development"]
    intercept, slope = _line(pairs, use)
    residuals: list[FloatArray] = []
    for device in np.unique(np.append(pairs["first"][use], pairs["second"][use])):
        inside = use & ((pairs["first"] == device) | (pairs["second"] == device))
        line = _line(pairs, use & ~inside)
        residuals.append(pairs["z_measured"][inside] - line[0] - line[1] * pairs["z_predicted"][inside])
    result: dict[str, Any] = {
        "intercept": round(float(intercept), 3),
        "slope": round(float(slope), 3),
        "residual": round(float(np.sqrt(np.mean(np.concatenate(residuals) ** 2))), 3),
    }
    for name, part in parts.items():
        test = part["test"]
        rank = RankMatrix(rho=part["predicted"], low=part["predicted"], high=part["predicted"], designs=part["designs"])
        expected, chance = expected_measured(rank)
        inside = (part["measured"] >= expected.low) & (part["measured"] <= expected.high)
        alike, promised = part["measured"] >= REUSE_FROM, part["predicted"] >= REUSE_FROM
        result[name] = {
            "test_pairs": int(test.sum()),
            "covered": round(float(inside[test].mean()), 3),
            "chance_mean": round(float(chance[test].mean()), 3),
            "true_share": round(float(alike[test].mean()), 3),
            "predicted_from_0_9": int(promised[test].sum()),
            "of_these_measured_from_0_9": int((promised & alike)[test].sum()),
        }
    return result


def ada_proxy(table: dict[str, Any], seeds: int) -> list[dict[str, Any]]:
    """Correlation on networks that were not measured, of the proxy and of the adapted proxy, mean over seeds."""
    names, code = [str(one) for one in table["devices"]], one_hot(table["ops"].astype(np.int64))
    found = []
    for proxy, target in PAIRS:
        before, after = (table["latency_ms"][names.index(one)] for one in (proxy, target))
        known = np.flatnonzero(np.isfinite(before) & np.isfinite(after))
        before, after, own = before[known], after[known], code[known]
        line: dict[str, Any] = {"proxy": proxy, "target": target}
        for count in MEASUREMENTS:
            scores = []
            for seed in range(seeds):
                drawn = np.random.default_rng(seed).choice(len(known), count, replace=False)
                rest = np.setdiff1d(np.arange(len(known)), drawn)
                adapted = adapt(own, before, drawn, after[drawn]).predict(own, before)
                scores.append([monotonicity(one[rest], after[rest]).rho for one in (before, adapted)])
            raw, bent = np.mean(scores, axis=0)
            line["before"] = round(float(raw), 3)
            line[f"after_{count}"] = round(float(bent), 3)
        say(str(line))
        found.append(line)
    return found


def seconds() -> dict[str, float]:
    """Of all catalogue devices as proxies of one, in a fresh process and again."""
    started = time.perf_counter()
    proxies(find_device("raspberry-pi-4"))
    cold, started = time.perf_counter() - started, time.perf_counter()
    proxies(find_device("raspberry-pi-4"))
    return {"cold_s": round(cold, 2), "warm_ms": round(1e3 * (time.perf_counter() - started), 1)}


def measure(arguments: Arguments) -> dict[str, Any]:
    """All of it."""
    times = seconds()
    tables = {name: _read(arguments.data / f"{name}.npz") for name in DEVELOPMENT}
    return {
        "seconds": times,
        "nb201": measured_pairs(tables["nb201"]),
        "fbnet": measured_pairs(tables["fbnet"]),
        "calibration": calibration(tables),
        "ada_proxy": ada_proxy(tables["nb201"], arguments.seeds),
    }


if __name__ == "__main__":
    main(__doc__ or "", measure, seeds=5)
