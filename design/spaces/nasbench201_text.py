"""Cells of NAS-Bench-201 as published tables write them: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, one group a node."""

from __future__ import annotations

from collections.abc import Sequence

from design.errors import InvalidGenotype
from design.spaces.nasbench201_cells import EDGES, OPERATIONS

START = "|"
_NODES = (1, 2, 3)
_EXAMPLE = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def cell_text(ops: Sequence[int]) -> str:
    """The text of a cell (6 choices, in the order of EDGES)."""
    ends = [
        [f"{OPERATIONS[ops[edge]]}~{start}" for edge, (start, to) in enumerate(EDGES) if to == end] for end in _NODES
    ]
    return "+".join("|" + "|".join(end) + "|" for end in ends)


def cell_of(text: str) -> tuple[int, ...]:
    """The choices of a cell (6, in the order of EDGES) from its text.

    Raises:
        InvalidGenotype: It is no such text.
    """
    nodes = text.strip().split("+")
    if len(nodes) != len(_NODES):
        raise _invalid("must hold three nodes joined by `+`", f"{len(nodes)}")
    found: dict[tuple[int, int], int] = {}
    for node, own in zip(_NODES, nodes, strict=True):
        own = own.strip()
        if len(own) < 2 or not (own.startswith(START) and own.endswith(START)):
            raise _invalid("must hold nodes that begin and end with `|`", repr(own[:80]))
        edges = own[1:-1].split("|")
        if len(edges) != node:
            raise _invalid(f"must have {node} operation{'s' * (node > 1)} at node {node}", f"{len(edges)}")
        for edge in edges:
            name, _, start = edge.partition("~")
            if name not in OPERATIONS:
                raise _invalid(f"must hold operations among {', '.join(OPERATIONS)}", repr(name[:80]))
            if start not in [str(place) for place in range(node)] or (int(start), node) in found:
                raise _invalid(f"must read nodes 0 to {node - 1}, each once, at node {node}", repr(edge[:80]))
            found[int(start), node] = OPERATIONS.index(name)
    return tuple(found[edge] for edge in EDGES)


def _invalid(must: str, got: str) -> InvalidGenotype:
    return InvalidGenotype(f"a published cell {must}", got, f"Write it like {_EXAMPLE}")
