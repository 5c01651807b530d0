"""Graph: a user's model as nodes over named tensors, wherever it came from; operators are named as in ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.tracing.errors import Unsupported

Dims = tuple[int, ...]
"""The whole shape of a tensor, batch included."""
Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A tensor that does not depend on the picture.

    Attributes:
        shape: Its dimensions.
        array: Its values where shapes may depend on them (small tensors); None for weights.
        bits: Of one element as stored.
        float_values: Whether the elements are floating-point numbers.
    """

    shape: Dims
    array: Values | None = None
    bits: int = 32
    float_values: bool = True

    @property
    def elements(self) -> int:
        """How many values it has."""
        return elements(self.shape)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation.

    Attributes:
        op: Operator, named as in ONNX.
        name: What the user calls it, for layers and messages.
        inputs: Names of tensors; empty where an optional one is left out.
        where: What the model's file calls it, for messages.
        refused: Why the reader of the model could not take it; `trace` names it with all others.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    refused: Unsupported | None = None

    def ints(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A list of whole numbers."""
        found = self.attributes.get(name)
        return default if found is None else tuple(int(value) for value in found)

    def number(self, name: str, default: int) -> int:
        """One whole number."""
        found = self.attributes.get(name, default)
        return int(found) if isinstance(found, int | float | np.integer) else default


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A model with one picture as input.

    Attributes:
        input_name, input_shape: The picture, batch (1) included.
        outputs: Names of the tensors it answers with.
        nodes: In an order in which every node reads what was written before.
        constants: Name -> what does not depend on the picture.
        version: Version of the operators (opset).
    """

    name: str
    input_name: str
    input_shape: Dims
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    version: int
    notes: tuple[str, ...] = ()


def elements(shape: Dims) -> int:
    """Product of the dimensions, without overflow."""
    product = 1
    for side in shape:
        product *= side
    return product
