"""Layer terms: the amounts of work in each layer that the layer model gives a price to.

A layer's time is a sum of terms, amount x factor. Amounts are seconds at nominal speed:

    compute    MACs x (1, 8 / in_c, 8 / out_c, 16 / positions) / peak, apart by category and for floats and int8
    elements   bytes in and out / (clock x vector bytes), and the part that leaves the cache / bandwidth
    weights    bytes / bandwidth
    overhead   a microsecond at 1 GHz per layer
"""

from __future__ import annotations

import numpy as np

from design.encoding import OPS, Column, EncodedDesigns, FloatArray, IntArray
from design.layer import Op
from predictors.cpu_facts import CpuFacts
from predictors.descriptors import Figure
from predictors.several_cpus import AnyCpu

CATEGORIES = ("conv_1x1", "conv_3x3", "conv_other", "depthwise", "grouped", "fc", "gemm")
SHAPES = 4
COMPUTE = len(CATEGORIES) * SHAPES
CLASSES = ("plain", "heavy", "light", "weighted")
"""Element-wise work: heavy are softmax, norm and resize, light are pools and activations."""
_VECTOR, _CACHE = 2 * COMPUTE, 2 * COMPUTE + len(CLASSES)
_WEIGHTS = _CACHE + len(CLASSES)
_OVERHEAD = _WEIGHTS + 1
TERMS = _OVERHEAD + 2
PARTS = (*CATEGORIES, "int8", "elements", "weighted_elements", "weights", "overhead")
"""What the shares of time are counted in."""
IS_COMPUTE = np.arange(TERMS) < 2 * COMPUTE
IS_INT8 = IS_COMPUTE & (np.arange(TERMS) >= COMPUTE)
CATEGORY_OF_TERM = np.concatenate([np.repeat(np.arange(7), SHAPES)] * 2)
SHAPE_OF_TERM = np.tile(np.arange(SHAPES), 2 * len(CATEGORIES))
PART_OF_TERM = np.concatenate([np.repeat(np.arange(7), SHAPES), [7] * COMPUTE, [8, 8, 8, 9] * 2, [10, 11, 11]])
_HEAVY = (Op.SOFTMAX, Op.NORM, Op.RESIZE)
_LIGHT = (Op.POOL_MAX, Op.POOL_AVERAGE, Op.ACTIVATION)
_LANES, _POSITIONS = 8.0, 16.0
_CONV_OTHER, _FC, _GEMM = 2, 5, 6
_KINDS = {Op.CONV: _CONV_OTHER, Op.DECONV: _CONV_OTHER, Op.FC: _FC, Op.ATTENTION: _GEMM}
_CATEGORY_OF_OP = np.array([-1, *(_KINDS.get(op, -1) for op in OPS)])
CLASS_OF_OP = np.array([0, *(3 if op in _KINDS else 1 if op in _HEAVY else 2 if op in _LIGHT else 0 for op in OPS)])


def categories(rows: FloatArray) -> IntArray:
    """Index into CATEGORIES of each row (R), -1 without multiply-adds."""
    op = rows[:, Column.OP].astype(np.int64)
    kind = _CATEGORY_OF_OP[op]
    high, wide = rows[:, Column.KERNEL_HEIGHT], rows[:, Column.KERNEL_WIDTH]
    conv, plain = kind == _CONV_OTHER, op == 1 + OPS.index(Op.CONV)
    square = conv & plain & (high == 3) & (wide == 3) & (rows[:, Column.STRIDE] == 1)
    kind[square] = 1
    kind[conv & (high == 1) & (wide == 1)] = 0
    kind[conv & plain & (rows[:, Column.GROUPS] > 1)] = 4
    kind[conv & plain & (rows[:, Column.DEPTHWISE] > 0)] = 3
    return np.where((kind == _FC) & (rows[:, Column.OUT_POSITIONS] > 1), _GEMM, kind)


def quantized(rows: FloatArray, width: IntArray) -> FloatArray:
    """1 where a row computes with integers of 8 bits or fewer, R; `width` as of `roofline.executed_width`."""
    return ((width > 0) & (width <= 8) & (rows[:, Column.MACS] > 0)).astype(np.float64)


def _moved(rows: FloatArray, facts: AnyCpu) -> FloatArray:
    """Bytes of inputs and outputs, R."""
    bits = 8 * facts.float_bytes
    read = rows[:, Column.IN_ELEMENTS] * np.minimum(rows[:, Column.ACTIVATION_BITS], bits)
    written = rows[:, Column.OUT_ELEMENTS] * np.minimum(rows[:, Column.OUT_BITS], bits)
    return np.asarray(np.maximum((read + written) / 8, 1e-9))


def _weight_bytes(rows: FloatArray, integer: FloatArray, facts: AnyCpu) -> FloatArray:
    """Bytes of weights and biases, R."""
    bits = np.where(integer > 0, np.minimum(rows[:, Column.WEIGHT_BITS], 8.0), 8 * facts.float_bytes)
    return np.asarray((rows[:, Column.WEIGHTS] + rows[:, Column.BIASES]) * bits / 8)


