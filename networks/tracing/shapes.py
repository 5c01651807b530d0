"""Shapes: what each operator makes of the shapes it reads, batch included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from networks.tracing.errors import InvalidModel, Unsupported
from networks.tracing.graph import Constant, Dims, Node, elements

MOST_RANK = 8
MOST_ELEMENTS = 1 << 40
"""Of one tensor: far above what any device holds, far below what overflows."""


def broadcast(*shapes: Dims) -> Dims:
    """The common shape of element-wise operands.

    Raises:
        Unsupported: They do not fit.
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = []
    for sides in zip(*padded, strict=True):
        wide = {side for side in sides if side != 1}
        if len(wide) > 1:
            raise Unsupported(f"operands of the shapes {' and '.join(map(str, shapes))} do not fit")
        found.append(wide.pop() if wide else 1)
    return tuple(found)


def checked(shape: Sequence[int], what: str) -> Dims:
    """A shape that can be worked with.

    Raises:
        InvalidModel: Too many dimensions, one under 1, or too many elements.
    """
    if len(shape) > MOST_RANK or any(side < 1 for side in shape) or elements(tuple(shape)) > MOST_ELEMENTS:
        raise InvalidModel(
            f"{what} must have at most {MOST_RANK} dimensions of 1 or more and {MOST_ELEMENTS:.0e} elements",
            f"{list(shape)[: MOST_RANK + 1]}",
        )
    return tuple(int(side) for side in shape)


def axis_of(axis: int, rank: int) -> int:
    """A dimension counted from the front.

    Raises:
        Unsupported: There is no such dimension.
    """
    if not -rank <= axis < max(rank, 1):
        raise Unsupported(f"dimension {axis} of a tensor with {rank}")
    return axis % rank if rank else 0


def windows(node: Node, shape: Dims, kernel: Sequence[int], *, ceil: bool = False) -> Dims:
    """Positions of a sliding window over the spatial dimensions (convolutions, pools)."""
    spatial = shape[2:]
    rank = len(spatial)
    strides = node.ints("strides", (1,) * rank)
    dilations = node.ints("dilations", (1,) * rank)
    pads = node.ints("pads", (0,) * (2 * rank))
    auto = str(node.attributes.get("auto_pad", "NOTSET"))
    if not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank or min(strides) < 1:
        raise Unsupported(f"a window of {list(kernel)} with strides {list(strides)} over {list(spatial)}")
    found = []
    for place, side in enumerate(spatial):
        reach = dilations[place] * (kernel[place] - 1) + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            found.append(-(-side // strides[place]))
            continue
        padded = side + (0 if auto == "VALID" else pads[place] + pads[rank + place])
        steps = padded - reach
        count = -(-steps // strides[place]) if ceil else steps // strides[place]
        if ceil and count * strides[place] >= side + (0 if auto == "VALID" else pads[place]):
            count -= 1  # a window must begin within the picture or its left padding
        found.append(count + 1)
    return tuple(found)


def transposed_windows(node: Node, shape: Dims, kernel: Sequence[int]) -> Dims:
    """Positions that a transposed convolution writes."""
    spatial = shape[2:]
    rank = len(spatial)
    stated = node.ints("output_shape")
    if stated:
        return stated[-rank:]
    strides = node.ints("strides", (1,) * rank)
    dilations = node.ints("dilations", (1,) * rank)
    more = node.ints("output_padding", (0,) * rank)
    pads = node.ints("pads", (0,) * (2 * rank))
    if not len(kernel) == len(strides) == len(dilations) == len(more) == rank or len(pads) != 2 * rank:
        raise Unsupported(f"a transposed window of {list(kernel)} over {list(spatial)}")
    if str(node.attributes.get("auto_pad", "NOTSET")).startswith("SAME"):
        return tuple(side * stride for side, stride in zip(spatial, strides, strict=True))
    return tuple(
        strides[i] * (spatial[i] - 1) + more[i] + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[rank + i]
        for i in range(rank)
    )


def product(left: Dims, right: Dims) -> Dims:
    """Shape of a matrix product, vectors as in NumPy."""
    if not left or not right:
        raise Unsupported("a matrix product with a single number")
    wide, tall = (1, *left) if len(left) == 1 else left, (*right, 1) if len(right) == 1 else right
    if wide[-1] != tall[-2]:
        raise Unsupported(f"a matrix product of {list(left)} and {list(right)}")
    found = (*broadcast(wide[:-2], tall[:-2]), wide[-2], tall[-1])
    if len(left) == 1:
        found = (*found[:-2], found[-1])
    return found[:-1] if len(right) == 1 else found


def reshaped(shape: Dims, wanted: Sequence[int], *, allow_zero: bool = False) -> Dims:
    """The shape a reshape asks for: 0 keeps a dimension, one -1 takes what is left."""
    sides = list(wanted)
    for place, side in enumerate(sides):
        if side == 0 and not allow_zero:
            if place >= len(shape):
                raise Unsupported(f"a reshape of {list(shape)} to {list(wanted)}")
            sides[place] = shape[place]
    if sides.count(-1) == 1:
        rest = elements(tuple(side for side in sides if side != -1))
        sides[sides.index(-1)] = elements(shape) // rest if rest > 0 else 0
    if elements(tuple(sides)) != elements(shape) or any(side < 1 for side in sides):
        raise Unsupported(
            f"a reshape of {list(shape)} to {list(wanted)}", "Export the model with a batch of 1 picture."
        )
    return tuple(sides)


def numbers(constant: Constant | None) -> tuple[int, ...] | None:
    """Whole numbers in a constant, None if they are not known."""
    if constant is None or constant.array is None:
        return None
    return tuple(int(value) for value in constant.array.reshape(-1).tolist())


Read = Callable[[int], Constant | None]
"""Place of an input -> the constant there, if it is one."""


def axes_of(node: Node, read: Read, place: int, rank: int) -> tuple[int, ...] | None:
    """Dimensions named by the attribute `axes`, or by an input since later operator versions; None: not stated."""
    stated = node.ints("axes") or numbers(read(place))
    return None if stated is None or not stated else tuple(axis_of(axis, rank) for axis in stated)
