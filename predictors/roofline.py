"""Roofline: latency of each layer in closed form - the slower of computing and moving bytes, plus a fixed overhead.

    layer = max(compute, memory) + overhead x kernels
    compute = batch x (MACs x shape / peak at the bits it runs at + element-wise work / vector rate) / efficiency
              (pools count as convolutions over all channels on accelerators that run them so)
    memory = bytes / bandwidth of the level that holds the layer's working set

The few constants are common to all devices of a kind, rounded from public timings (ncnn, NAS-Bench-201 on 29 devices,
MLPerf Tiny); they know nothing of the single device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from design.device import DeviceKind
from design.encoding import OPS, Column, EncodedDesigns, FloatArray, IntArray
from design.layer import Op
from design.precision import BITS
from design.task import Task
from predictors.descriptor import Descriptor
from predictors.descriptors import AnyDescriptor, Figure, anywhere, figure_of, rows_of
from predictors.peaks import BitPairs
from predictors.predictor import Estimates
from predictors.traffic import Traffic, run

Bound = Literal["compute", "memory", "overhead", "none"]
BOUNDS: tuple[Bound, ...] = ("none", "compute", "memory", "overhead")
_POOL_MAX, _POOL_AVERAGE = 1 + OPS.index(Op.POOL_MAX), 1 + OPS.index(Op.POOL_AVERAGE)
_CONV = 1 + OPS.index(Op.CONV)
_FC, _ATTENTION = 1 + OPS.index(Op.FC), 1 + OPS.index(Op.ATTENTION)
_MATMUL = 1 + OPS.index(Op.MATMUL)
_WINOGRAD_CHANNELS = 16
_SIDE = 33
LOW_BIT_SPREAD = 0.5
"""Added (as variance) where a whole network runs at 8 bits or fewer: kernels for them differ more between devices."""


@dataclass(frozen=True, kw_only=True)
class RooflineOptions:
    """Share of nominal figures that runtimes reach, and what small shapes cost.

    Attributes:
        efficiency: Of the peak, dense layers with many channels.
        depthwise: Of the peak, relative to dense layers.
        bandwidth: Of the nominal memory and cache bandwidth.
        in_channels, out_channels: Shape factor 1 + a / in_c + b / out_c (per group).
        winograd: Speed-up of 3x3 convolutions at stride 1 of floats, where the runtime transforms them.
        gemm: Slow-down of matrix products over many tokens against convolutions.
        lanes: Output elements that fill the device (GPUs and arrays); fewer leave part of it idle.
    """

    efficiency: float
    depthwise: float = 0.3
    bandwidth: float = 0.25
    in_channels: float = 8.0
    out_channels: float = 8.0
    lanes: float = 0.0
    winograd: float = 2.5
    gemm: float = 4.0


OPTIONS: dict[DeviceKind, RooflineOptions] = {
    DeviceKind.CPU: RooflineOptions(efficiency=0.55),
    DeviceKind.MCU: RooflineOptions(efficiency=0.45, depthwise=0.4, bandwidth=1.0),
    DeviceKind.GPU: RooflineOptions(efficiency=0.40, lanes=50_000.0),
    DeviceKind.NPU: RooflineOptions(efficiency=0.25, depthwise=0.1, lanes=4096.0),
    DeviceKind.FPGA: RooflineOptions(efficiency=0.2, depthwise=0.2),
    DeviceKind.ASIC: RooflineOptions(efficiency=0.60, depthwise=0.2),
}


def executed_pair(weight_bits: int, activation_bits: int, supported: BitPairs) -> tuple[int, int]:
    """Precision that a layer runs at: the narrowest supported pair at least as wide in both.

    Nothing is as wide: the precision asked for, put together from narrower products (see `peaks.composed`).
    """
    wide = [pair for pair in supported if pair[0] >= weight_bits and pair[1] >= activation_bits]
    return min(wide, key=lambda pair: (max(pair), sum(pair))) if wide else (weight_bits, activation_bits)


@lru_cache(maxsize=256)
def executed_table(supported: BitPairs) -> IntArray:
    """(weight, activation) bits that each precision runs at, 2 x index of `precision_index`; 0 without weights."""
    table = np.zeros((2, _SIDE, _SIDE), dtype=np.int64)
    for weight in BITS:
        for activation in BITS:
            table[:, weight, activation] = executed_pair(weight, activation, supported)
    return table.reshape(2, -1)


def precision_index(rows: FloatArray) -> IntArray:
    """Where each row's precision stands in tables over all of them, R; products of two tensors run in floats."""
    index = rows[:, Column.WEIGHT_BITS] * _SIDE + rows[:, Column.ACTIVATION_BITS]
    return np.asarray(np.where(rows[:, Column.OP] == _MATMUL, 32 * _SIDE + 32, index), dtype=np.int64)


