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


def _tile(to: Translation, node: FxNode) -> None:
    times, sides = [int(one) for one in to.argument(1)], to.shape(to.argument(0))
    times = [1] * (len(sides) - len(times)) + times
    to.write("Tile", [to.tensor(), to.constant(np.asarray(times, dtype=np.int64))])


def _repeat_each(to: Translation, node: FxNode) -> None:
    """Every element so many times, one behind the other."""
    sides, times, axis = to.shape(to.argument(0)), to.argument(1), to.argument(2, "dim")
    if not isinstance(times, int) or axis is None:
        raise Unsupported("repetitions of their own for each element, or of a flattened tensor")
    before, behind = sides[: axis % len(sides) + 1], sides[axis % len(sides) + 1 :]
    apart = to.write("Reshape", [to.tensor()], {"shape": [*before, 1, *behind]}, inner="apart")
    wide = to.constant(np.asarray([*before, times, *behind], dtype=np.int64))
    to.write("Reshape", [to.write("Expand", [apart, wide], inner="repeated")], {"shape": list(to.shape())})


def _roll(to: Translation, node: FxNode) -> None:
    """What leaves at the end comes in at the beginning; without dimensions, of all elements in a row."""
    shifts, axes, sides = to.argument(1), to.argument(2, "dims", []), to.shape()
    last = to.tensor()
    if not axes:
        axes, sides = [0], (elements(sides),)
        last = to.write("Reshape", [last], {"shape": list(sides)}, inner="row")
    for axis, shift in zip(axes, shifts, strict=True):
        start = -shift % sides[axis]
        if start == 0:
            continue
        bounds = ((start, sides[axis]), (0, start))
        parts = [
            to.write("Slice", [last], {"starts": [low], "ends": [high], "axes": [axis]}, inner=f"part{axis}_{place}")
            for place, (low, high) in enumerate(bounds, start=1)
        ]
        last = to.write("Concat", parts, {"axis": axis % len(sides)}, inner=f"joined{axis}")
    to.write("Reshape", [last], {"shape": list(to.shape())})


def _flip(to: Translation, node: FxNode) -> None:
    axes = [axis % len(to.shape()) for axis in to.argument(1)]
    all_of = {"starts": [-1] * len(axes), "ends": [-(1 << 62)] * len(axes), "steps": [-1] * len(axes)}
    to.write("Slice", [to.tensor()], {**all_of, "axes": axes})


def _index_select(to: Translation, node: FxNode) -> None:
    to.write("Gather", [to.tensor(), to.tensor(2)], {"axis": to.argument(1) % len(to.shape(to.argument(0)))})


def _index(to: Translation, node: FxNode) -> None:
    places = [(axis, one) for axis, one in enumerate(to.argument(1)) if one is not None]
    if len(places) != 1:
        raise Unsupported("elements taken by several tensors of indices")
    axis, indices = places[0]
    to.write("Gather", [to.tensor(), to.named(indices)], {"axis": axis})


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
    | {"roll": _roll, "flip": _flip, "tile": _tile, "repeat_interleave": _repeat_each}
    | {"index_select": _index_select, "index": _index}
    | {"pixel_shuffle": _shuffle("DepthToSpace"), "pixel_unshuffle": _shuffle("SpaceToDepth")}
)
"""ATen operator -> how it is written."""
