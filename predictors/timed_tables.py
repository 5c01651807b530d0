"""Timed tables: every measured table as (device as the catalogue describes it, designs, milliseconds)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from design.device import DeviceKind
from design.devices.catalogue import CatalogueDevice, catalogue
from design.encoding import Column, EncodedDesigns, FloatArray
from predictors.descriptor import Descriptor, describe
from predictors.ncnn import LEFT_OUT, Line, encode_networks, is_cpu, number, program_year, read_lines
from predictors.table_networks import cell_networks, fbnet_networks, ofa_networks, single_layers

SAMPLE = 300
"""Networks drawn from each device of a large table."""
_LEAST_MS = 1.0
"""Shorter times of the NAS-Bench-201 phones are cells whose dead parts the runtime dropped."""


@dataclass(frozen=True, kw_only=True)
class TimedDevice:
    """n designs timed on one device with its settings.

    Attributes:
        group: Table, with the part that is reported together (`ncnn_cpu`, `ncnn_gpu`, `nb201`, `fbnet`, ...).
        row: Name in the table.
        family: Chip family: stays on one side of any split, over all tables.
        device: As the catalogue describes it.
        designs: n.
        latency_ms: n.
    """

    group: str
    row: str
    family: str
    device: Descriptor
    designs: EncodedDesigns
    latency_ms: FloatArray


def _entries(table: str) -> Iterator[tuple[str, CatalogueDevice, str]]:
    """(row of the table, catalogue device, setting)."""
    for device in catalogue().values():
        for row, setting in device.tables.get(table, {}).items():
            yield row, device, setting


def _compact(designs: EncodedDesigns) -> EncodedDesigns:
    rows, row_ids = np.unique(designs.row_ids, return_inverse=True)
    kept = np.concatenate([[0], rows[rows > 0]])
    shift = 0 if 0 in rows else 1
    return EncodedDesigns(
        rows=designs.rows[kept],
        row_ids=row_ids.reshape(designs.row_ids.shape) + shift,
        peak_activation_bytes=designs.peak_activation_bytes,
    )


def _table(table: str, networks: EncodedDesigns, values: FloatArray, rows: list[str]) -> list[TimedDevice]:
    found = []
    for row, entry, setting in _entries(table):
        times = values[rows.index(row)]
        good = np.isfinite(times) & (times >= (_LEAST_MS if table == "nb201" else 0) * (row in ("raspi4", "pixel3")))
        index = np.flatnonzero(good)
        found.append(
            TimedDevice(
                group=table,
                row=row,
                family=entry.family,
                device=describe(entry.profile(setting)),
                designs=networks.take(index),
                latency_ms=times[index],
            )
        )
    return found


def _sampled(count: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False))


def read_spaces(folder: Path, seed: int = 0) -> list[TimedDevice]:
    """NAS-Bench-201 (29 devices and the Raspberry Pi 5), FBNet (27) and Once-for-all (12), SAMPLE networks each."""
    found: list[TimedDevice] = []
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        index = _sampled(len(stored["ops"]), seed)
        # the two devices with a part of the cells alone get cells of their own
        few = np.flatnonzero(np.isfinite(stored["latency_ms"]).all(axis=0))
        index = np.union1d(index, np.random.default_rng(seed).choice(few, min(SAMPLE // 4, len(few)), replace=False))
        operations, rows = stored["ops"][index].astype(np.int64), [str(row) for row in stored["devices"]]
        found += _table("nb201", cell_networks(operations), stored["latency_ms"][:, index], rows)
    with np.load(folder / "nb201_pi5.npz", allow_pickle=False) as stored:
        times = stored["latency_ms_median"][index][None]
        found += _table("nb201_pi5", cell_networks(operations, classes=100), times, ["raspberry_pi_5"])
    with np.load(folder / "fbnet.npz", allow_pickle=False) as stored:
        index = _sampled(len(stored["ops"]), seed)
        networks = fbnet_networks(stored["ops"][index].astype(np.int64))
        rows = [str(row) for row in stored["devices"]]
        found += _table("fbnet", networks, stored["latency_ms"][:, index], rows)
    with np.load(folder / "ofa.npz", allow_pickle=False) as stored:
        index = _sampled(len(stored["resolution"]), seed)
        arrays = [stored[key][index].astype(np.int64) for key in ("ks", "expand", "depth", "resolution")]
        rows = [str(row) for row in stored["devices"]]
        found += _table("ofa", ofa_networks(*arrays), stored["latency_ms"][:, index], rows)
    return found


def read_mlperf_tiny(folder: Path) -> list[TimedDevice]:
    """MLPerf Tiny: one entry per submitted system; four networks, int8 unless stated."""
    lines = read_lines(folder / "mlperf_tiny_network_layers.csv")
    lines = [line | {"int8_in_twin": "1"} for line in lines]
    names = {"ad": "ad_autoencoder", "ic": "ic_resnet8", "kws": "kws_dscnn", "vww": "vww_mobilenetv1_025"}
    networks = [(name, int8) for name in names.values() for int8 in (False, True)]
    designs = encode_networks(lines, networks)
    entries = {row: (entry, setting) for row, entry, setting in _entries("mlperf_tiny")}
    timed: dict[tuple[str, str, str, str, str], list[tuple[int, float]]] = defaultdict(list)
    for line in read_lines(folder / "mlperf_tiny.csv"):
        speed = number(line["throughput_ips"])
        if np.isfinite(speed):
            place = networks.index((names[line["benchmark"]], line["weights_float"] != "1"))
            key = (line["chip_family"], line["round"], line["submitter"], line["system"], line["freq_mhz"])
            timed[key].append((place, 1000 / speed))
    found = []
    for system, pairs in timed.items():
        entry, setting = entries[system[0]]
        profile = entry.profile(setting)
        mhz = number(system[4])
        if np.isfinite(mhz) and profile.kind is not DeviceKind.NPU:
            profile = profile.model_copy(update={"clock_ghz": mhz / 1000})
        found.append(
            TimedDevice(
                group="mlperf_tiny",
                row=" / ".join(system[1:4]),
                family=entry.family,
                device=describe(profile),
                designs=designs.take(np.array([place for place, _ in pairs])),
                latency_ms=np.array([time for _, time in pairs]),
            )
        )
    return found


def read_ncnn_devices(folder: Path) -> list[TimedDevice]:
    """ncnn: each (device, threads) with big cores in use; GPU rows of devices that the catalogue has as GPUs.

    On GPUs int8 networks run on the CPU: left out. Builds without AVX-512 and small cores alone are left out, since
    the catalogue describes neither.
    """
    entries = {row: (entry, setting) for row, entry, setting in _entries("ncnn")}
    printed: dict[str, set[str]] = defaultdict(set)
    fastest: dict[tuple[str, bool, int, str, bool], float] = {}
    for line in read_lines(folder / "ncnn_benchmark.csv.gz"):
        printed[line["device"]].add(line["base_model"])
        if not _usable(line, entries):
            continue
        cpu = is_cpu(line)
        threads = int(line["num_threads"]) if cpu else 0
        key = (line["device"], cpu, threads, line["base_model"], line["int8"] == "True")
        fastest[key] = min(fastest.get(key, np.inf), float(line["min_ms"]))
    networks = sorted({key[3:] for key in fastest})
    designs = encode_networks(read_lines(folder / "ncnn_network_layers.csv.gz"), networks)
    found = []
    for device, cpu, threads in sorted({key[:3] for key in fastest}):
        entry, setting = entries[device]
        profile = entry.profile(setting)
        year = program_year(printed[device])
        update: dict[str, object] = {"runtime": f"ncnn {year:.1f}" if cpu else f"ncnn Vulkan {year:.1f}"}
        update |= {"threads": threads} if cpu else {}
        own = [(networks.index(key[3:]), time) for key, time in fastest.items() if key[:3] == (device, cpu, threads)]
        found.append(
            TimedDevice(
                group="ncnn_cpu" if cpu else "ncnn_gpu",
                row=f"{device}, {threads} threads",
                family=entry.family,
                device=describe(profile.model_copy(update=update)),
                designs=designs.take(np.array([place for place, _ in own])),
                latency_ms=np.array([time for _, time in own]),
            )
        )
    return found


def _usable(line: Line, entries: dict[str, tuple[CatalogueDevice, str]]) -> bool:
    entry, setting = entries[line["device"]]
    cpu = is_cpu(line)
    vulkan = "Vulkan" in (entry.settings[setting].runtime or "")
    if line["base_model"] == LEFT_OUT or line["build"] == "no_avx512" or line["powersave"] == "1":
        return False
    if cpu:
        return entry.kind is DeviceKind.CPU and not vulkan
    return entry.kind is DeviceKind.GPU and line["int8"] != "True"


def read_bits(folder: Path) -> list[TimedDevice]:
    """BitFusion (simulated) and NVIDIA T4, single convolutions at 4, 6 and 8 bits.

    6 bits count as 8 there: a design knows no 6 bits, and the table shows them equal.
    """
    lines = [line for line in read_lines(folder / "bitfusion_layer_lut.csv.gz") if line["cin"] not in ("head", "tail")]
    lines = [line for line in lines if "6" not in (line["w_bits"], line["a_bits"])]
    chosen = [lines[place] for place in _sampled(len(lines), 1)]
    names = ("cin", "cout", "in_size", "kernel", "stride", "groups")
    columns = np.array([[float(line[name]) for name in names] for line in chosen])
    bits = np.array([[int(line["w_bits"]), int(line["a_bits"])] for line in chosen], dtype=np.int64)
    row, entry, setting = next(iter(_entries("bitfusion")))
    return [
        TimedDevice(
            group="bitfusion",
            row=row,
            family=entry.family,
            device=describe(entry.profile(setting)),
            designs=single_layers(columns, bits),
            latency_ms=np.array([float(line["latency_ms"]) for line in chosen]),
        )
    ]


def read_timed_devices(folder: Path) -> list[TimedDevice]:
    """All tables."""
    found = read_ncnn_devices(folder) + read_spaces(folder) + read_mlperf_tiny(folder) + read_bits(folder)
    return [
        TimedDevice(
            group=one.group,
            row=one.row,
            family=one.family,
            device=one.device,
            designs=_compact(one.designs),
            latency_ms=one.latency_ms,
        )
        for one in found
        if len(one.latency_ms) and float(one.designs.total(one.designs.rows[:, Column.MACS]).min()) > 0
    ]