def executed_width(rows: FloatArray, device: AnyDescriptor) -> IntArray:
    """Bits that each row computes at, R; 0 without weights."""
    return np.asarray(executed_table(device.supported_bits).max(axis=0)[precision_index(rows)])


def seconds_table(device: Descriptor) -> FloatArray:
    """Seconds per multiply-accumulate by width."""
    seconds = np.zeros(_SIDE)
    for bits in BITS:
        seconds[bits] = 1 / device.macs_per_second[device.float_bits if bits == 32 else bits]
    return seconds


def seconds_per_mac(width: IntArray, device: AnyDescriptor) -> FloatArray:
    """Seconds per multiply-accumulate of each row at the peak of the width it computes at, R or D x R."""
    return rows_of(device, seconds_table).take(width, axis=-1)


def _option(name: str, device: AnyDescriptor) -> Figure:
    """A figure of `RooflineOptions` by the kind of device."""
    return figure_of(device, lambda one: getattr(OPTIONS[one.profile.kind], name))


@dataclass(frozen=True)
class LayerTimes:
    """Seconds per call of each distinct row, R each (D x R of several devices), and what the row moves."""

    compute: FloatArray
    memory: FloatArray
    overhead: FloatArray
    traffic: Traffic

    @cached_property
    def total(self) -> FloatArray:
        """Latency of each row, seconds."""
        return np.asarray(np.maximum(self.compute, self.memory) + self.overhead)

    @property
    def bound(self) -> IntArray:
        """Index into BOUNDS of what dominates each row."""
        work = np.maximum(self.compute, self.memory)
        busy = np.where(self.compute >= self.memory, 1, 2)
        return np.asarray(np.where(self.total == 0, 0, np.where(self.overhead > work, 3, busy)), dtype=np.int64)


def _shape_factor(rows: FloatArray, width: IntArray, device: AnyDescriptor) -> FloatArray:
    """How much longer (or shorter) than its multiply-accumulates at the kind's efficiency each row takes, R."""
    op = rows[:, Column.OP]
    groups = np.maximum(rows[:, Column.GROUPS], 1)
    in_channels = np.maximum(rows[:, Column.IN_CHANNELS] / groups, 1)
    out_channels = np.maximum(rows[:, Column.OUT_CHANNELS] / groups, 1)
    shape = 1 + _option("in_channels", device) / in_channels + _option("out_channels", device) / out_channels
    matrix = np.where(rows[:, Column.IN_POSITIONS] > 1, _option("gemm", device), 1.0)
    shape = np.where((op == _FC) | (op == _ATTENTION) | (op == _MATMUL), matrix, shape)
    shape = np.where(rows[:, Column.DEPTHWISE] > 0, 1 / _option("depthwise", device), shape)
    if anywhere(device.winograd):
        three = (rows[:, Column.KERNEL_HEIGHT] == 3) & (rows[:, Column.KERNEL_WIDTH] == 3)
        wide = (width >= 16) & (np.minimum(in_channels, out_channels) >= _WINOGRAD_CHANNELS)
        eased = three & wide & (op == _CONV) & (rows[:, Column.STRIDE] == 1) & device.winograd
        shape = np.where(eased, shape / _option("winograd", device), shape)
    padded = np.ceil(in_channels / device.binary_lanes) * device.binary_lanes / in_channels
    shape = np.where(width == 1, shape * padded, shape)
    idle = _option("lanes", device) / np.maximum(device.batch_size * rows[:, Column.OUT_ELEMENTS], 1)
    return np.asarray(shape * (1 + idle))


