"""Translation: the nodes of a graph written so far from an exported module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch.fx import Node as FxNode

from networks.tracing.constants import of_array
from networks.tracing.errors import Unsupported
from networks.tracing.graph import Constant, Dims, Node, Values


class Translation:
    """Nodes written so far.

    Args:
        constants: Name -> parameters, buffers and constants of the module.
        owners: Placeholder -> name of the parameter.
        picture: Placeholder of the picture.
    """

    def __init__(self, constants: Mapping[str, Constant], owners: Mapping[str, str], picture: str) -> None:
        self.constants, self.owners = dict(constants), owners
        self.nodes: list[Node] = []
        self._parts: dict[str, list[str]] = {}
        self._same: dict[str, str] = {}
        self._refused: set[str] = set()
        self._of_picture = {picture}
        self._node: FxNode | None = None
        self._name = ""

    def begin(self, node: FxNode, name: str) -> None:
        """The node that is translated next."""
        self._node, self._name = node, name
        if any(self.of_picture(one) for one in node.all_input_nodes):
            self._of_picture.add(node.name)

    def of_picture(self, node: FxNode) -> bool:
        """Whether what a node gives depends on the picture."""
        return node.name in self._of_picture

    def resolved(self, name: str) -> str:
        """The tensor that a name stands for."""
        while name in self._same:
            name = self._same[name]
        return name

    def argument(self, place: int, name: str = "", default: Any = None) -> Any:
        """An argument by place or name."""
        assert self._node is not None
        if place < len(self._node.args):
            return self._node.args[place]
        return self._node.kwargs.get(name, default)

    def tensor(self, place: int = 0, name: str = "") -> str:
        """The name of the tensor (or number, as a constant) at a place; empty where there is none."""
        return self.named(self.argument(place, name))

    def named(self, value: Any) -> str:
        """The name of a tensor or number."""
        if value is None:
            return ""
        if isinstance(value, FxNode):
            return self.resolved(value.name)
        return self.constant(np.asarray(value, dtype=np.float32))

    def constant(self, array: Values) -> str:
        """A constant of our own."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = of_array(array)
        return name

    def shape(self, value: Any = None) -> Dims:
        """The shape of a tensor; None: of what the node writes."""
        node = self._node if value is None else value
        if not isinstance(node, FxNode):
            return ()
        found = node.meta["val"]
        found = found[0] if isinstance(found, tuple | list) else found
        return tuple(int(side) for side in found.shape)

    def write(
        self,
        op: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        *,
        inner: str = "",
        suffix: str = "",
    ) -> str:
        """Write a node.

        Args:
            op: Operator of the graph.
            inputs: Names of tensors.
            attributes: Of the node.
            inner: Where the operator becomes several nodes: what this one is; the last one has none. After "=" it
                is left out of the name.
            suffix: What its name ends in; the name of the module if empty.
        """
        assert self._node is not None
        output = f"{self._node.name}.{inner}" if inner else self._node.name
        ending = suffix or inner.removeprefix("=")
        name = f"{self._name}.{ending}" if ending and not inner.startswith("=") else self._name
        own = Node(op=op, name=name, inputs=tuple(inputs), outputs=(output,), attributes=attributes or {}, where=name)
        self.nodes.append(own)
        return output

    def parts(self, names: list[str]) -> None:
        """The node writes several tensors, taken apart by `getitem`."""
        assert self._node is not None
        self._parts[self._node.name] = names

    def part(self) -> None:
        """One of several."""
        assert self._node is not None
        source, place = self.argument(0), self.argument(1)
        if source.name in self._refused:
            self.same(source.name)
            return
        names = self._parts.get(source.name, [self.resolved(source.name)])
        if place >= len(names):
            raise Unsupported("a further output (indices, statistics) is read")
        self._same[self._node.name] = names[place]

    def alias(self) -> None:
        """The node writes what it reads."""
        self.same(self.tensor())

    def same(self, name: str) -> None:
        """The node writes what this name already stands for."""
        assert self._node is not None
        self._same[self._node.name] = name

    def refuse(self, op: str, why: Unsupported, kept: int) -> None:
        """The node cannot be taken: it stands in the graph with what it reads and why, to be named with all others.

        Args:
            op: Its operator.
            why: What cannot be taken.
            kept: Nodes written before this one was begun; what was written of it goes.
        """
        assert self._node is not None
        del self.nodes[kept:]
        name = self._node.name
        inputs = tuple(self.resolved(one.name) for one in self._node.all_input_nodes)
        self._refused.add(name)
        self.nodes.append(Node(op=op, name=self._name, inputs=inputs, outputs=(name,), where=self._name, refused=why))


Write = Callable[[Translation, FxNode], None]
"""Writes one ATen operator."""
