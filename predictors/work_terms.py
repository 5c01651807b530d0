"""Work terms: the amounts of work in each layer that the price model gives a price to, on any kind of device.

A layer's time is a sum of terms, amount x price. Amounts are seconds at nominal speed, from the Descriptor alone:

    compute    MACs x (1, 8 / in_c, 8 / out_c, 16 / positions) / peak, apart by category, for floats and for integers;
               binary layers count as floats: their rate is defined against fp32 at equal efficiency
    serial     products behind one another in one output / 1 GHz: what small layers cost wide devices
    elements   bytes in and out / cache bandwidth, and the part that leaves the cache / memory bandwidth, by class
    weights    bytes / memory bandwidth
    windows    pool windows / peak
    overhead   launches of layers with weights, of others, of batch norms and activations that run apart
"""

from __future__ import annotations

import numpy as np

from design.encoding import OPS, Column, EncodedDesigns, FloatArray, IntArray
from design.layer import Op
from predictors.descriptor import Descriptor
from predictors.descriptors import AnyDescriptor, anywhere, rows_of
from predictors.layer_terms import CATEGORIES, CLASS_OF_OP, CLASSES, SHAPES, categories, quantized
from predictors.roofline import executed_width, seconds_per_mac, seconds_table
from predictors.traffic import Traffic, run

COMPUTE = len(CATEGORIES) * SHAPES
SERIAL = 2 * COMPUTE
ELEMENTS = SERIAL + 1
SPILLED = ELEMENTS + len(CLASSES)
WEIGHTS = SPILLED + len(CLASSES)
WINDOWS = WEIGHTS + 1
OVERHEAD = WINDOWS + 1
TERMS = OVERHEAD + 3
_LANES, _POSITIONS, _SERIAL_S = 8.0, 16.0, 1e-9
_POOLS = (1 + OPS.index(Op.POOL_MAX), 1 + OPS.index(Op.POOL_AVERAGE))


def work_terms(rows: FloatArray, device: Descriptor) -> FloatArray:
    """Amounts of every distinct layer on one device, R x TERMS, in seconds at nominal speed per call."""
    terms = np.zeros((len(rows), TERMS))
    kind, width, batch = categories(rows), executed_width(rows, device), device.batch_size
    op = rows[:, Column.OP].astype(np.int64)
    weighted, real = kind >= 0, run(rows)
    index = np.flatnonzero(weighted)
    own = rows[index]
    groups = np.maximum(own[:, Column.GROUPS], 1)
    integer = (quantized(own, width[index]) > 0) & (width[index] > 1)
    macs = batch * own[:, Column.MACS] * seconds_per_mac(width[index], device)
    into = np.maximum(own[:, Column.IN_CHANNELS] / groups, 1)
    padded = np.ceil(into / device.binary_lanes) * device.binary_lanes / into
    macs = macs * np.where(width[index] == 1, padded, 1.0)
    first = kind[index] * SHAPES + COMPUTE * integer
    terms[index, first] = macs
    terms[index, first + 1] = macs * _LANES / own[:, Column.IN_CHANNELS]
    terms[index, first + 2] = macs * _LANES / own[:, Column.OUT_CHANNELS]
    terms[index, first + 3] = macs * _POSITIONS / np.maximum(batch * own[:, Column.OUT_POSITIONS], 1)
    terms[index, SERIAL] = _SERIAL_S * own[:, Column.MACS] / np.maximum(own[:, Column.OUT_ELEMENTS], 1)
    traffic = Traffic.of(rows, device)
    group, every = CLASS_OF_OP[op], np.arange(len(rows))
    terms[every, ELEMENTS + group] = traffic.activations / device.cache_bytes_per_second
    terms[every, SPILLED + group] = traffic.off_chip * traffic.activations / device.memory_bytes_per_second
    terms[:, WEIGHTS] = traffic.weights / device.memory_bytes_per_second
    window = np.isin(op, _POOLS) * rows[:, Column.KERNEL_HEIGHT] * rows[:, Column.KERNEL_WIDTH]
    terms[:, WINDOWS] = batch * window * rows[:, Column.OUT_ELEMENTS] / device.macs_per_second[device.float_bits]
    apart = device.eager * ((rows[:, Column.BATCH_NORM_CHANNELS] > 0) + rows[:, Column.ACTIVATION])
    terms[:, OVERHEAD] = weighted * device.launch_overhead_s
    terms[:, OVERHEAD + 1] = (real & ~weighted) * device.launch_overhead_s
    terms[:, OVERHEAD + 2] = real * apart * device.launch_overhead_s
    return terms


