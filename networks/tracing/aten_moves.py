"""ATen operators that only say where elements stand, in the operators of a graph."""

from __future__ import annotations

import numpy as np
from torch.fx import Node as FxNode

from networks.tracing.errors import Unsupported
from networks.tracing.graph import elements
from networks.tracing.translation import Translation, Write


def _reshape(to: Translation, node: FxNode) -> None:
    to.write("Reshape", [to.tensor()], {"shape": list(to.shape())})


def _permute(to: Translation, node: FxNode) -> None:
    rank = len(to.shape())
    if str(node.target).startswith("aten.permute"):
        order = [axis % rank for axis in to.argument(1)]
    else:
        order = list(range(rank))
        pair_of = (to.argument(1, default=0), to.argument(2, default=1)) if len(node.args) > 1 else (0, rank - 1)
        first, second = (axis % rank for axis in pair_of)
        order[first], order[second] = order[second], order[first]
    to.write("Transpose", [to.tensor()], {"perm": order})


def _expand(to: Translation, node: FxNode) -> None:
    to.write("Expand", [to.tensor(), to.constant(np.asarray(to.shape(), dtype=np.int64))])


def _repeat(to: Translation, node: FxNode) -> None:
    to.write("Tile", [to.tensor(), to.constant(np.asarray(to.argument(1), dtype=np.int64))])


def _cat(to: Translation, node: FxNode) -> None:
    axis = to.argument(1, "dim", 0)
    to.write("Concat", [to.named(one) for one in to.argument(0)], {"axis": axis % len(to.shape())})


def _stack(to: Translation, node: FxNode) -> None:
    axis = to.argument(1, "dim", 0) % len(to.shape())
    shape = [1 if place == axis else side for place, side in enumerate(to.shape())]
    parts = [
        to.write("Reshape", [to.named(one)], {"shape": shape}, inner=f"part{place}")
        for place, one in enumerate(to.argument(0))
    ]
    to.write("Concat", parts, {"axis": axis})


def _slice(to: Translation, node: FxNode) -> None:
    axis = to.argument(1, "dim", 0)
    side = to.shape(to.argument(0))[axis]
    start, end, step = to.argument(2, "start") or 0, to.argument(3, "end"), to.argument(4, "step", 1)
    bounds = {"starts": [start], "ends": [side if end is None else min(end, side)], "axes": [axis], "steps": [step]}
    to.write("Slice", [to.tensor()], bounds)


def _select(to: Translation, node: FxNode) -> None:
    axis, place = to.argument(1), to.argument(2)
    place %= to.shape(to.argument(0))[axis]
    part = to.write("Slice", [to.tensor()], {"starts": [place], "ends": [place + 1], "axes": [axis]}, inner="part")
    to.write("Reshape", [part], {"shape": list(to.shape())})


def _split(to: Translation, node: FxNode) -> None:
    values = node.meta["val"]
    unbinds = str(node.target).startswith("aten.unbind")
    axis = to.argument(1 if unbinds else 2, "dim", 0) % len(to.shape(to.argument(0)))
    sizes = [1 if unbinds else int(one.shape[axis]) for one in values]
    names, start = [], 0
    for place, size in enumerate(sizes):
        bounds = {"starts": [start], "ends": [start + size], "axes": [axis]}
        part = to.write("Slice", [to.tensor()], bounds, inner=f"part{place + 1}")
        shape = [int(side) for side in values[place].shape]
        names.append(to.write("Reshape", [part], {"shape": shape}, inner=f"view{place + 1}") if unbinds else part)
        start += size
    to.parts(names)


def _pad(to: Translation, node: FxNode) -> None:
    pads = [int(one) for one in to.argument(1)]
    rank = len(to.shape())
    before, behind = [0] * rank, [0] * rank
    for place in range(len(pads) // 2):
        before[rank - 1 - place], behind[rank - 1 - place] = pads[2 * place], pads[2 * place + 1]
    to.write("Pad", [to.tensor()], {"pads": before + behind})


def _shuffle(op: str) -> Write:
    def write(to: Translation, node: FxNode) -> None:
        to.write(op, [to.tensor()], {"blocksize": to.argument(1)})

    return write


def _channel_shuffle(to: Translation, node: FxNode) -> None:
    batch, channels, *rest = to.shape()
    groups = to.argument(1)
    apart = to.write("Reshape", [to.tensor()], {"shape": [batch, groups, channels // groups, *rest]}, inner="groups")
    order = [0, 2, 1, *range(3, 3 + len(rest))]
    turned = to.write("Transpose", [apart], {"perm": order}, inner="shuffle")
    to.write("Reshape", [turned], {"shape": list(to.shape())})


def _same_elements(to: Translation, node: FxNode) -> None:
    if elements(to.shape(to.argument(0))) != elements(to.shape()):
        raise Unsupported("it changes the number of elements")
    _reshape(to, node)


MOVES: dict[str, Write] = (
    dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten", "view_copy"),
        _same_elements,
    )
    | dict.fromkeys(("permute", "transpose", "t", "numpy_T"), _permute)
    | {"expand": _expand, "repeat": _repeat, "cat": _cat, "concat": _cat, "stack": _stack, "slice": _slice}
    | {"select": _select, "pad": _pad, "constant_pad_nd": _pad, "channel_shuffle": _channel_shuffle}
    | dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind", "tensor_split"), _split)
    | {"pixel_shuffle": _shuffle("DepthToSpace"), "pixel_unshuffle": _shuffle("SpaceToDepth")}
)
"""ATen operator -> how it is written."""
