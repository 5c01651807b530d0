"""Nodes of activation quantizers and of nonlinearities.

Quantizers are written as the module computes them, in floats. QuantizeLinear and DequantizeLinear stand only around
layers that are to run on whole numbers: between them onnxruntime (seen with 1.32) rounds the weights of any
convolution to 8 bits by itself, also those that are meant to stay as they are.
"""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto
from torch import nn

from design.layer import Activation
from networks.errors import InvalidArtefact, UnsupportedLayer
from networks.export.graph import Graph
from networks.export.grid import LEVELS, Grid, grid_of
from networks.quantizers.binary import BinaryActivations
from networks.quantizers.half import HalfPrecision
from networks.quantizers.learned_step import LearnedStepActivations
from networks.quantizers.options import Half
from networks.quantizers.start import StartsFromData
from networks.quantizers.uniform import UniformActivations

HALVES = {Half.FLOAT16: TensorProto.FLOAT16, Half.BFLOAT16: TensorProto.BFLOAT16}
_HALF_TYPES = {"torch.float16": Half.FLOAT16, "torch.bfloat16": Half.BFLOAT16}
_LARGEST = {Half.FLOAT16: 65504.0, Half.BFLOAT16: 3.3895313892515355e38}


def quantized(graph: Graph, quantizer: nn.Module | None, source: str, prefix: str) -> str:
    """The value that `quantizer` makes of `source`, called `prefix` with something behind it.

    Raises:
        InvalidArtefact: A learned step that has not started.
        UnsupportedLayer: A quantizer that is not known.
    """
    if isinstance(quantizer, StartsFromData) and not bool(quantizer.started):
        raise InvalidArtefact(
            "learned steps must have started before a network is exported", prefix, "Run one batch through the network."
        )
    if quantizer is None:
        return source
    if isinstance(quantizer, LearnedStepActivations):
        return _stepped(graph, quantizer, source, prefix)
    if isinstance(quantizer, BinaryActivations):
        return _signs(graph, quantizer, source, prefix)
    if isinstance(quantizer, HalfPrecision):
        return _rounded(graph, quantizer, source, prefix)
    if isinstance(quantizer, UniformActivations):
        return _levels(graph, quantizer, source, prefix)
    raise UnsupportedLayer("quantizers must be known to be exported", f"{type(quantizer).__name__} at {prefix!r}")


def on_grid(graph: Graph, grid: Grid, source: str, prefix: str, output: str | None = None) -> str:
    """`source` rounded to a grid and back; fewer bits are cut on the codes, where that is cheapest."""
    codes = codes_of(graph, grid, source, prefix)
    return values_of(graph, grid, codes, prefix, output or f"{prefix}/levels")


def codes_of(graph: Graph, grid: Grid, source: str, prefix: str) -> str:
    """The codes of a value, as bytes."""
    codes = graph.node("QuantizeLinear", [source, *_scale(graph, grid, prefix)], f"{prefix}/codes")
    if (grid.low, grid.high) != (0, LEVELS):
        low, high = (
            graph.constant(f"{prefix}/{end}", np.uint8(code))  # type: ignore[arg-type]
            for end, code in (("low", grid.low), ("high", grid.high))
        )
        codes = graph.node("Clip", [codes, low, high], f"{prefix}/cut")
    return codes


def values_of(graph: Graph, grid: Grid, codes: str, prefix: str, output: str) -> str:
    """The values of codes."""
    return graph.node("DequantizeLinear", [codes, *_scale(graph, grid, prefix)], output)


def _scale(graph: Graph, grid: Grid, prefix: str) -> tuple[str, str]:
    step = graph.constant(f"{prefix}/step", np.asarray(grid.step, dtype=np.float32))
    return step, graph.constant(f"{prefix}/zero", np.asarray(grid.zero, dtype=np.uint8))


def kept_float(graph: Graph, source: str, prefix: str) -> str:
    """The same values, but no longer right behind DequantizeLinear: what reads them stays on floats (see above)."""
    lowest = graph.constant(f"{prefix}/lowest", np.asarray(np.finfo(np.float32).min, dtype=np.float32))
    return graph.node("Max", [source, lowest], f"{prefix}/float")


def _stepped(graph: Graph, quantizer: LearnedStepActivations, source: str, prefix: str) -> str:
    """Levels of a learned step: divided, cut, rounded to even, multiplied, in the module's order."""
    grid = grid_of(quantizer)
    step, low, high = (
        graph.constant(f"{prefix}/{key}", np.asarray(value, dtype=np.float32))
        for key, value in (("step", grid.step), ("low", grid.low - grid.zero), ("high", grid.high - grid.zero))
    )
    source = graph.node("Div", [source, step], f"{prefix}/scaled")
    source = graph.node("Round", [graph.node("Clip", [source, low, high], f"{prefix}/cut")], f"{prefix}/numbers")
    return graph.node("Mul", [source, step], f"{prefix}/levels")


