"""Energy tables: published energies of networks on devices, each with what it is - measured, derived or simulated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from design.device import DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.encoding import COLUMNS, OPS, Column, EncodedDesigns, FloatArray, IntArray
from design.layer import Op
from design.spaces.nasbench201 import NasBench201Space
from design.task import find_task
from predictors.descriptor import describe
from predictors.ncnn import encode_networks, read_lines

Origin = Literal["measured", "derived", "simulated"]
Rail = Literal["device", "core"]
"""`device`: the whole chip or module, idle included; `core`: the rail of its cores alone, idle subtracted."""
MLPERF_NETWORKS = {"ad": "ad_autoencoder", "ic": "ic_resnet8", "kws": "kws_dscnn", "vww": "vww_mobilenetv1_025"}
PI5 = "raspberry-pi-5@onnxruntime_one_core"
_DERIVED = (("fpga", "zc706", "fpga"), ("eyeriss", "eyeriss", "eyeriss"))
"""Row of `energy_devices`, device of the catalogue, row of `devices`."""


@dataclass(frozen=True, kw_only=True)
class EnergyTable:
    """Energies of N calls on one device in one setting.

    Attributes:
        family: Chips of one family must stay on one side of any split.
        setting: What else differs between tables of one family (a submission, a clock).
        designs: N.
        energy_mj, latency_ms: N each, of the same calls.
    """

    name: str
    family: str
    setting: str
    origin: Origin
    rail: Rail
    profile: DeviceProfile
    designs: EncodedDesigns
    energy_mj: FloatArray
    latency_ms: FloatArray

    def __len__(self) -> int:
        return len(self.energy_mj)

    def take(self, index: IntArray) -> EnergyTable:
        """The calls at `index`."""
        return EnergyTable(
            name=self.name,
            family=self.family,
            setting=self.setting,
            origin=self.origin,
            rail=self.rail,
            profile=self.profile,
            designs=self.designs.take(index),
            energy_mj=self.energy_mj[index],
            latency_ms=self.latency_ms[index],
        )


def read_mlperf_tiny(folder: Path) -> list[EnergyTable]:
    """Measured energies of MLPerf Tiny, one table for each submission and clock; results submitted again count once.

    Latency is that of the energy run. Three chip families have energies.
    """
    lines = [line | {"int8_in_twin": "1"} for line in read_lines(folder / "mlperf_tiny_network_layers.csv")]
    benchmarks = list(MLPERF_NETWORKS)
    designs = encode_networks(lines, [(MLPERF_NETWORKS[name], True) for name in benchmarks])
    found: dict[tuple[str, str, str], dict[tuple[int, float], float]] = defaultdict(dict)
    seen: set[tuple[str, str, str]] = set()
    for line in read_lines(folder / "mlperf_tiny.csv"):
        result = (line["chip_family"], line["benchmark"], line["energy_uJ"])
        if not line["energy_uJ"] or line["weights_float"] == "1" or result in seen:
            continue
        seen.add(result)
        setting = (line["chip_family"], f"{line['round']} {line['submitter']} {line['system']}", line["freq_mhz"])
        rate = float(line["throughput_energy_run_ips"] or line["throughput_ips"])
        found[setting][benchmarks.index(line["benchmark"]), float(line["energy_uJ"])] = 1e3 / rate
    return [
        EnergyTable(
            name="mlperf_tiny",
            family=family,
            setting=f"{system} {megahertz} MHz",
            origin="measured",
            rail="device",
            profile=find_device(family).model_copy(update={"clock_ghz": float(megahertz) / 1e3}),
            designs=designs.take(np.array([network for network, _ in results])),
            energy_mj=np.array([1e-3 * energy for _, energy in results]),
            latency_ms=np.array(list(results.values())),
        )
        for (family, system, megahertz), results in found.items()
    ]


def cells(ops: IntArray, task_name: str, profile: DeviceProfile) -> EncodedDesigns:
    """Cells of NAS-Bench-201 (N x 6 choices) encoded for a task, at the widest bits that a device runs."""
    space, task = NasBench201Space(), find_task(task_name)
    widest = str(max(max(pair) for pair in describe(profile).supported_bits))
    genes = space.genes(task)
    genotypes = np.zeros((len(ops), len(genes)), dtype=np.int64)
    genotypes[:, : ops.shape[1]] = ops
    for place, gene in enumerate(genes[ops.shape[1] :], ops.shape[1]):
        names = [str(choice).removeprefix("W").split("A")[0] for choice in gene.choices]
        genotypes[:, place] = names.index(widest)
    return space.rows(task, genotypes)


def read_derived(folder: Path, rows: IntArray | None = None) -> list[EnergyTable]:
    """Energies of NAS-Bench-201 on an FPGA (7 W x latency) and on Eyeriss (an analytic model): derived, not measured.

    Args:
        folder: Holds `nb201.npz`.
        rows: Cells wanted; None = all.
    """
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in ("ops", "devices", "latency_ms", "energy_devices", "energy_mj")}
    index = np.arange(len(arrays["ops"])) if rows is None else rows
    names, metered = arrays["devices"].tolist(), arrays["energy_devices"].tolist()
    ops = arrays["ops"][index].astype(np.int64)
    return [
        EnergyTable(
            name=f"nb201_{name}",
            family=catalogue()[device].family,
            setting="",
            origin="derived",
            rail="device",
            profile=find_device(device),
            designs=cells(ops, "cifar10", find_device(device)),
            energy_mj=np.asarray(arrays["energy_mj"][metered.index(name)][index], dtype=np.float64),
            latency_ms=np.asarray(arrays["latency_ms"][names.index(row)][index], dtype=np.float64),
        )
        for name, device, row in _DERIVED
    ]


def read_pi5(folder: Path, rows: IntArray | None = None) -> EnergyTable:
    """Measured energies of NAS-Bench-201 on a Raspberry Pi 5: rail of the cores alone, idle subtracted.

    Of cells that compute the same function only the first was measured; the others repeat its value and are left out.

    Args:
        folder: Holds `nb201.npz` and `nb201_pi5.npz`.
        rows: Cells wanted; None = all.
    """
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        ops, first = stored["ops"].astype(np.int64), stored["iso_rep"].astype(np.int64)
    index = np.flatnonzero(first == np.arange(len(ops)))
    index = index if rows is None else np.intersect1d(index, rows)
    with np.load(folder / "nb201_pi5.npz", allow_pickle=False) as stored:
        energy, latency = stored["energy_mj"][index], stored["latency_ms_median"][index]
    return EnergyTable(
        name="nb201_pi5",
        family="bcm2712",
        setting="",
        origin="measured",
        rail="core",
        profile=find_device(PI5),
        designs=cells(ops[index], "cifar100", find_device(PI5)),
        energy_mj=np.asarray(energy, dtype=np.float64),
        latency_ms=np.asarray(latency, dtype=np.float64),
    )


def read_jetson(folder: Path) -> EnergyTable:
    """The six CIFAR rows of NAS-Bench-201 that were printed with their energy on a Jetson TX2: measured."""
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        ops = stored["ops"].astype(np.int64)
    lines = [
        line
        for line in read_lines(folder / "hwnasbench_printed_examples.csv")
        if line["space"] == "nasbench201" and line["dataset"] == "cifar10"
    ]
    return EnergyTable(
        name="hwnasbench_printed",
        family="tegrax2",
        setting="",
        origin="measured",
        rail="device",
        profile=find_device("jetson-tx2"),
        designs=cells(ops[[int(line["arch"]) for line in lines]], "cifar10", find_device("jetson-tx2")),
        energy_mj=np.array([float(line["edgegpu_energy"]) for line in lines]),
        latency_ms=np.array([float(line["edgegpu_latency"]) for line in lines]),
    )


def read_bitfusion(folder: Path, every: int = 1) -> EnergyTable:
    """Simulated energies of single layers at 4, 6 and 8 bits, every so many lines; 6 bits are charged as 8."""
    lines = read_lines(folder / "bitfusion_layer_lut.csv.gz")
    chosen = [line for line in lines if line["cin"].isdigit() and "6" not in (line["w_bits"], line["a_bits"])][::every]
    rows = np.concatenate([np.zeros((1, COLUMNS)), np.array([_layer(line) for line in chosen])])
    return EnergyTable(
        name="bitfusion",
        family="bitfusion",
        setting="",
        origin="simulated",
        rail="device",
        profile=find_device("bitfusion"),
        designs=EncodedDesigns(
            rows=rows,
            row_ids=np.arange(1, len(rows))[:, None],
            peak_activation_bytes=np.zeros(len(chosen)),
        ),
        energy_mj=np.array([float(line["energy_mj"]) for line in chosen]),
        latency_ms=np.array([float(line["latency_ms"]) for line in chosen]),
    )


_FIGURES = ("cin", "cout", "in_size", "kernel", "stride", "padding", "groups", "w_bits", "a_bits")


def _layer(line: dict[str, str]) -> Sequence[float]:
    """One convolution as a row of `Column`."""
    channels, filters, side, kernel, stride, padding, groups, weight_bits, bits = (int(line[key]) for key in _FIGURES)
    positions = ((side + 2 * padding - kernel) // stride + 1) ** 2
    weights = kernel * kernel * channels // groups * filters
    row = [0.0] * COLUMNS
    for column, value in {
        Column.OP: 1 + OPS.index(Op.CONV),
        Column.ROLE: 2,
        Column.KERNEL_HEIGHT: kernel,
        Column.KERNEL_WIDTH: kernel,
        Column.STRIDE: stride,
        Column.GROUPS: groups,
        Column.DEPTHWISE: groups == channels,
        Column.IN_CHANNELS: channels,
        Column.OUT_CHANNELS: filters,
        Column.IN_POSITIONS: side * side,
        Column.OUT_POSITIONS: positions,
        Column.MACS: positions * weights,
        Column.WEIGHTS: weights,
        Column.IN_ELEMENTS: channels * side * side,
        Column.OUT_ELEMENTS: filters * positions,
        Column.WEIGHT_BITS: weight_bits,
        Column.ACTIVATION_BITS: bits,
        Column.OUT_BITS: bits,
        Column.INPUTS: 1,
    }.items():
        row[column] = float(value)
    return row
