"""Patterns: activations and norms that exporters write as several elementary operators, put together again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from networks.tracing.graph import Constant, Graph, Node
from networks.tracing.local_response import local_response

MOST_NODES = 10
"""Nodes of the longest pattern."""
MOST_ROOTS = 12
Ops = tuple[str, ...]

_FOLLOWED = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Pow", "Clip", "Relu", "Min", "Max", "Sigmoid", "HardSigmoid", "Erf", "Tanh"),
        *("Softplus", "Exp", "Sqrt", "Reciprocal", "ReduceMean", "Cast", "Identity"),
    }
)
_FREE = frozenset({"Cast", "Identity"})
SIGNATURES: dict[Ops, str] = {
    ("Mul", "Sigmoid"): "Swish",
    ("Mul", "Softplus", "Tanh"): "Mish",
    ("HardSigmoid", "Mul"): "HardSwish",
    ("Add", "Clip", "Div"): "HardSigmoid",
    ("Add", "Clip", "Mul"): "HardSigmoid",
    ("Add", "Clip", "Div", "Mul"): "HardSwish",
    ("Add", "Clip", "Mul", "Mul"): "HardSwish",
    ("Add", "Div", "Max", "Min"): "HardSigmoid",
    ("Add", "Div", "Max", "Min", "Mul"): "HardSwish",
    ("Add", "Div", "Erf", "Mul", "Mul"): "Gelu",
    ("Add", "Erf", "Mul", "Mul", "Mul"): "Gelu",
    ("Add", "Add", "Mul", "Mul", "Mul", "Mul", "Pow", "Tanh"): "Gelu",
    ("Add", "Add", "Mul", "Mul", "Mul", "Mul", "Mul", "Mul", "Tanh"): "Gelu",
    ("Mul", "Mul", "Sigmoid"): "Gelu",
    ("Add", "Div", "Pow", "ReduceMean", "ReduceMean", "Sqrt", "Sub"): "LayerNormalization",
    ("Add", "Div", "Mul", "ReduceMean", "ReduceMean", "Sqrt", "Sub"): "LayerNormalization",
    ("Add", "Mul", "Pow", "ReduceMean", "Reciprocal", "Sqrt"): "RMSNormalization",
    ("Add", "Div", "Mul", "Pow", "ReduceMean", "Sqrt"): "RMSNormalization",
    ("Add", "Div", "Pow", "ReduceMean", "Sqrt"): "RMSNormalization",
}
"""Operators (sorted) that a value is computed with from one tensor, and what that is."""
_SORTED = {tuple(sorted(ops)): kind for ops, kind in SIGNATURES.items()}
Found = dict[str, frozenset[int]]
"""Tensor -> places of the nodes that make a value from it."""


def recognise(graph: Graph) -> Graph:
    """The graph with its patterns put together, and without nodes that nobody reads."""
    scalars = {name for name, one in graph.constants.items() if one.elements == 1}
    made: dict[str, Found] = {}
    nodes = list(graph.nodes)
    constant = set(graph.constants)
    writers: dict[str, Node] = {}
    for place, node in enumerate(graph.nodes):
        writers.update(dict.fromkeys(node.outputs, node))
        tensors = [name for name in node.inputs if name and name not in constant]
        if not tensors:
            constant.update(node.outputs)
            if node.op == "Constant" and _one(node):
                scalars.update(node.outputs)
            continue
        normed = local_response(node, writers, scalars)
        if normed is not None:
            nodes[place] = normed
            continue
        others = [name for name in node.inputs if name and name in constant]
        reduces = node.op.startswith("Reduce")
        if node.op not in _FOLLOWED or not (reduces or all(name in scalars for name in others)):
            continue
        own = _combined(place, tensors, made)
        if own:
            made[node.outputs[0]] = own
            fused = _fused(graph, node, own)
            if fused is not None:
                nodes[place] = fused
    return replace(graph, nodes=_read_nodes(nodes, graph.outputs))


def _one(node: Node) -> bool:
    value = node.attributes.get("value")
    size = getattr(value, "size", None)
    return size == 1 or any(name in node.attributes for name in ("value_float", "value_int"))


def _combined(place: int, tensors: list[str], made: dict[str, Found]) -> Found:
    """From which tensors this node's value is made alone, and with which nodes."""
    choices = [{name: frozenset[int]()} | made.get(name, {}) for name in tensors]
    shared = set(choices[0]).intersection(*choices[1:])
    found: Found = {}
    for root in sorted(shared):
        nodes = frozenset({place}).union(*(choice[root] for choice in choices))
        if len(nodes) <= MOST_NODES:
            found[root] = nodes
    return dict(sorted(found.items(), key=lambda item: len(item[1]))[:MOST_ROOTS])


def _fused(graph: Graph, node: Node, found: Found) -> Node | None:
    """One node in place of the largest pattern that ends here."""
    for root, places in sorted(found.items(), key=lambda item: -len(item[1])):
        ops = [graph.nodes[place].op for place in places]
        kind = _SORTED.get(tuple(sorted(op for op in ops if op not in _FREE)))
        if kind is None or len(places) == 1:
            continue
        axes = {_axis(graph, graph.nodes[place]) for place in places if graph.nodes[place].op == "ReduceMean"}
        if None not in axes and len(axes) <= 1:
            return replace(
                node, op=kind, inputs=(root,), attributes=dict.fromkeys(("channels",), *axes) if axes else {}
            )
    return None


def _axis(graph: Graph, node: Node) -> int | None:
    """The one dimension that a mean is over and keeps, None if there are several or none is stated."""
    stated = node.attributes.get("axes")
    if stated is None and len(node.inputs) > 1:
        constant: Constant | None = graph.constants.get(node.inputs[1])
        stated = None if constant is None or constant.array is None else constant.array.reshape(-1).tolist()
    if stated is None or len(tuple(stated)) != 1 or node.number("keepdims", 1) != 1:
        return None
    return int(next(iter(stated)))


def _read_nodes(nodes: list[Node], outputs: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes that an output depends on, in order."""
    wanted = Counter(outputs)
    kept = []
    for node in reversed(nodes):
        if any(name and wanted[name] for name in node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return tuple(reversed(kept))
