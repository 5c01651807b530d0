"""Predictors on devices never seen: python -m benchmarks.cross_device --data DIR [--quick] [--seeds N] --json -.

Every part is fitted anew on the sources of its task. Two processes, one thread each.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.cross_device_ncnn import measure_ncnn
from benchmarks.cross_device_universal import measure_universal
from benchmarks.energy_scores import measure_energy
from benchmarks.known_spaces import measure_help, measure_nasflat, measure_ofa, tasks_with_tested_chips
from benchmarks.protocols import HELP, NASFLAT
from benchmarks.report import Arguments, main, say

SEEDS = 20
QUICK_SEEDS = 5
NASFLAT_SEEDS = 20
NCNN_SEEDS = 3
PROCESSES = 2
Part = Callable[[], dict[str, Any]]


def measure(arguments: Arguments) -> dict[str, Any]:
    """All parts, in the order of the protocol."""
    started = perf_counter()
    found: dict[str, dict[str, Any]] = {}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures: dict[str, Future[dict[str, Any]]] = {name: pool.submit(part) for name, part in parts(arguments)}
        for name, future in futures.items():
            found[name] = future.result()
            say(f"{name} done after {perf_counter() - started:.0f} s")
    result: dict[str, Any] = dict(found["ncnn"])
    result |= {name: found[name] for name in (*HELP, "ofa", "energy")}
    result["nasflat_fbnet"] = _nasflat(found)
    result["adapt_ms"] = max(found[name]["adapt_ms"] for name in (*HELP, "ofa"))
    result["universal"] = found["universal"]
    result |= {key: value for key, value in found["universal"].items() if key.startswith("pairs_per_s")}
    result["seconds"] = perf_counter() - started
    _show(result)
    return result


def parts(arguments: Arguments) -> list[tuple[str, Part]]:
    """Name and work of each part, the longest first."""
    seeds = min(arguments.seeds, QUICK_SEEDS) if arguments.quick else arguments.seeds
    few = min(seeds, 1 if arguments.quick else NASFLAT_SEEDS)
    found: list[tuple[str, Part]] = [
        ("ncnn", partial(measure_ncnn, arguments.data, 1 if arguments.quick else NCNN_SEEDS, quick=arguments.quick))
    ]
    found.append(("universal", partial(measure_universal, arguments.data, quick=arguments.quick)))
    found += [(task, partial(measure_help, arguments.data, task, seeds)) for task in HELP]
    found += [(task, partial(measure_nasflat, arguments.data, task, few)) for task in NASFLAT]
    found += [
        ("ofa", partial(measure_ofa, arguments.data, seeds)),
        ("energy", partial(measure_energy, arguments.data, seeds)),
    ]
    if not arguments.quick:
        found += [
            (f"{task}_chip_left_out", partial(measure_nasflat, arguments.data, task, few, strict=True))
            for task in tasks_with_tested_chips()
        ]
    return found


def _nasflat(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """SRCC of each task, their geometric mean, and everything else under `tasks`."""
    ranks = {task: float(found[task]["srcc"]) for task in NASFLAT}
    aside = {name: float(one["srcc"]) for name, one in found.items() if name.endswith("_chip_left_out")}
    mean = float(np.exp(np.mean(np.log(np.maximum(list(ranks.values()), 1e-3)))))
    coverage = float(np.mean([found[task]["coverage_90"] for task in NASFLAT]))
    return (
        ranks
        | aside
        | {"geo_mean": mean, "coverage_90": coverage}
        | {"tasks": {task: one for task, one in found.items() if task in NASFLAT}}
    )


def _show(result: dict[str, Any]) -> None:
    """The main figures for people."""
    for task in (*HELP, "ofa"):
        for count in ("0", "10", "20"):
            line = ", ".join(f"{key} {value:.3f}" for key, value in result[task][count].items() if key != "devices")
            say(f"{task} with {count} measurements: {line}")
    ranks = {key: value for key, value in result["nasflat_fbnet"].items() if isinstance(value, float)}
    say("nasflat_fbnet: " + ", ".join(f"{key} {value:.4f}" for key, value in ranks.items()))


if __name__ == "__main__":
    main(__doc__, measure, seeds=SEEDS)
