"""Operators that take many positions together: pools, reductions, resizing."""

from __future__ import annotations

from collections.abc import Sequence

from design.layer import Op
from networks.tracing.errors import Unsupported
from networks.tracing.graph import Dims, Node
from networks.tracing.lowering import Lowering
from networks.tracing.shapes import axes_of, windows
from networks.tracing.tensor import maps_of, usual_axis
from networks.tracing.weighted import both, one_of, padding_of, spatial_rank

_POOLS = {"MaxPool": Op.POOL_MAX, "AveragePool": Op.POOL_AVERAGE, "LpPool": Op.POOL_AVERAGE}


def pool(state: Lowering, node: Node) -> None:
    """MaxPool, AveragePool."""
    tensor = state.tensor(node)
    rank = spatial_rank(tensor.shape)
    kernel = node.ints("kernel_shape")
    if len(kernel) != rank or min(kernel) < 1:
        raise Unsupported(f"a window of {list(kernel)} over {list(tensor.shape[2:])}")
    found = windows(node, tensor.shape, kernel, ceil=bool(node.number("ceil_mode", 0)))
    if min(found) < 1:
        raise Unsupported(f"a window of {list(kernel)} that is larger than its {list(tensor.shape[2:])}")
    if len(node.outputs) > 1 and node.outputs[1] and state.uses[node.outputs[1]]:
        raise Unsupported("positions of the maxima are read")
    source, maps = state.read(tensor, 1)
    name = state.write(
        node.name,
        maps,
        (maps[0], *both(found)),
        op=_POOLS[node.op],
        inputs=(source,),
        kernel_height=both(kernel)[0],
        kernel_width=both(kernel)[1],
        stride=one_of(state, node, "stride", node.ints("strides", (1,) * rank)),
        padding=padding_of(state, node, rank),
    )
    state.wrote(node, name, (1, maps[0], *found), 1)


def global_pool(state: Lowering, node: Node) -> None:
    """GlobalAveragePool, GlobalMaxPool."""
    shape = state.tensor(node).shape
    spatial_rank(shape)
    reduced(state, node, tuple(range(2, len(shape))), keep=True, largest=node.op == "GlobalMaxPool")


def reduction(state: Lowering, node: Node) -> None:
    """ReduceMean, ReduceMax over positions are pools; all other reductions are priced as data movement."""
    tensor = state.tensor(node)
    rank = len(tensor.shape)
    axes = axes_of(node, lambda place: state.constant(node, place), 1, rank)
    if axes is None:
        if state.value(node, 1) is not None and state.constant(node, 1) is None:
            raise Unsupported("its dimensions depend on the picture")
        axes = () if node.number("noop_with_empty_axes", 0) else tuple(range(rank))
    if node.op in ("ArgMax", "ArgMin"):
        axes = (node.number("axis", 0) % rank,)
    reduced(state, node, axes, keep=bool(node.number("keepdims", 1)), largest=node.op == "ReduceMax")


def reduced(state: Lowering, node: Node, axes: Sequence[int], *, keep: bool, largest: bool) -> None:
    """Some dimensions become 1, or vanish."""
    tensor = state.tensor(node)
    axis = usual_axis(len(tensor.shape)) if tensor.axis is None else tensor.axis
    kept = tuple(1 if place in axes else side for place, side in enumerate(tensor.shape))
    shape = kept if keep else tuple(side for place, side in enumerate(tensor.shape) if place not in axes)
    behind = axis if keep else axis - sum(place < axis for place in axes)
    source, maps = state.read(tensor, axis)
    wrote = maps_of(kept, axis)
    pooled = axis not in axes and wrote == (maps[0], 1, 1) and node.op in _POOLING
    if pooled:
        name = state.write(
            node.name,
            maps,
            wrote,
            op=Op.POOL_MAX if largest else Op.POOL_AVERAGE,
            inputs=(source,),
            kernel_height=maps[1],
            kernel_width=maps[2],
            padding=0,
        )
    else:
        name = state.write(node.name, maps, wrote, op=Op.OTHER, inputs=(source,))
        state.note(f"{node.name}: {node.op} is priced as data movement")
    state.wrote(node, name, shape, None if axis in axes and not keep else behind)


_POOLING = frozenset({"ReduceMean", "ReduceMax", "ReduceSum", "GlobalAveragePool", "GlobalMaxPool"})


def resize(state: Lowering, node: Node) -> None:
    """Resize, Upsample: to sizes or by factors that are constants."""
    tensor = state.tensor(node)
    spatial_rank(tensor.shape)
    found = _resized(state, node, tensor.shape)
    if found[:2] != tensor.shape[:2]:
        raise Unsupported(f"resizing {list(tensor.shape)} to {list(found)}")
    source, maps = state.read(tensor, 1)
    name = state.write(node.name, maps, maps_of(found, 1), op=Op.RESIZE, inputs=(source,))
    state.wrote(node, name, found, 1)


def _resized(state: Lowering, node: Node, shape: Dims) -> Dims:
    rank = len(shape)
    stated = node.attributes.get("scales")
    factors = [float(value) for value in stated] if stated is not None else None
    for place in range(len(node.inputs) - 1, 0, -1):
        constant = state.constant(node, place)
        if constant is None or constant.array is None or constant.array.size not in (rank, 2):
            continue
        if node.op == "Resize" and place == 3:
            sides = tuple(int(value) for value in constant.array.reshape(-1).tolist())
            return sides if len(sides) == rank else (*shape[: rank - len(sides)], *sides)
        if place != 1 or node.op == "Upsample" or state.graph.version < 11:
            factors = [float(value) for value in constant.array.reshape(-1).tolist()]
            break
    if factors is None:
        raise Unsupported("sizes that depend on the picture")
    if len(factors) != rank:
        factors = [1.0] * (rank - len(factors)) + factors
    if not all(0 < factor < 1e6 for factor in factors):
        raise Unsupported(f"resizing by {factors}")
    return tuple(int(side * factor + 1e-6) for side, factor in zip(shape, factors, strict=True))


HANDLERS = (
    dict.fromkeys(_POOLS, pool)
    | {"GlobalAveragePool": global_pool, "GlobalMaxPool": global_pool, "Resize": resize, "Upsample": resize}
    | dict.fromkeys(
        (
            *("ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
            *("ReduceSumSquare", "ReduceLogSumExp", "ArgMax", "ArgMin"),
        ),
        reduction,
    )
)
