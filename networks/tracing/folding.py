"""Folding: operators over constants alone - the arithmetic of shapes that exporters write - evaluated on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from networks.tracing.errors import Unsupported
from networks.tracing.graph import Node, Values, elements
from networks.tracing.shapes import reshaped

MOST_FOLDED = 1 << 16
"""Elements of the largest constant that is evaluated; of larger ones (weights) only the shape is followed."""

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "Pow": np.power,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "Identity": np.asarray,
    "CastLike": np.asarray,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Reciprocal": np.reciprocal,
    "Not": np.logical_not,
}
_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceMean": np.mean,
}
_INTEGERS = {2, 3, 4, 5, 6, 7, 12, 13}  # TensorProto types
_DOUBLE = 11


def evaluate(node: Node, arrays: list[Values | None], most: int = MOST_FOLDED) -> list[Values] | None:
    """The values that a node over known constants gives, or None where it is not one that shapes need.

    Args:
        node: What is evaluated.
        arrays: What it reads.
        most: Elements of the largest constant.

    Raises:
        Unsupported: The operands do not fit each other.
    """
    if any(array is not None and array.size > most for array in arrays):
        return None
    try:
        with np.errstate(all="ignore"):
            found = _evaluate(node, arrays)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, MemoryError) as error:
        raise Unsupported(f"constants that do not fit ({error})") from error
    if found is None or any(array.size > most for array in found):
        return None
    return found


def _evaluate(node: Node, arrays: list[Values | None]) -> list[Values] | None:
    given = [array for array in arrays if array is not None]
    op = node.op
    if op == "Split":
        return _split(node, arrays)
    if not given:
        return None
    first = given[0]
    if op in _BINARY and len(given) == 2:
        return [np.asarray(_BINARY[op](first, given[1]))]
    if op in _UNARY:
        return [np.asarray(_UNARY[op](first))]
    if op == "Div" and len(given) == 2:
        whole = first.dtype.kind in "iu" and given[1].dtype.kind in "iu"
        if whole and np.any(given[1] == 0):
            raise ZeroDivisionError("division by zero")
        return [np.asarray((np.trunc(first / given[1]).astype(first.dtype)) if whole else first / given[1])]
    if op == "Mod" and len(given) == 2:
        if np.any(given[1] == 0):
            raise ZeroDivisionError("division by zero")
        return [np.asarray(np.mod(first, given[1]))]
    if op == "Where" and len(given) == 3:
        return [np.where(first.astype(bool), given[1], given[2])]
    if op == "Cast":
        kind = node.number("to", 1)
        return [first.astype(np.int64 if kind in _INTEGERS else np.bool_ if kind == 9 else np.float64)]
    if op in _REDUCTIONS:
        axes = node.ints("axes") or (tuple(given[1].reshape(-1).tolist()) if len(given) > 1 else ())
        keep = bool(node.number("keepdims", 1))
        return [np.asarray(_REDUCTIONS[op](first, axis=tuple(map(int, axes)) or None, keepdims=keep))]
    return _moved(node, given, arrays)


def _moved(node: Node, given: list[Values], arrays: list[Values | None]) -> list[Values] | None:
    """Operators that put elements elsewhere."""
    op, first = node.op, given[0]
    if op == "Gather" and len(given) == 2:
        return [np.asarray(np.take(first, given[1].astype(np.int64), axis=node.number("axis", 0)))]
    if op == "Concat":
        return [np.concatenate([np.atleast_1d(array) for array in given], axis=node.number("axis", 0))]
    if op == "Unsqueeze":
        axes = node.ints("axes") or tuple(given[1].reshape(-1).tolist())
        return [np.expand_dims(first, tuple(map(int, axes)))]
    if op == "Squeeze":
        axes = node.ints("axes") or (tuple(given[1].reshape(-1).tolist()) if len(given) > 1 else ())
        return [np.squeeze(first, axis=tuple(map(int, axes)) or None)]
    if op == "Reshape" and len(given) == 2:
        wanted = tuple(int(side) for side in given[1].reshape(-1).tolist())
        return [first.reshape(reshaped(first.shape, wanted, allow_zero=bool(node.number("allowzero", 0))))]
    if op == "Transpose":
        return [np.transpose(first, node.ints("perm") or None)]
    if op == "Slice":
        return [first[_slices(node, arrays, first.ndim)]]
    if op in ("Range", "ConstantOfShape", "Expand"):
        return _grown(node, given)
    return None


def _grown(node: Node, given: list[Values]) -> list[Values] | None:
    """Operators that make more elements than they read: never more than the largest constant evaluated."""
    first = given[0]
    if node.op == "Range":
        if len(given) != 3 or float(given[2].reshape(())) == 0:
            raise ValueError("a range with a step of 0")
        start, stop, step = (one.reshape(()) for one in given)
        count = max(0, int(np.ceil((float(stop) - float(start)) / float(step))))
        return None if count > MOST_FOLDED else [np.asarray(start + step * np.arange(count, dtype=first.dtype))]
    shape = tuple(int(side) for side in (given[1] if node.op == "Expand" else first).reshape(-1).tolist())
    if any(side < 0 for side in shape) or elements(shape) > MOST_FOLDED or len(shape) > 8:
        return None
    if node.op == "Expand":
        return [np.asarray(first * np.ones(shape, dtype=first.dtype))]
    value = np.asarray(node.attributes.get("value", np.zeros(1, dtype=np.float32))).reshape(-1)
    return [np.full(shape, value[0] if value.size else 0)]


def _slices(node: Node, arrays: list[Values | None], rank: int) -> tuple[slice, ...]:
    """What a Slice takes of each dimension."""
    starts, ends, axes, steps = slice_numbers(node, arrays)
    found = [slice(None)] * rank
    for place, axis in enumerate(axes):
        found[axis % rank] = slice(starts[place], _end(ends[place], steps[place]), steps[place])
    return tuple(found)


def _end(end: int, step: int) -> int | None:
    """ONNX means "down to the first element" by a very small end."""
    return None if step < 0 and end < -(1 << 31) else end


def slice_numbers(
    node: Node, arrays: list[Values | None]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Starts, ends, dimensions and steps of a Slice, in attributes or inputs.

    Raises:
        Unsupported: They are not known before the model runs.
    """

    def listed(name: str, place: int) -> tuple[int, ...] | None:
        if node.attributes.get(name) is not None:
            return node.ints(name)
        array = arrays[place] if place < len(arrays) else None
        return None if array is None else tuple(int(value) for value in array.reshape(-1).tolist())

    starts, ends = listed("starts", 1), listed("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise Unsupported("a slice whose bounds depend on the picture")
    axes = listed("axes", 3) or tuple(range(len(starts)))
    steps = listed("steps", 4) or (1,) * len(starts)
    if not len(axes) == len(steps) == len(starts) or 0 in steps:
        raise Unsupported("a slice of contradictory bounds")
    return starts, ends, axes, steps


def _split(node: Node, arrays: list[Values | None]) -> list[Values] | None:
    first = arrays[0] if arrays else None
    if first is None:
        return None
    axis = node.number("axis", 0)
    sizes = node.ints("split")
    if not sizes and len(arrays) > 1 and arrays[1] is not None:
        sizes = tuple(int(value) for value in arrays[1].reshape(-1).tolist())
    if not sizes:
        size = -(-first.shape[axis] // len(node.outputs))
        return list(np.split(first, range(size, first.shape[axis], size), axis=axis))
    return list(np.split(first, np.cumsum(sizes)[:-1].tolist(), axis=axis))
