"""Source: where a user's model comes from, with the values of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from networks.errors import NotAdopted
from networks.tracing.errors import Unsupported
from networks.tracing.folding import evaluate
from networks.tracing.graph import Graph, Node

Array = NDArray[Any]
MOST_ELEMENTS = 1 << 28
_VIEWS = frozenset({"Identity", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Operators that write every element that they read."""


class Source(Protocol):
    """A user's model."""

    @property
    def graph(self) -> Graph:
        """As it is read."""

    def stored(self, name: str) -> Array | None:
        """The values of a constant of the graph; None where there is none of that name."""

    def tensors(self, images: Array, names: Sequence[str]) -> dict[str, Array]:
        """What the model computes: tensors of the graph for N pictures of its own shape, N first.

        Those that stand in the graph alone, between the operators that one of the model's was read as, are left out.

        Raises:
            NotAdopted: It computes in 16 bits.
        """


def check_floats(name: str, kind: str) -> None:
    """Networks run in float32: what a model computes in 16 bits cannot be compared with them.

    Args:
        name: Of a tensor.
        kind: Its element type, as NumPy or torch calls it.

    Raises:
        NotAdopted: It is of 16 bits.
    """
    if kind.endswith("float16"):
        raise NotAdopted(
            "a model must compute in float32 to be rebuilt",
            f"{name!r} in {kind.removeprefix('torch.')}",
            "Export it in float32; of a PyTorch module: module.float().",
        )


class Constants:
    """Values of constants, those computed from others too."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._writers = {output: node for node in source.graph.nodes for output in node.outputs}
        self._known: dict[str, Array] = {}
        self._fixed: dict[str, bool] = {}

    def has(self, name: str) -> bool:
        """Whether a tensor depends on constants alone."""
        if name not in self._fixed:
            node = self._writers.get(name)
            fixed = self._source.stored(name) is not None
            if not fixed and node is not None and name != self._source.graph.input_name:
                fixed = bool(node.inputs) and all(self.has(one) for one in node.inputs if one)
            self._fixed[name] = fixed
        return self._fixed[name]

    def stored_as(self, name: str) -> str:
        """The tensor that the values of a constant stand in: itself, or what it is another view of."""
        while self._source.stored(name) is None and name in self._writers and self._writers[name].op in _VIEWS:
            name = self._writers[name].inputs[0]
        return name

    def value(self, name: str, layer: str) -> Array:
        """The values of a constant.

        Raises:
            NotAdopted: It is computed in a way that is not followed, as in quantized models.
        """
        if name not in self._known:
            self._known[name] = self._found(name, layer)
        return self._known[name]

    def _found(self, name: str, layer: str) -> Array:
        stored = self._source.stored(name)
        if stored is not None:
            return np.asarray(stored)
        node = self._writers.get(name)
        if node is not None:
            arrays = [self.value(one, layer) if one else None for one in node.inputs]
            made = _evaluated(node, arrays)
            if made is not None:
                return made[node.outputs.index(name)]
        raise NotAdopted(
            f"the weights of layer {layer!r} must be stored in the model",
            f"{name!r}, made by {node.op if node else 'nothing'}",
            "Export the float model, with its constants folded.",
            layer=layer,
        )


def _evaluated(node: Node, arrays: list[Array | None]) -> list[Array] | None:
    try:
        return evaluate(node, arrays, MOST_ELEMENTS)
    except Unsupported:
        return None