def design_terms(designs: EncodedDesigns, device: Descriptor) -> FloatArray:
    """Amounts of whole designs, N x TERMS."""
    terms = work_terms(designs.rows, device)
    return np.stack([terms[ids].sum(axis=0) for ids in designs.row_ids])


def part_of_terms() -> IntArray:
    """Index into `layer_terms.PARTS` of each term, TERMS."""
    compute = np.concatenate([np.repeat(np.arange(len(CATEGORIES)), SHAPES), np.full(COMPUTE, 7)])
    return np.concatenate([compute, [11], [8, 8, 8, 9] * 2, [10], [8], [11, 11, 11]])


def priced_seconds(
    rows: FloatArray, device: AnyDescriptor, prices: FloatArray, traffic: Traffic | None = None
) -> FloatArray:
    """Seconds of every distinct layer, R: what `work_terms(...) @ prices` gives, without the zeros in between.

    Args:
        rows: R x Column.
        device: Where they run; on D devices the seconds are D x R.
        prices: TERMS, of `PriceModel.prices`; of several devices D x TERMS.
        traffic: Of the rows on the device, where it is known already.
    """
    traffic = traffic or Traffic.of(rows, device)
    kind, runs, memory = categories(rows), run(rows), device.memory_bytes_per_second
    group = CLASS_OF_OP[rows[:, Column.OP].astype(np.int64)]
    seconds = traffic.off_chip * (prices[..., SPILLED:WEIGHTS] / memory).take(group, axis=-1)
    seconds += (prices[..., ELEMENTS:SPILLED] / device.cache_bytes_per_second).take(group, axis=-1)
    seconds *= traffic.activations
    seconds += traffic.weights * (prices[..., WEIGHTS, None] / memory)
    launch = device.launch_overhead_s * prices[..., OVERHEAD:]
    launch[..., 2] *= np.squeeze(device.eager)
    apart = (rows[:, Column.BATCH_NORM_CHANNELS] > 0) + rows[:, Column.ACTIVATION]
    if anywhere(device.eager):
        seconds += launch[..., 2, None] * (runs * apart)
    launch[..., 2] = 0
    seconds += launch.take(np.where(runs, np.where(kind >= 0, 0, 1), 2), axis=-1)
    op = rows[:, Column.OP]
    pools = np.flatnonzero((op == _POOLS[0]) | (op == _POOLS[1]))
    window = rows[pools, Column.KERNEL_HEIGHT] * rows[pools, Column.KERNEL_WIDTH] * rows[pools, Column.OUT_ELEMENTS]
    seconds[..., pools] += window * (device.batch_size * prices[..., WINDOWS, None] / device.float_macs_per_second)
    seconds += _product_seconds(rows, device, prices, kind)
    return np.asarray(seconds)


def _product_seconds(rows: FloatArray, device: AnyDescriptor, prices: FloatArray, kind: IntArray) -> FloatArray:
    """Of multiply-adds alone, R or D x R; `kind` as of `categories`."""
    width, batch = executed_width(rows, device), device.batch_size
    low = (width > 1) & (width <= 8)
    rate = batch * rows_of(device, seconds_table)
    code = np.where(kind >= 0, kind + len(CATEGORIES) * low, 0) * rate.shape[-1] + width
    own = prices[..., :SERIAL].reshape(*prices.shape[:-1], -1, SHAPES)
    table = own[..., None] * rate[..., None, None, :]
    priced = np.moveaxis(table, -2, 0).reshape(SHAPES, *prices.shape[:-1], -1)
    positions = np.maximum(batch * rows[:, Column.OUT_POSITIONS], 1)
    found = priced[3].take(code, axis=-1) * (_POSITIONS / positions)
    found += priced[2].take(code, axis=-1) * (_LANES / np.maximum(rows[:, Column.OUT_CHANNELS], 1))
    found += priced[1].take(code, axis=-1) * (_LANES / np.maximum(rows[:, Column.IN_CHANNELS], 1))
    found += priced[0].take(code, axis=-1)
    binary = np.flatnonzero(width == 1)
    into = np.maximum(rows[binary, Column.IN_CHANNELS] / np.maximum(rows[binary, Column.GROUPS], 1), 1)
    found[..., binary] *= np.ceil(into / device.binary_lanes) * device.binary_lanes / into
    found += (_SERIAL_S * prices[..., SERIAL, None]) / np.maximum(rows[:, Column.OUT_ELEMENTS], 1)
    found *= rows[:, Column.MACS] * (kind >= 0)
    return np.asarray(found)
