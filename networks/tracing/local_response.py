"""Local response norm as PyTorch writes it: a dozen elementary operators, read as the one that they are.

    y = x / (k + alpha * mean of x^2 over the neighbouring channels) ** beta

(Krizhevsky et al., 2012, section 3.3). The mean is a pool over channels, for which they are seen as a further position.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from networks.tracing.graph import Node

_VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast"})


def local_response(node: Node, writers: Mapping[str, Node], scalars: Set[str]) -> Node | None:
    """One LRN in place of the division that it ends with; None where the node ends something else.

    Args:
        node: Any node.
        writers: Tensor -> the node that writes it.
        scalars: Names of constants of one element.
    """
    if node.op != "Div" or len(node.inputs) != 2:
        return None
    root, name = node.inputs
    for op in ("Pow", "Add", "Mul"):
        name = _but_scalar(writers.get(name), op, scalars)
    pool, _ = _behind_views(writers.get(name), writers)
    if pool is None or pool.op != "AveragePool" or not _over_channels(pool):
        return None
    before = _before(pool, writers)
    if before is not None and before.op == "Pad":
        before = _before(before, writers)
    square, views = _behind_views(before, writers)
    if square is None or not views or not _squares(square, root, scalars):
        return None
    return replace(square, op="LRN", inputs=(root,), outputs=node.outputs, attributes={})


def _but_scalar(node: Node | None, op: str, scalars: Set[str]) -> str:
    """What this operator works on besides a number; empty where the node is another."""
    if node is None or node.op != op or len(node.inputs) != 2:
        return ""
    left, right = node.inputs
    if right in scalars:
        return left
    return right if left in scalars and op != "Pow" else ""


def _behind_views(node: Node | None, writers: Mapping[str, Node]) -> tuple[Node | None, int]:
    """The first node upwards that is no view, and how many were."""
    views = 0
    while node is not None and node.op in _VIEWS:
        node, views = _before(node, writers), views + 1
    return node, views


def _before(node: Node, writers: Mapping[str, Node]) -> Node | None:
    return writers.get(node.inputs[0]) if node.inputs else None


def _over_channels(pool: Node) -> bool:
    """Whether a pool runs over the first of its positions alone, where the channels stand then, step by step."""
    kernel = pool.ints("kernel_shape")
    return len(kernel) > 1 and set(kernel[1:]) == {1} and set(pool.ints("strides", (1,))) == {1}


def _squares(node: Node, root: str, scalars: Set[str]) -> bool:
    if node.op == "Mul":
        return node.inputs == (root, root)
    return node.op == "Pow" and _but_scalar(node, "Pow", scalars) == root
