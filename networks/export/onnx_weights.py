"""Weights in an ONNX graph: stored at their own number of bits, and ready before the first picture.

Under 16 bits the file holds the packed whole numbers (`networks.bits`), one scale a filter and a few nodes that unpack
them. Those nodes read constants alone, so a runtime computes them once, when it loads the model.
"""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto

from networks.bits import packed
from networks.export.graph import Array, Graph
from networks.layers import Quantized

MOST = 127
"""Largest int8 used; -128 only where a code of 8 bits is it."""
INTEGER_LIMIT = 2**30
"""Largest magnitude of a bias in units of its accumulator; int32 leaves as much again for the products."""


def plain_weights(graph: Graph, part: Quantized, prefix: str, *, scale: Array | None, shape: tuple[int, ...]) -> str:
    """The weight that a layer computes with, as floats.

    Args:
        graph: Where.
        part: The layer.
        prefix: Of names.
        scale: Factor of each output filter (a norm folded in), or None.
        shape: Of the weight as the operator takes it, the filters first.
    """
    weight = part.filters_first(part.weight.detach()).cpu()
    bits = part.precision.weight_bits
    if part.weight_codes is None and (bits == 32 or scale is not None):
        # a half that a norm is folded into is a half no longer
        values = part.filters_first(part.quantized_weight().detach()).cpu().numpy()
        factors = 1 if scale is None else scale.reshape(-1, *(1,) * (values.ndim - 1))
        return graph.constant(f"{prefix}/weight", (values * factors).astype(np.float32).reshape(shape))
    if part.weight_codes is None:
        halves = part.filters_first(part.quantized_weight().detach()).cpu()
        dtype = torch.float16 if bool((halves.to(torch.float16).float() == halves).all()) else torch.float32
        stored = graph.constant(f"{prefix}/weight16", halves.to(dtype).numpy().reshape(shape))
        return graph.node("Cast", [stored], f"{prefix}/weight", to=TensorProto.FLOAT)
    codes, (lowest, stride) = part.weight_codes.codes(weight), part.weight_codes.grid
    own = codes.scale.cpu().numpy() * (1 if scale is None else scale)
    numbers = _unpacked(graph, codes.values.cpu().numpy(), bits, lowest, stride, prefix, shape)
    factors = own.astype(np.float32).reshape(-1, *(1,) * (len(shape) - 1))
    return graph.node("Mul", [numbers, graph.constant(f"{prefix}/scale", factors)], f"{prefix}/weight")


def _unpacked(
    graph: Graph, values: Array, bits: int, lowest: int, stride: int, prefix: str, shape: tuple[int, ...]
) -> str:
    """The whole numbers as floats."""
    if bits == 8:
        stored = graph.constant(f"{prefix}/weight8", values.astype(np.int8).reshape(shape))
        return graph.node("Cast", [stored], f"{prefix}/numbers", to=TensorProto.FLOAT)
    target = graph.constant(f"{prefix}/weight_shape", np.asarray(shape, dtype=np.int64))
    numbers = ((values.ravel() - lowest) // stride).astype(np.uint8)
    data = np.frombuffer(packed(numbers, bits), dtype=np.uint8)
    stored = graph.constant(f"{prefix}/weight{bits}", data.reshape(-1, 1))
    shifts = graph.constant(f"{prefix}/shifts", np.arange(0, 8, bits, dtype=np.uint8))
    mask = graph.constant(f"{prefix}/mask", np.asarray(2**bits - 1, dtype=np.uint8))
    flat = graph.constant(f"{prefix}/flat", np.asarray([-1], dtype=np.int64))
    start = graph.constant(f"{prefix}/start", np.asarray([0], dtype=np.int64))
    end = graph.constant(f"{prefix}/end", np.asarray([values.size], dtype=np.int64))
    value = graph.node("BitShift", [stored, shifts], f"{prefix}/shifted", direction="RIGHT")
    value = graph.node("BitwiseAnd", [value, mask], f"{prefix}/masked")
    value = graph.node("Reshape", [value, flat], f"{prefix}/row")
    value = graph.node("Slice", [value, start, end], f"{prefix}/cut")
    value = graph.node("Reshape", [value, target], f"{prefix}/shaped")
    value = graph.node("Cast", [value], f"{prefix}/counted", to=TensorProto.FLOAT)
    step = graph.constant(f"{prefix}/stride", np.asarray(stride, dtype=np.float32))
    low = graph.constant(f"{prefix}/lowest", np.asarray(lowest, dtype=np.float32))
    return graph.node("Add", [graph.node("Mul", [value, step], f"{prefix}/spread"), low], f"{prefix}/numbers")


def integer_weights(
    graph: Graph,
    part: Quantized,
    prefix: str,
    *,
    scale: Array | None,
    bias: Array,
    input_step: float,
    shape: tuple[int, ...],
) -> tuple[str, str, float]:
    """Weights as int8 with one scale a filter, and the bias as int32 in units of the accumulator.

    Few bits are spread: numbers times a whole factor that still fits, the scale divided by it. The weights are the
    same, and the bias, which is rounded to input step times scale, is up to 127 times closer. Scales are positive:
    where a norm turns a filter round, its numbers are turned. A filter whose scale is so small that the bias would
    overflow is rounded to a larger one, where nothing is lost beside such a bias.

    Args:
        graph: Where.
        part: A layer of 8-bit weights or fewer.
        prefix: Of names.
        scale: Factor of each output filter (a norm folded in), or None.
        bias: Of each filter.
        input_step: Of what the layer reads.
        shape: Of the weight as the operator takes it, the filters first.

    Returns:
        Names of weight and bias as floats, which runtimes fuse away, and the largest unit that a bias is rounded to.
    """
    assert part.weight_codes is not None
    codes = part.weight_codes.codes(part.filters_first(part.weight.detach()).cpu())
    values = codes.values.numpy().astype(np.float64)
    spread = MOST // np.maximum(np.abs(values).reshape(len(values), -1).max(1), 1)
    factors = codes.scale.numpy().astype(np.float64) * (1 if scale is None else scale) / spread
    step = np.float32(input_step)
    smallest = np.abs(bias) / (float(step) * INTEGER_LIMIT)
    own = np.maximum(np.maximum(np.abs(factors), smallest), np.finfo(np.float32).tiny * 2**24).astype(np.float32)
    per_filter = (-1, *(1,) * (values.ndim - 1))
    whole = np.rint(values * (spread * factors / own).reshape(per_filter)).clip(-128, 127).astype(np.int8)
    weight = graph.constant(f"{prefix}/weight8", whole.reshape(shape))
    scales = graph.constant(f"{prefix}/scale", own)
    zeros = graph.constant(f"{prefix}/weight_zero", np.zeros(len(own), dtype=np.int8))
    units = (own * step).astype(np.float32)
    numbers = np.rint(bias / units.astype(np.float64)).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
    stored = graph.constant(f"{prefix}/bias32", numbers)
    unit = graph.constant(f"{prefix}/bias_scale", units)
    none = graph.constant(f"{prefix}/bias_zero", np.zeros(len(own), dtype=np.int32))
    return (
        graph.node("DequantizeLinear", [weight, scales, zeros], f"{prefix}/weight", axis=0),
        graph.node("DequantizeLinear", [stored, unit, none], f"{prefix}/bias", axis=0),
        float(units.max()),
    )