def row_terms(rows: FloatArray, width: IntArray, facts: CpuFacts, batch: int = 1) -> FloatArray:
    """Amounts of every distinct layer on one CPU, R x TERMS, in seconds at nominal speed per call.

    Args:
        rows: R x Column.
        width: R, bits that a layer computes at (0 without weights).
        facts: The CPU.
        batch: Pictures per call.
    """
    terms = np.zeros((len(rows), TERMS))
    kind, integer = categories(rows), quantized(rows, width)
    weighted = kind >= 0
    index = np.flatnonzero(weighted)
    first = kind[index] * SHAPES + COMPUTE * integer[index].astype(np.int64)
    macs = batch * rows[index, Column.MACS] / facts.macs_per_second
    macs = macs / np.where(width[index] == 1, facts.binary_speedup, 1.0)
    terms[index, first] = macs
    terms[index, first + 1] = macs * _LANES / rows[index, Column.IN_CHANNELS]
    terms[index, first + 2] = macs * _LANES / rows[index, Column.OUT_CHANNELS]
    terms[index, first + 3] = macs * _POSITIONS / np.maximum(rows[index, Column.OUT_POSITIONS], 1)
    real = rows[:, Column.OP] > 0
    moved = _moved(rows, facts)
    group = CLASS_OF_OP[rows[:, Column.OP].astype(np.int64)]
    every = np.arange(len(rows))
    memory = 1e9 * facts.bandwidth_gbps
    terms[every, _VECTOR + group] = real * batch * moved / (1e9 * facts.clock_ghz * facts.vector_bits / 8)
    terms[every, _CACHE + group] = real * batch * moved / (1 + 1e3 * facts.cache_kb / moved) / memory
    terms[:, _WEIGHTS] = _weight_bytes(rows, integer, facts) / memory
    terms[:, _OVERHEAD] = weighted * 1e-6 / facts.clock_ghz
    terms[:, _OVERHEAD + 1] = (real & ~weighted) * 1e-6 / facts.clock_ghz
    return terms


def row_seconds(rows: FloatArray, width: IntArray, facts: CpuFacts, prices: FloatArray, batch: int = 1) -> FloatArray:
    """Seconds of every distinct layer, R: what `row_terms(...) @ prices` gives, without the zeros in between.

    Args:
        rows: R x Column.
        width: R, bits that a layer computes at (0 without weights).
        facts: The CPU.
        prices: TERMS, of `LayerModel.prices`.
        batch: Pictures per call.
    """
    seconds, products = row_parts(rows, width, facts, prices, batch)
    return np.asarray(seconds + products / np.where(width == 1, facts.binary_speedup, 1.0))


def row_parts(
    rows: FloatArray, width: IntArray, facts: AnyCpu, prices: FloatArray, batch: Figure = 1
) -> tuple[FloatArray, FloatArray]:
    """Seconds of all but multiply-adds, and of multiply-adds at the rate of int8 if binary, of every distinct layer.

    Args:
        rows: R x Column.
        width: As for `row_seconds`.
        facts: One CPU, for R seconds each, or D of them, for D x R.
        prices: TERMS, or D x TERMS.
        batch: Pictures per call, or D x 1.
    """
    kind, integer = categories(rows), quantized(rows, width)
    op = rows[:, Column.OP].astype(np.int64)
    moved, memory = batch * _moved(rows, facts), 1e9 * facts.bandwidth_gbps
    vector = prices[..., _VECTOR:_CACHE] / (1e9 * facts.clock_ghz * facts.vector_bits / 8)
    spilled = (prices[..., _CACHE:_WEIGHTS] / memory).take(CLASS_OF_OP[op], axis=-1)
    seconds = moved * (vector.take(CLASS_OF_OP[op], axis=-1) + spilled / (1 + 1e3 * facts.cache_kb * batch / moved))
    seconds += _weight_bytes(rows, integer, facts) * (prices[..., _WEIGHTS, None] / memory)
    launch = prices[..., _OVERHEAD:] * (1e-6 / facts.clock_ghz)
    seconds += launch.take(np.where(kind >= 0, 0, 1), axis=-1)
    seconds *= op > 0
    shape = prices[..., : 2 * COMPUTE].reshape(*prices.shape[:-1], -1, SHAPES)
    code = np.where(kind >= 0, kind, 0) + len(CATEGORIES) * integer.astype(np.int64)
    products = shape[..., 3].take(code, axis=-1) * (_POSITIONS / np.maximum(rows[:, Column.OUT_POSITIONS], 1))
    products += shape[..., 2].take(code, axis=-1) * (_LANES / np.maximum(rows[:, Column.OUT_CHANNELS], 1))
    products += shape[..., 1].take(code, axis=-1) * (_LANES / np.maximum(rows[:, Column.IN_CHANNELS], 1))
    products += shape[..., 0].take(code, axis=-1)
    products *= rows[:, Column.MACS] * (kind >= 0)
    products *= batch / facts.macs_per_second
    return seconds, products


def network_terms(designs: EncodedDesigns, width: IntArray, facts: CpuFacts) -> FloatArray:
    """Amounts of whole designs, N x TERMS."""
    terms = row_terms(designs.rows, width, facts)
    return np.stack([terms[ids].sum(axis=0) for ids in designs.row_ids])
