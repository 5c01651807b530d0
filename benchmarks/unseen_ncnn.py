"""Score the shipped CPU latency on timings of ncnn networks on machines that it does not know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.scores import Scores, mean_of, over_devices, score_estimates
from benchmarks.unseen_descriptors import Descriptors, profile_of_line
from benchmarks.unseen_tables import InvalidTable
from design.device import DeviceKind, DeviceProfile
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.task import find_task
from predictors.descriptor import describe
from predictors.latency import LearnedLatency
from predictors.latency_weights import KIND, load_latency_weights
from predictors.ncnn import Line, program_year, read_lines
from predictors.ncnn_networks import Network, networks_of, shipped_networks
from predictors.storage import WEIGHTS

LEAST_PAIRS = 3
"""Networks that must remain to be scored on one machine."""
TIMES = ("min_ms", "avg_ms", "latency_ms")
"""Columns that a time is taken from, the first one there is."""
TASK = find_task("imagenet")
"""Latency does not depend on it."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One device with one setting.

    Attributes:
        networks: M indices of networks timed.
        latency_ms: M, the fastest of all repeats.
        described: Whether a descriptor was given.
    """

    profile: DeviceProfile
    networks: IntArray
    latency_ms: FloatArray
    described: bool


def _number(line: Line, name: str, default: float) -> float:
    try:
        return float(line.get(name) or default)
    except ValueError:
        return float("nan")


def _flag(line: Line, name: str) -> bool:
    return (line.get(name) or "").strip().casefold() in ("true", "1", "1.0", "yes")


def read_machines(path: Path, facts: Descriptors, names: Sequence[Network]) -> dict[str, Machine]:
    """Machines of a table by name (with the setting, where a device has several).

    Raises:
        InvalidTable: Columns are missing, or no line can be used.
    """
    try:
        lines = read_lines(path)
    except (UnicodeDecodeError, EOFError) as error:
        raise InvalidTable("the table must be a CSV file, gzipped or not", str(error)) from error
    if not lines:
        raise InvalidTable("the table must have lines", f"none in {path.name}")
    model = next((name for name in ("base_model", "model") if name in lines[0]), None)
    time = next((name for name in TIMES if name in lines[0]), None)
    if "device" not in lines[0] or model is None or time is None:
        raise InvalidTable(
            f"the table must have the columns `device`, `base_model` and one of {', '.join(TIMES)}",
            ", ".join(str(name) for name in lines[0]),
        )
    place = {network: index for index, network in enumerate(names)}
    fastest: dict[tuple[str, str, int, bool], dict[int, float]] = defaultdict(dict)
    printed: dict[str, set[str]] = defaultdict(set)
    skipped: dict[str, int] = defaultdict(int)
    for line in lines:
        device, name = line["device"] or "device", (line[model] or "").removesuffix("_int8")
        printed[device].add(name)
        network = place.get((name, _flag(line, "int8") or (line[model] or "").endswith("_int8")))
        latency, threads = _number(line, time, float("nan")), _number(line, "num_threads", 1)
        if _number(line, "gpu_device", -1) >= 0 and "T40XP" not in device:
            skipped["of a GPU"] += 1
        elif network is None:
            skipped[f"of the unknown network {name!r}"] += 1
        elif not (np.isfinite(latency) and latency > 0 and threads >= 1):
            skipped["without a time above 0"] += 1
        else:
            key = (device, line.get("build") or "", int(threads), _number(line, "powersave", 0) == 1)
            fastest[key][network] = min(latency, fastest[key].get(network, np.inf))
    for why, count in skipped.items():
        say(f"{count} lines {why} are left out")
    if not fastest:
        raise InvalidTable("the table must have timings of CPUs on the networks of ncnn's benchmark", "none")
    settings: dict[str, int] = defaultdict(int)
    for key in fastest:
        settings[key[0]] += 1
    return {
        _title(key, settings[key[0]]): _machine(key, times, facts, program_year(printed[key[0]]))
        for key, times in fastest.items()
    }


def _title(key: tuple[str, str, int, bool], settings: int) -> str:
    device, build, threads, little = key
    if settings == 1:
        return device
    return f"{device} [{threads} threads{', small cores' * little}{f', {build}' * bool(build)}]"


def _machine(key: tuple[str, str, int, bool], times: Mapping[int, float], facts: Descriptors, year: float) -> Machine:
    device, _, threads, little = key
    found = facts.find(device, threads=threads)
    if little and device in facts.lines:
        found = profile_of_line(facts.lines[device], threads=threads, little=True)
    profile = found or DeviceProfile(name=device[:200], kind=DeviceKind.CPU, threads=threads)
    if found is None or profile.runtime in (None, "ncnn"):
        profile = profile.model_copy(update={"runtime": f"ncnn {int(year)}-{1 + int(12 * (year % 1)):02d}"})
    return Machine(
        profile=profile,
        networks=np.array(list(times), dtype=np.int64),
        latency_ms=np.array(list(times.values())),
        described=found is not None,
    )


def score_timings(
    path: Path, facts: Descriptors, samples: Sequence[int], seeds: int, layers: Path | None
) -> dict[str, Any]:
    """Key `{n}` for each number of random samples.

    Args:
        path: CSV with the columns of `ncnn_benchmark.csv`.
        facts: What is known of the machines.
        samples: Numbers of measurements.
        seeds: Draws of them.
        layers: CSV with the columns of `ncnn_network_layers.csv`; None = the networks that are shipped.

    Raises:
        InvalidTable: A table that cannot be scored.
    """
    try:
        names, designs = networks_of(layers) if layers else shipped_networks()
    except KeyError as error:
        raise InvalidTable("layers must have the columns of ncnn_network_layers.csv", f"no {error}") from error
    latency = LearnedLatency(load_latency_weights(WEIGHTS / f"{KIND}.safetensors"))
    found: dict[str, Any] = {}
    machines = read_machines(path, facts, names)
    for count in samples:
        by_device: dict[str, Scores] = {}
        for name, machine in machines.items():
            if machine.profile.kind is not DeviceKind.CPU:
                say(f"{name}: a {machine.profile.kind.value}, not scored")
                continue
            if len(machine.networks) < count + LEAST_PAIRS:
                say(f"{name}: {len(machine.networks)} networks are too few to score {count} samples")
                continue
            draws = seeds if count else 1
            whole = mean_of(_draw(latency, machine, designs, count, seed) for seed in range(draws))
            by_device[name] = whole if count or machine.described else {"srcc": whole["srcc"]}
        if by_device:
            found[str(count)] = over_devices(by_device)
    if not found:
        raise InvalidTable("a CPU must have enough timings to be scored", f"none in {path.name}")
    return found


def _draw(latency: LearnedLatency, machine: Machine, designs: EncodedDesigns, count: int, seed: int) -> Scores:
    """Measure `count` random networks on one machine, score all others."""
    order = np.random.default_rng(seed).permutation(len(machine.networks))
    seen, rest = order[:count], order[count:]
    device = describe(machine.profile)
    adapted = latency.adapt(designs.take(machine.networks[seen]), machine.latency_ms[seen], device)
    found = adapted.predict(designs.take(machine.networks[rest]), device, TASK)
    return score_estimates(found, machine.latency_ms[rest])
