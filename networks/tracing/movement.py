"""Operators that only say where elements stand: views are free, moves are layers once somebody reads them."""

from __future__ import annotations

from dataclasses import replace

from design.layer import Op
from networks.tracing.errors import Unsupported
from networks.tracing.folding import slice_numbers
from networks.tracing.graph import Constant, Dims, Node, elements
from networks.tracing.lowering import Lowering
from networks.tracing.shapes import axes_of, axis_of, broadcast, numbers, reshaped
from networks.tracing.tensor import Tensor, axis_after, maps_of, usual_axis


def same(state: Lowering, node: Node) -> None:
    """Identity, Dropout, Cast: nothing that costs."""
    tensor = state.tensor(node)
    state.viewed(node, tensor, tensor.shape, tensor.axis)
    if len(node.outputs) > 1 and state.uses[node.outputs[1]]:
        raise Unsupported("the mask of a dropout is read")


def reshape(state: Lowering, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze."""
    tensor = state.tensor(node)
    shape = _reshaped(state, node, tensor.shape)
    state.viewed(node, tensor, shape, axis_after(tensor.shape, tensor.axis, shape))


def _reshaped(state: Lowering, node: Node, shape: Dims) -> Dims:
    rank = len(shape)
    if node.op == "Flatten":
        place = node.number("axis", 1)
        place = place + rank if place < 0 else place
        if not 0 <= place <= rank:
            raise Unsupported(f"flattening {list(shape)} at {place}")
        return (elements(shape[:place]), elements(shape[place:]))
    if node.op == "Reshape":
        wanted = node.ints("shape") or numbers(state.constant(node, 1))
        if wanted is None:
            raise Unsupported("a shape that depends on the picture")
        return reshaped(shape, wanted, allow_zero=bool(node.number("allowzero", 0)))
    if node.op == "Squeeze":
        axes = axes_of(node, lambda place: state.constant(node, place), 1, rank)
        gone = [place for place, side in enumerate(shape) if side == 1 and (axes is None or place in axes)]
        return tuple(side for place, side in enumerate(shape) if place not in gone)
    stated = node.ints("axes") or numbers(state.constant(node, 1))
    if stated is None:
        raise Unsupported("dimensions that depend on the picture")
    new = {axis_of(axis, rank + len(stated)) for axis in stated}
    rest = iter(shape)
    return tuple(1 if place in new else next(rest) for place in range(rank + len(new)))


def transpose(state: Lowering, node: Node) -> None:
    """Transpose: free where only dimensions of 1 change places."""
    tensor = state.tensor(node)
    rank = len(tensor.shape)
    order = node.ints("perm") or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise Unsupported(f"the order {list(order)} of {rank} dimensions")
    wide = [place for place in order if tensor.shape[place] > 1]
    axis = None if tensor.axis is None else order.index(tensor.axis)
    moved = "" if wide == sorted(wide) else node.name
    state.viewed(node, tensor, tuple(tensor.shape[place] for place in order), axis, moved=moved)


def _part(state: Lowering, node: Node, tensor: Tensor, shape: Dims, axis: int | None, place: int = 0) -> None:
    """An output that is a part of what is read."""
    name = node.name if len(node.outputs) == 1 else f"{node.name}.{place + 1}"
    state.set(node, replace(tensor, shape=shape, axis=axis, moved=name, alone=False), place)


def take(state: Lowering, node: Node) -> None:
    """Slice with constant bounds."""
    tensor = state.tensor(node)
    constants = [state.constant(node, place) for place in range(len(node.inputs))]
    arrays = [None if one is None else one.array for one in constants]
    starts, ends, axes, steps = slice_numbers(node, arrays)
    sides = list(tensor.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis_of(axis, len(sides))
        stop = None if step < 0 and end < -(1 << 31) else end
        sides[place] = len(range(*slice(start, stop, step).indices(tensor.shape[place])))
    shape = tuple(sides)
    if min(shape) < 1:
        raise Unsupported(f"a slice of {list(tensor.shape)} that leaves nothing")
    if shape == tensor.shape and min(steps) > 0:
        state.viewed(node, tensor, shape, tensor.axis)
        return
    _part(state, node, tensor, shape, tensor.axis)
    steps_taken = _steps(tensor, starts, ends, axes, steps)
    if steps_taken is not None:
        own = (node.name, *steps_taken)
        state.set(node, replace(tensor, shape=shape, moved=node.name, alone=False, steps=own))


def _steps(tensor: Tensor, starts: Dims, ends: Dims, axes: Dims, steps: Dims) -> tuple[int, int] | None:
    """Rows and columns stepped over so far where a slice takes every so many, from the first, and nothing else."""
    if len(tensor.shape) != 4 or tensor.axis != 1 or tensor.steps[0] != tensor.moved:
        return None
    found = {2: tensor.steps[1], 3: tensor.steps[2]}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis_of(axis, 4)
        side = tensor.shape[place]
        if step < 1 or range(*slice(start, end, step).indices(side)) != range(0, side, step):
            return None
        if step > 1 and place not in found:
            return None
        if step > 1:
            found[place] *= step
    return found[2], found[3]


def split(state: Lowering, node: Node) -> None:
    """Split into parts of constant sizes."""
    tensor = state.tensor(node)
    axis = axis_of(node.number("axis", 0), len(tensor.shape))
    side, count = tensor.shape[axis], len(node.outputs)
    sizes = node.ints("split") or numbers(state.constant(node, 1))
    if sizes is None and state.value(node, 1) is not None:
        raise Unsupported("sizes that depend on the picture")
    size = -(-side // count)
    sizes = sizes or tuple(min(size, side - size * place) for place in range(count))
    if sum(sizes) != side or min(sizes) < 1 or len(sizes) != count:
        raise Unsupported(f"a split of {side} into {list(sizes)}")
    if count == 1:
        state.viewed(node, tensor, tensor.shape, tensor.axis)
        return
    for place, own in enumerate(sizes):
        _part(state, node, tensor, (*tensor.shape[:axis], own, *tensor.shape[axis + 1 :]), tensor.axis, place)


def gather(state: Lowering, node: Node) -> None:
    """Gather with constant indices."""
    table = state.value(node, 0)
    if isinstance(table, Constant):
        raise Unsupported(
            "a table (embedding) read at places that depend on the input", "Trace the part of the model behind it."
        )
    tensor, indices = state.tensor(node), state.weights(node, 1)
    axis = axis_of(node.number("axis", 0), len(tensor.shape))
    shape = (*tensor.shape[:axis], *indices.shape, *tensor.shape[axis + 1 :])
    own = tensor.axis
    if own is not None and own > axis:
        own += len(indices.shape) - 1
    elif own == axis and len(indices.shape) != 1:
        own = None
    if elements(shape) == elements(tensor.shape) == 1 or (indices.elements == 1 and tensor.shape[axis] == 1):
        state.viewed(node, tensor, shape, own)
    else:
        _part(state, node, tensor, shape, own)


def grow(state: Lowering, node: Node) -> None:
    """Expand, Tile: copies of elements, written once somebody reads them who does not repeat them as it goes."""
    tensor, sizes = state.tensor(node), numbers(state.constant(node, 1))
    if sizes is None or min(sizes, default=1) < 1:
        raise Unsupported("a size that depends on the picture")
    if node.op == "Tile":
        if len(sizes) != len(tensor.shape):
            raise Unsupported(f"{list(sizes)} repetitions of {list(tensor.shape)}")
        shape = tuple(side * times for side, times in zip(tensor.shape, sizes, strict=True))
    else:
        shape = broadcast(tensor.shape, sizes)
    axis = None if tensor.axis is None else tensor.axis + len(shape) - len(tensor.shape)
    if elements(shape) == elements(tensor.shape):
        state.viewed(node, tensor, shape, axis)
        return
    own = usual_axis(len(shape)) if axis is None else axis
    _part(state, node, tensor, shape, own)
    before = (1,) * (len(shape) - len(tensor.shape)) + tensor.shape
    if all(side in (1, grown) for side, grown in zip(before, shape, strict=True)):
        state.grown[node.outputs[0]] = tensor


def concat(state: Lowering, node: Node) -> None:
    """Concat along channels is `concat`, along positions or with constants it is data movement."""
    values = [value for place in range(len(node.inputs)) if (value := state.value(node, place)) is not None]
    tensors = [value for value in values if isinstance(value, Tensor)]
    rank = len(values[0].shape)
    place = axis_of(node.number("axis", 0), rank)
    if any(
        one.shape[:place] + one.shape[place + 1 :] != values[0].shape[:place] + values[0].shape[place + 1 :]
        for one in values
    ):
        raise Unsupported(f"a concatenation of {[list(one.shape) for one in values][:8]} along {place}")
    total = sum(one.shape[place] for one in values)
    shape = (*values[0].shape[:place], total, *values[0].shape[place + 1 :])
    known = [tensor.axis for tensor in tensors if tensor.axis is not None]
    axis = known[0] if known else usual_axis(rank)
    maps = maps_of(shape, axis)
    sources = tuple(state.read(tensor, axis)[0] for tensor in tensors)
    constants = sum(one.elements for one in values if isinstance(one, Constant))
    joined = place == axis and not constants and len(tensors) == len(values)
    name = state.write(node.name, maps, maps, op=Op.CONCAT if joined else Op.OTHER, inputs=sources, constants=constants)
    state.wrote(node, name, shape, axis)


def pad(state: Lowering, node: Node) -> None:
    """Pad by constant amounts."""
    tensor = state.tensor(node)
    rank = len(tensor.shape)
    pads = node.ints("pads") or node.ints("paddings") or numbers(state.constant(node, 1))
    axes = numbers(state.constant(node, 3)) or tuple(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        raise Unsupported("amounts that depend on the picture")
    sides = list(tensor.shape)
    for place, axis in enumerate(axes):
        sides[axis_of(axis, rank)] += pads[place] + pads[len(axes) + place]
    shape = tuple(sides)
    if min(shape) < 1:
        raise Unsupported(f"padding {list(tensor.shape)} to {list(shape)}")
    if not any(pads):
        state.viewed(node, tensor, shape, tensor.axis)
        return
    axis = usual_axis(rank) if tensor.axis is None else tensor.axis
    if tensor.stride > 1 and shape[2:] == tensor.shape[2:]:  # a shortcut without weights
        source, maps, stride = tensor.layer, tensor.maps, tensor.stride
    else:
        (source, maps), stride = state.read(tensor, axis), 1
    name = state.write(node.name, maps, maps_of(shape, axis), op=Op.PAD, inputs=(source,), stride=stride)
    state.wrote(node, name, shape, axis)


def depth_to_space(state: Lowering, node: Node) -> None:
    """DepthToSpace, SpaceToDepth: data movement."""
    tensor, block = state.tensor(node), node.number("blocksize", 1)
    deep = node.op == "DepthToSpace"
    if len(tensor.shape) != 4 or block < 1:
        raise Unsupported(f"blocks of {block} in {list(tensor.shape)}")
    _, channels, height, width = tensor.shape
    if channels % block**2 if deep else height % block or width % block:
        raise Unsupported(f"blocks of {block} in {list(tensor.shape)}")
    maps = (
        (channels // block**2, height * block, width * block)
        if deep
        else (channels * block**2, height // block, width // block)
    )
    name = state.write(node.name, maps, maps, op=Op.OTHER, inputs=(state.read(tensor, 1)[0],))
    state.wrote(node, name, (1, *maps), 1)


def quantize(state: Lowering, node: Node) -> None:
    """QuantizeLinear, DequantizeLinear on a tensor: nothing runs, but what reads it reads integers."""
    tensor = state.tensor(node)
    zero = state.constant(node, 2)
    bits = 8 if zero is None or zero.float_values else zero.bits
    state.viewed(node, replace(tensor, bits=bits), tensor.shape, tensor.axis)


HANDLERS = (
    dict.fromkeys(("Identity", "Dropout", "Cast", "CastLike"), same)
    | dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape)
    | dict.fromkeys(("Expand", "Tile"), grow)
    | dict.fromkeys(("DepthToSpace", "SpaceToDepth"), depth_to_space)
    | dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), quantize)
    | {"Transpose": transpose, "Slice": take, "Split": split, "Gather": gather, "Concat": concat, "Pad": pad}
)
