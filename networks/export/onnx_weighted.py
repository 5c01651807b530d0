"""Nodes of layers with weights: convolutions, linear layers, attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor, nn

from networks.errors import UnsupportedLayer
from networks.export.graph import Array, Graph
from networks.export.grid import grid_of
from networks.export.integer import is_single
from networks.export.onnx_activations import on_grid, quantized
from networks.export.onnx_operations import reshaped
from networks.export.onnx_weights import integer_weights, plain_weights
from networks.layers import Attention, Norm, Quantized, QuantizedConv2d, QuantizedDeconv2d
from networks.network import Unit
from networks.quantizers.learned_step import LearnedStepActivations


class Weighted:
    """Writes the operation of a unit with weights, a norm right behind it folded in.

    Args:
        graph: Where.
        unit: The layer.
        norm: The norm to fold in, or None.
        integer: On whole numbers (see `networks.export.integer`).
    """

    def __init__(self, graph: Graph, unit: Unit, norm: nn.Module | None, *, integer: bool) -> None:
        self.graph, self.unit, self.integer = graph, unit, integer
        self.name = unit.step.layer.name
        self.unit_of_bias = 0.0
        self.scale: Array | None = None
        self.shift: Array | None = None
        if norm is not None:
            assert isinstance(norm, Norm)
            self.scale, self.shift = (value.detach().cpu().numpy().astype(np.float64) for value in norm.folded())

    def write(self, source: str, rounded: bool, output: str) -> str:
        """The operation.

        Args:
            source: What it reads.
            rounded: Whether that lies on the levels of the layer's quantizer already.
            output: What it computes.

        Raises:
            UnsupportedLayer: An operation that is not known.
        """
        part = self.unit.operation
        if isinstance(part, Attention):
            return self._attention(part, source, output)
        assert isinstance(part, Quantized)
        if is_single(self.unit):
            return self._product(part, source, output)
        read = self._read(part, source, self.name, rounded=rounded)
        if isinstance(part, QuantizedDeconv2d):
            return self._transposed(part, read, output)
        layer = self.unit.step.layer
        shape: tuple[int, ...] = tuple(part.weight.shape)
        attributes: dict[str, Any] = {"kernel_shape": [1, 1]}
        if isinstance(part, QuantizedConv2d):
            attributes = _window(part)
        else:
            shape = (layer.out_channels, layer.in_channels, 1, 1)
        return self._computed("Conv", part, read, output, shape, **attributes)

    def _read(self, part: Quantized, source: str, prefix: str, *, rounded: bool = False) -> str:
        quantizer, prefix = part.activation_quantizer, f"{prefix}/read"
        if rounded:
            return source
        if self.integer:
            assert isinstance(quantizer, LearnedStepActivations)
            return on_grid(self.graph, grid_of(quantizer), source, prefix)
        return quantized(self.graph, quantizer, source, prefix)

    def _bias(self, part: Quantized) -> Array | None:
        """Bias and shift of the norm together."""
        bias = part.bias.detach().cpu().numpy().astype(np.float64) if isinstance(part.bias, Tensor) else None
        if self.scale is None or self.shift is None:
            return bias
        return self.shift if bias is None else bias * self.scale + self.shift

    def _computed(
        self, op: str, part: Quantized, read: str, output: str, shape: tuple[int, ...], **attributes: Any
    ) -> str:
        """An operator with its weight and bias."""
        bias = self._bias(part)
        if self.integer:
            quantizer = part.activation_quantizer
            assert isinstance(quantizer, LearnedStepActivations)
            filled = np.zeros(shape[0]) if bias is None else bias
            step = grid_of(quantizer).step
            *names, self.unit_of_bias = integer_weights(
                self.graph, part, f"{self.name}/filters", scale=self.scale, bias=filled, input_step=step, shape=shape
            )
            return self.graph.node(op, [read, *names], output, name=self.name, **attributes)
        inputs = [read, plain_weights(self.graph, part, f"{self.name}/filters", scale=self.scale, shape=shape)]
        if bias is not None:
            inputs.append(self.graph.constant(f"{self.name}/bias", bias.astype(np.float32)))
        return self.graph.node(op, inputs, output, name=self.name, **attributes)

    def _product(self, part: Quantized, source: str, output: str) -> str:
        """A linear layer at one position, as a product of matrices, which reads levels directly."""
        row = source
        if isinstance(part.activation_quantizer, LearnedStepActivations):
            row = self.graph.node("Flatten", [row], f"{self.name}/flat", axis=1)
            row = self._read(part, row, self.name)
        else:  # shifts of signs stand per channel of N x C x H x W
            row = self._read(part, row, self.name)
            row = self.graph.node("Flatten", [row], f"{self.name}/flat", axis=1)
        made = self._computed("Gemm", part, row, f"{output}/row", tuple(part.weight.shape), transB=1)
        return reshaped(self.graph, made, output, (0, self.unit.step.layer.out_channels, 1, 1))

    def _transposed(self, part: QuantizedDeconv2d, read: str, output: str) -> str:
        """A transposed convolution; its weights are stored as floats, the input channels first."""
        weight = part.filters_first(part.quantized_weight().detach())
        values = weight.cpu().numpy() * (1 if self.scale is None else self.scale.reshape(-1, 1, 1, 1))
        stored = part.as_stored(weight.new_tensor(values.astype(np.float32))).cpu().numpy()
        inputs = [read, self.graph.constant(f"{self.name}/weight", stored)]
        bias = self._bias(part)
        if bias is not None:
            inputs.append(self.graph.constant(f"{self.name}/bias", bias.astype(np.float32)))
        extra = list(part.output_padding)
        attributes = _window(part) | {"output_padding": extra}
        return self.graph.node("ConvTranspose", inputs, output, name=self.name, **attributes)

    def _attention(self, part: Attention, source: str, output: str) -> str:
        """Attention over positions, with channels in front: projections are convolutions of 1 x 1."""
        graph, name = self.graph, self.name
        channels, height, width = self.unit.step.layer.in_shape
        size, tokens = channels // part.heads, height * width
        split = {}
        for key in ("query", "key", "value"):
            made = self._projection(getattr(part, key), source, f"{name}/{key}", channels)
            split[key] = reshaped(graph, made, f"{name}/{key}/heads", (0, part.heads, size, tokens))
        factor = graph.constant(f"{name}/factor", np.asarray(1 / math.sqrt(size), dtype=np.float32))
        turned = graph.node("Transpose", [split["query"]], f"{name}/turned", perm=[0, 1, 3, 2])
        scores = graph.node("MatMul", [turned, split["key"]], f"{name}/products")
        scores = graph.node("Mul", [scores, factor], f"{name}/scores")
        shares = graph.node("Softmax", [scores], f"{name}/shares", axis=-1)
        shares = graph.node("Transpose", [shares], f"{name}/shares_turned", perm=[0, 1, 3, 2])
        mixed = graph.node("MatMul", [split["value"], shares], f"{name}/mixed")
        joined = reshaped(graph, mixed, f"{name}/joined", (0, channels, height, width))
        made = self._projection(part.output, joined, f"{name}/output", channels)
        return graph.node("Identity", [made], output, name=name)

    def _projection(self, part: Quantized, source: str, prefix: str, channels: int) -> str:
        read = quantized(self.graph, part.activation_quantizer, source, f"{prefix}/read")
        inputs = [
            read,
            plain_weights(self.graph, part, f"{prefix}/filters", scale=None, shape=(channels, channels, 1, 1)),
        ]
        if isinstance(part.bias, Tensor):
            inputs.append(self.graph.constant(f"{prefix}/bias", part.bias.detach().cpu().numpy()))
        return self.graph.node("Conv", inputs, prefix, kernel_shape=[1, 1])


def _window(part: nn.Conv2d | nn.ConvTranspose2d) -> dict[str, Any]:
    """Attributes of a convolution."""
    if isinstance(part.padding, str) or part.padding_mode != "zeros":
        raise UnsupportedLayer("a convolution must be padded with a number of zeros", repr(part.padding))
    rows, columns = part.padding
    return {
        "kernel_shape": list(part.kernel_size),
        "strides": list(part.stride),
        "pads": [int(rows), int(columns), int(rows), int(columns)],
        "dilations": list(part.dilation),
        "group": part.groups,
    }
