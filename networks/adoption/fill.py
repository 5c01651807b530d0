"""Fill: weights of a user's model put into the units of a network, from the nodes that each layer was made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from design.layer import Activation, Layer, Op
from networks.adoption.source import Array, Constants
from networks.errors import NotAdopted
from networks.layers import Norm, Quantized
from networks.network import Unit
from networks.operations import ACTIVATIONS
from networks.pad import Pad
from networks.tracing.graph import Node

_REFUSED = {
    Op.ATTENTION: "Attention cannot be cut yet: adopt the part of the model around it.",
    Op.MATMUL: "Products of two tensors cannot be cut yet: adopt the part of the model around them.",
}
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def check_layers(layers: tuple[Layer, ...], origins: Mapping[str, tuple[Node, ...]]) -> None:
    """Refuse what a network cannot hold.

    Args:
        layers: Of the model.
        origins: Layer -> the nodes that it was made of, in order.

    Raises:
        NotAdopted: With the first such layer.
    """
    for layer in layers:
        if layer.op in _REFUSED:
            raise NotAdopted(
                f"layer {layer.name!r} must be one that can be rebuilt with its weights",
                layer.op.value,
                _REFUSED[layer.op],
                layer=layer.name,
            )
        if layer.constants:
            raise NotAdopted(
                f"layer {layer.name!r} ({layer.op.value}) must not store values beside weights, biases and batch norms",
                f"{layer.constants} values",
                "Learned slopes, embeddings and scales cannot be rebuilt.",
                layer=layer.name,
            )
        _check_function(layer, origins.get(layer.name, ()))


def _check_function(layer: Layer, nodes: tuple[Node, ...]) -> None:
    """Refuse functions of elements that the vocabulary has no name for, by the node that they came from."""
    got = f"{nodes[-1].op} (node {nodes[-1].where or nodes[-1].name})" if nodes else layer.activation.value
    if layer.activation is Activation.OTHER:
        raise NotAdopted(
            f"the activation of layer {layer.name!r} must be one of {', '.join(ACTIVATIONS)} to be rebuilt",
            got,
            "Train the model with one of these in its place.",
            layer=layer.name,
        )
    if layer.op is Op.SOFTMAX and any(node.op == "LogSoftmax" for node in nodes):
        raise NotAdopted(
            f"layer {layer.name!r} must be one that can be rebuilt with its weights",
            got,
            "Return the logits: log_softmax behind the classifier is not rebuilt; leave it out, the class with the "
            "largest logit is the same.",
            layer=layer.name,
        )


def fill_(unit: Unit, nodes: tuple[Node, ...], constants: Constants) -> str:
    """Write the weights, biases and norms of one unit, or where the channels of a pad come from.

    Returns:
        The tensor of the model that the weights are stored in; empty where there are none.

    Raises:
        NotAdopted: A node that is not followed.
    """
    writer = _Writer(unit, constants)
    for node in nodes:
        writer.take(node)
    with torch.no_grad():
        writer.write()
    return writer.stored


_ACTIVATIONS = frozenset(
    {"Relu", "Clip", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Elu", "Gelu", "Softplus"}
)
"""What may stand behind a norm and has no weights; what they compute is compared layer by layer."""


class _Writer:
    """What a layer computes, put together node by node: `(weight x + bias)`, then a norm."""

    def __init__(self, unit: Unit, constants: Constants) -> None:
        self.unit, self.constants = unit, constants
        self.layer = unit.step.layer
        self.weight: Array | None = None
        self.bias: Array | None = None
        self.norm: list[Array] | None = None
        self.eps = 1e-5
        self.stored = ""

    def take(self, node: Node) -> None:
        """Take in the next node; activations and what has no weights say nothing."""
        if node.op in _PRODUCTS and self.layer.weighted:
            self._product(node)
        elif node.op == "BatchNormalization":
            mean, variance = (self._value(node.inputs[place]) for place in (3, 4))
            self.norm = [self._given(node, 1, np.ones_like(mean)), self._given(node, 2, np.zeros_like(mean))]
            self.norm += [mean, variance]
            self.eps = float(node.attributes.get("epsilon", 1e-5))
        elif node.op in ("Add", "Sub", "Mul", "Div") and self.weight is not None:
            self._constant(node)
        elif node.op == "Pad" and isinstance(self.unit.operation, Pad):
            self._pad(node, self.unit.operation)
        elif self.layer.op is Op.NORM and (self.norm is None or node.op not in _ACTIVATIONS):
            self._refuse(node, "Only batch norms can be rebuilt.")

    def write(self) -> None:
        """Put it into the unit."""
        part = self.unit.operation
        if isinstance(part, Quantized):
            if self.weight is None:
                raise NotAdopted(f"layer {self.layer.name!r} must have weights", "none", layer=self.layer.name)
            self._copy(part.weight, self.weight)
            if isinstance(part.bias, Tensor):
                filters = self.layer.out_channels
                own = np.zeros(filters) if self.bias is None else np.broadcast_to(self.bias.reshape(-1), (filters,))
                self._copy(part.bias, own)
        norm = self.unit.norm
        if isinstance(norm, Norm) and self.norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            targets = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            for target, value in zip(targets, self.norm, strict=True):
                self._copy(target, value)
            norm.eps = self.eps

    def _product(self, node: Node) -> None:
        place = 0 if self._is_constant(node, 0) else 1
        weight = self._value(node.inputs[place])
        self.stored = self.constants.stored_as(node.inputs[place])
        if node.op == "Gemm" and not node.number("transB", 0):
            weight = weight.T
        if node.op == "MatMul" and place == 1:
            weight = weight.T
        factor = float(node.attributes.get("alpha", 1.0)) if node.op == "Gemm" else 1.0
        if self.layer.op is Op.CONV and weight.ndim == 3:
            weight = weight[:, :, None]
        self.weight = weight * factor
        if len(node.inputs) > 2 and node.inputs[2]:
            beta = float(node.attributes.get("beta", 1.0)) if node.op == "Gemm" else 1.0
            self.bias = self._value(node.inputs[2]) * beta

    def _constant(self, node: Node) -> None:
        """A bias, or a factor, behind the product or its norm."""
        if len(node.inputs) != 2 or self._is_constant(node, 0) == self._is_constant(node, 1):
            self._refuse(node, "")
        left = self._is_constant(node, 0)
        value = self._value(node.inputs[0 if left else 1]).astype(np.float64)
        if node.op in ("Mul", "Div"):
            if left and node.op == "Div":
                self._refuse(node, "A constant cannot be divided by what a layer computes.")
            self._scale(float(value.reshape(())) if node.op == "Mul" else 1 / float(value.reshape(())))
            return
        if self.norm is not None:
            self._refuse(node, "A constant behind a batch norm cannot be rebuilt: fold it into the norm.")
        if node.op == "Sub" and left:
            self._scale(-1.0)
        added = -value if node.op == "Sub" and not left else value
        self.bias = added.reshape(-1) + (0 if self.bias is None else self.bias.reshape(-1))

    def _scale(self, factor: float) -> None:
        if self.norm is not None:
            self.norm = [self.norm[0] * factor, self.norm[1] * factor, *self.norm[2:]]
            return
        assert self.weight is not None
        self.weight = self.weight * factor
        self.bias = None if self.bias is None else self.bias * factor

    def _pad(self, node: Node, pad: Pad) -> None:
        pads = node.ints("pads") or node.ints("paddings")
        if not pads:
            pads = tuple(int(one) for one in self._value(node.inputs[1]).reshape(-1))
        axes = range(len(pads) // 2)
        if len(node.inputs) > 3 and node.inputs[3]:
            axes = [int(one) for one in self._value(node.inputs[3]).reshape(-1)]  # type: ignore[assignment]
        mode = str(node.attributes.get("mode", "constant"))
        before = dict(zip(axes, pads, strict=False)).get(1, 0)
        if mode != "constant":
            self._refuse(node, "Only zeros can be padded with.")
        pad.set_sources([one - before if 0 <= one - before < pad.read else -1 for one in range(pad.channels)])

    def _value(self, name: str) -> Array:
        return self.constants.value(name, self.layer.name)

    def _given(self, node: Node, place: int, usual: Array) -> Array:
        """An input that may be left out."""
        return self._value(node.inputs[place]) if node.inputs[place] else usual

    def _is_constant(self, node: Node, place: int) -> bool:
        return self.constants.has(node.inputs[place])

    def _copy(self, target: Tensor, value: Array) -> None:
        shaped = torch.from_numpy(np.array(value, dtype=np.float32))
        if shaped.shape != target.shape:
            raise NotAdopted(
                f"weights of layer {self.layer.name!r} must have the shape {tuple(target.shape)}",
                f"{tuple(shaped.shape)}",
                layer=self.layer.name,
            )
        target.copy_(shaped)

    def _refuse(self, node: Node, way_out: str) -> None:
        raise NotAdopted(
            f"layer {self.layer.name!r} must be one that can be rebuilt with its weights",
            f"a {node.op} node ({node.where or node.name})",
            way_out,
            layer=self.layer.name,
        )
