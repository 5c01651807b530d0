"""Lowering: the state while a graph is read node by node and layers are written."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from design.architecture import INPUT
from design.layer import WEIGHTED, Activation, Layer, Op
from design.precision import BITS, Bits
from networks.tracing.errors import InvalidModel, Unsupported
from networks.tracing.graph import Constant, Dims, Graph, Node
from networks.tracing.shapes import checked
from networks.tracing.tensor import Maps, Tensor, maps_of, usual_axis

MOST_LAYERS = 4096
Value = Tensor | Constant
FUSING = WEIGHTED | {Op.ADD, Op.MULTIPLY, Op.NORM, Op.MATMUL}
"""Operations behind which an activation is fused."""


@dataclass(frozen=True, kw_only=True)
class LayerBits:
    """Bits of a layer's weights and of what it reads, as found in the model."""

    weight_bits: Bits
    activation_bits: Bits


class Lowering:
    """Layers written so far, and what every tensor of the graph is a view of.

    Args:
        graph: What is read.
        seconds: Time after which reading is given up.

    Attributes:
        grown: Tensor that repeats elements along dimensions of 1 -> the one it repeats, for operators that do so too.
    """

    def __init__(self, graph: Graph, seconds: float) -> None:
        self.graph = graph
        self.deadline = time.monotonic() + seconds
        self.layers: dict[str, Layer] = {}
        self.bits: dict[str, LayerBits] = {}
        self.origins: dict[str, list[Node]] = {}
        self._touched: list[str] = []
        self.bare_norms: set[str] = set()
        self.grown: dict[str, Tensor] = {}
        self.notes: dict[str, None] = dict.fromkeys(graph.notes)
        self.uses = Counter(name for node in graph.nodes for name in node.inputs if name)
        self.uses.update(graph.outputs)
        self._read: dict[tuple[str, Dims, int, str], str] = {}
        axis = 1 if len(graph.input_shape) != 3 else None
        if len(graph.input_shape) == 3:
            axis = 1 if _sequence(graph) else 2
        assert axis is not None
        picture = maps_of(graph.input_shape, min(axis, len(graph.input_shape) - 1))
        self.input_shape = picture
        self.values: dict[str, Value] = dict(graph.constants)
        self.values[graph.input_name] = Tensor(
            shape=graph.input_shape,
            layer=INPUT,
            maps=picture,
            axis=min(axis, len(graph.input_shape) - 1),
            alone=False,
        )

    def note(self, text: str) -> None:
        """Keep what the user should know, once."""
        self.notes[text] = None

    def check_time(self) -> None:
        """Give up when reading takes too long.

        Raises:
            InvalidModel: It does.
        """
        if time.monotonic() > self.deadline:
            raise InvalidModel("a model must be read within the time allowed", f"{len(self.layers)} layers by then")

    def value(self, node: Node, place: int) -> Value | None:
        """What a node reads at a place; None where it is left out.

        Raises:
            Unsupported: Nothing wrote it.
        """
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.values:
            raise Unsupported(f"it reads {name!r}, which nothing writes")
        return self.values[name]

    def tensor(self, node: Node, place: int = 0) -> Tensor:
        """The tensor that a node reads at a place.

        Raises:
            Unsupported: There is none, or a constant stands there.
        """
        found = self.value(node, place)
        if not isinstance(found, Tensor):
            raise Unsupported(f"its input {place} must depend on the picture")
        return found

    def constant(self, node: Node, place: int) -> Constant | None:
        """The constant that a node reads at a place, None if there is none."""
        found = self.value(node, place)
        return found if isinstance(found, Constant) else None

    def weights(self, node: Node, place: int) -> Constant:
        """The weights of a node.

        Raises:
            Unsupported: They depend on the picture.
        """
        found = self.constant(node, place)
        if found is None:
            raise Unsupported("its weights must be constants")
        return found

    def alone(self, node: Node, place: int = 0) -> bool:
        """Whether what a node reads is read by it alone, back to the layer that wrote it."""
        found = self.value(node, place)
        return isinstance(found, Tensor) and found.alone and self.uses[node.inputs[place]] == 1

    def read(self, tensor: Tensor, axis: int | None = None) -> tuple[str, Maps]:
        """The layer whose output is this tensor as C x H x W, written if elements must be moved or seen otherwise."""
        place = axis if axis is not None else tensor.axis
        place = usual_axis(len(tensor.shape)) if place is None else place
        maps = maps_of(tensor.shape, place)
        if not tensor.moved and maps == tensor.maps:
            return tensor.layer, maps
        key = (tensor.layer, tensor.shape, place, tensor.moved)
        if key not in self._read:
            moved = bool(tensor.moved)
            fields: dict[str, Any] = {"op": Op.OTHER if moved else Op.FLATTEN, "inputs": (tensor.layer,)}
            name = tensor.moved or f"{tensor.layer}.flatten"
            self._read[key] = self.write(name, maps if moved else tensor.maps, maps, **fields)
        return self._read[key], maps

    def write(self, name: str, read: Maps, wrote: Maps, **fields: Any) -> str:
        """Add a layer; its name is made unique.

        Raises:
            InvalidModel: Too many layers, or shapes out of bounds.
        """
        if len(self.layers) >= MOST_LAYERS:
            raise InvalidModel(f"a model must have at most {MOST_LAYERS} layers", "more")
        own = self._unique(name)
        self._touched.append(own)
        try:
            self.layers[own] = Layer(
                name=own,
                in_channels=read[0],
                in_height=read[1],
                in_width=read[2],
                out_channels=wrote[0],
                out_height=wrote[1],
                out_width=wrote[2],
                **fields,
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InvalidModel(
                f"layer {own!r} must have sizes within bounds", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error
        return own

    def _unique(self, name: str) -> str:
        base = (name or "layer")[:180]
        own, count = base, 1
        while own in self.layers or own == INPUT:
            count += 1
            own = f"{base}.{count}"
        return own

    def change(self, name: str, **fields: Any) -> None:
        """Fuse something into a layer."""
        self._touched.append(name)
        self.layers[name] = self.layers[name].model_copy(update=fields)

    def read_whole(self, node: Node) -> None:
        """A node has been read: the layers that were written or changed meanwhile are made of it."""
        for name in dict.fromkeys(self._touched):
            self.origins.setdefault(name, []).append(node)
        self._touched.clear()

    def fused(self, layer: str) -> None:
        """A node becomes part of a layer whose fields do not show it."""
        self._touched.append(layer)

    def set(self, node: Node, value: Value, place: int = 0) -> None:
        """Say what a node writes."""
        if place < len(node.outputs) and node.outputs[place]:
            if isinstance(value, Tensor):
                checked(value.shape, f"the output of {node.where or node.name}")
            self.values[node.outputs[place]] = value

    def wrote(self, node: Node, layer: str, shape: Dims, axis: int | None) -> None:
        """A node's output is what a layer writes, whole."""
        self.set(node, Tensor(shape=shape, layer=layer, maps=self.layers[layer].out_shape, axis=axis))

    def viewed(
        self, node: Node, tensor: Tensor, shape: Dims, axis: int | None, *, moved: str = "", place: int = 0
    ) -> None:
        """A node's output is another view of what it reads at a place."""
        alone = self.alone(node, place)
        self.set(node, replace(tensor, shape=shape, axis=axis, moved=moved or tensor.moved, alone=alone))

    def fusible(self, node: Node, tensor: Tensor, place: int = 0) -> Layer | None:
        """The layer that an activation behind a tensor, which the node reads at a place, can be fused into."""
        layer = self.layers.get(tensor.layer)
        if (
            layer is None
            or not self.alone(node, place)
            or layer.op not in FUSING
            or layer.activation is not Activation.NONE
        ):
            return None
        return layer

    def quantized(self, layer: str, weights: Constant, read: Tensor) -> None:
        """Keep the bits of a weighted layer."""
        own = nearest_bits(weights.bits)
        floats = own if weights.float_values and own >= 16 else 32
        self.bits[layer] = LayerBits(
            weight_bits=own, activation_bits=nearest_bits(read.bits if read.bits is not None else floats)
        )


def nearest_bits(bits: int) -> Bits:
    """The least number of bits of the vocabulary that holds these, 32 at most."""
    return next((known for known in BITS if known >= bits), 32)


def _sequence(graph: Graph) -> bool:
    """Whether an input of three dimensions is 1 x C x L, as convolutions and pools read it."""
    reader = next((node for node in graph.nodes if graph.input_name in node.inputs), None)
    return reader is not None and reader.op in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "BatchNormalization")