def layer_times(rows: FloatArray, device: AnyDescriptor) -> LayerTimes:
    """Latency of every distinct row on a device by part, R each; on several, D x R (or R where they agree)."""
    width, runs, traffic = executed_width(rows, device), run(rows), Traffic.of(rows, device)
    compute = rows[:, Column.MACS] * runs * _shape_factor(rows, width, device) * seconds_per_mac(width, device)
    if anywhere(device.pooling_on_mac_array):
        compute = _with_pools(compute, rows, device)
    elementwise = rows[:, Column.OUT_ELEMENTS] * elementwise_operations_per_row(rows) * runs
    compute += elementwise * (1 / device.float_macs_per_second)
    compute *= device.batch_size / _option("efficiency", device)
    separate = (rows[:, Column.BATCH_NORM_CHANNELS] > 0) + rows[:, Column.ACTIVATION]
    kernels = runs * (1.0 + device.eager * separate)
    memory = traffic.seconds(device) / _option("bandwidth", device)
    return LayerTimes(compute=compute, memory=memory, overhead=kernels * device.launch_overhead_s, traffic=traffic)


def _with_pools(products: FloatArray, rows: FloatArray, device: AnyDescriptor) -> FloatArray:
    """Seconds of products (R or D x R), those of pools too where they run on the array."""
    pools = np.flatnonzero(is_pool(rows))
    own = rows[pools]
    width = _pool_width(own, device)
    pooled = pool_macs(own) * _shape_factor(own, width, device) * seconds_per_mac(width, device)
    flag = device.pooling_on_mac_array
    if not isinstance(flag, bool):
        products = np.broadcast_to(products, (len(flag), len(rows)))
    found = products.copy()
    found[..., pools] = np.where(flag, pooled, products[..., pools])
    return found


def is_pool(rows: FloatArray) -> NDArray[np.bool_]:
    """Which rows pool, R."""
    op = rows[:, Column.OP]
    return np.asarray((op == _POOL_MAX) | (op == _POOL_AVERAGE))


def pool_macs(rows: FloatArray) -> FloatArray:
    """Multiply-accumulates of pools run as convolutions over all channels, R."""
    window = rows[:, Column.KERNEL_HEIGHT] * rows[:, Column.KERNEL_WIDTH]
    return np.asarray(window * rows[:, Column.IN_CHANNELS] * rows[:, Column.OUT_ELEMENTS])


def _pool_width(rows: FloatArray, device: AnyDescriptor) -> IntArray:
    """Bits that pools compute at on the array: those of what they read, R."""
    bits = rows[:, Column.ACTIVATION_BITS]
    index = np.asarray(bits * _SIDE + bits, dtype=np.int64)
    return np.asarray(executed_table(device.supported_bits).max(axis=0)[index])


def elementwise_operations_per_row(rows: FloatArray) -> FloatArray:
    """Vector operations per output element: scaling of low-bit layers, fused activations, additions, pool windows."""
    weight_bits = rows[:, Column.WEIGHT_BITS]
    scaled = (weight_bits > 0) & (weight_bits < 16)
    window = np.where(is_pool(rows), rows[:, Column.KERNEL_HEIGHT] * rows[:, Column.KERNEL_WIDTH], 0.0)
    own = np.where(weight_bits == 0, np.maximum(rows[:, Column.INPUTS], 1) + window, 0.0)
    return np.asarray(own + scaled + rows[:, Column.ACTIVATION])


def latency(designs: EncodedDesigns, times: LayerTimes, device: Descriptor) -> Estimates:
    """Latency per call, N, milliseconds; the spread grows with the share of time spent at 8 bits or fewer."""
    width = executed_width(designs.rows, device)
    seconds = designs.total(times.total)
    low = designs.total(times.total * ((width > 0) & (width <= 8)))
    share = low / np.maximum(seconds, np.finfo(np.float64).tiny)
    spread = np.sqrt(device.latency_spread**2 + (LOW_BIT_SPREAD * share) ** 2)
    return Estimates(median=1e3 * seconds, spread=spread, scale="log")


class RooflineLatency:
    """Latency of a call in milliseconds, closed form."""

    name = "roofline"
    version = "1"

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """Latency per call at the device's batch size, N, milliseconds."""
        return latency(designs, layer_times(designs.rows, device), device)