def _signs(graph: Graph, quantizer: BinaryActivations, source: str, prefix: str) -> str:
    """+1 and -1 by the sign bit, as the module takes it: ONNX gives 0 for 0, so the sign is that of 1 / x.

    1 / +0 is +infinity and 1 / -0 is -infinity, whose signs are +1 and -1.
    """
    if quantizer.shift is not None:
        shift = quantizer.shift.detach().cpu().numpy().reshape(-1, 1, 1)
        source = graph.node("Sub", [source, graph.constant(f"{prefix}/shift", shift)], f"{prefix}/shifted")
    return graph.node("Sign", [graph.node("Reciprocal", [source], f"{prefix}/inverse")], f"{prefix}/sign")


def _rounded(graph: Graph, quantizer: HalfPrecision, source: str, prefix: str) -> str:
    half = _HALF_TYPES[str(quantizer.dtype)]
    low, high = (
        graph.constant(f"{prefix}/{end}", np.asarray(value, dtype=np.float32))
        for end, value in (("smallest", -_LARGEST[half]), ("largest", _LARGEST[half]))
    )
    source = graph.node("Clip", [source, low, high], f"{prefix}/clipped")
    source = graph.node("Cast", [source], f"{prefix}/half", to=HALVES[half])
    return graph.node("Cast", [source], f"{prefix}/whole", to=TensorProto.FLOAT)


def _levels(graph: Graph, quantizer: UniformActivations, source: str, prefix: str) -> str:
    """Fixed levels, operation by operation as `networks.quantizers.uniform` computes them."""
    low = 0.0 if quantizer.unsigned else -1.0
    steps = 2**quantizer.bits - 1
    lowest = graph.constant(f"{prefix}/lowest", np.asarray(low, dtype=np.float32))
    if quantizer.clipped:
        highest = graph.constant(f"{prefix}/highest", np.asarray(1, dtype=np.float32))
        source = graph.node("Clip", [source, lowest, highest], f"{prefix}/clipped")
    factor = graph.constant(f"{prefix}/factor", np.asarray(steps / (1 - low), dtype=np.float32))
    width = graph.constant(f"{prefix}/width", np.asarray((1 - low) / steps, dtype=np.float32))
    source = graph.node("Sub", [source, lowest], f"{prefix}/above")
    source = graph.node("Mul", [source, factor], f"{prefix}/scaled")
    source = graph.node("Round", [source], f"{prefix}/round")
    source = graph.node("Mul", [source, width], f"{prefix}/widened")
    return graph.node("Add", [source, lowest], f"{prefix}/level")


def nonlinear(graph: Graph, kind: Activation, source: str, output: str) -> str:
    """The nonlinearity `kind` of a value.

    Raises:
        UnsupportedLayer: One without a name.
    """
    if kind is Activation.NONE:
        return graph.node("Identity", [source], output)
    if kind is Activation.RELU:
        return graph.node("Relu", [source], output)
    if kind is Activation.RELU6:
        ends = [graph.constant(f"{output}/{end}", np.asarray(end, dtype=np.float32)) for end in (0, 6)]
        return graph.node("Clip", [source, *ends], output)
    if kind is Activation.HARD_SWISH:
        return graph.node("HardSwish", [source], output)
    if kind is Activation.HARD_SIGMOID:
        return graph.node("HardSigmoid", [source], output, alpha=1 / 6, beta=0.5)
    if kind is Activation.SIGMOID:
        return graph.node("Sigmoid", [source], output)
    if kind is Activation.SWISH:
        return graph.node("Mul", [source, graph.node("Sigmoid", [source], f"{output}/sigmoid")], output)
    if kind is Activation.GELU:
        return _gelu(graph, source, output)
    raise UnsupportedLayer(f"the activation of layer {output!r} must be one that ONNX has", repr(kind.value))


def _gelu(graph: Graph, source: str, output: str) -> str:
    """X / 2 * (1 + erf(x / sqrt(2)))."""
    root = graph.constant(f"{output}/root", np.asarray(math.sqrt(0.5), dtype=np.float32))
    one = graph.constant(f"{output}/one", np.asarray(1, dtype=np.float32))
    half = graph.constant(f"{output}/half_of", np.asarray(0.5, dtype=np.float32))
    share = graph.node("Erf", [graph.node("Mul", [source, root], f"{output}/scaled")], f"{output}/erf")
    share = graph.node("Add", [share, one], f"{output}/share")
    return graph.node("Mul", [graph.node("Mul", [source, share], f"{output}/product"), half], output)
