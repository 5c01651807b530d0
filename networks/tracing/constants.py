"""Constants computed from constants: small ones are evaluated, of weights only the shape is followed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from networks.tracing.errors import Unsupported
from networks.tracing.folding import evaluate
from networks.tracing.graph import Constant, Dims, Node, Values, elements
from networks.tracing.shapes import broadcast, checked, numbers, product, reshaped

_ELEMENTWISE = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Exp", "Identity", "Cast", "CastLike", "Sigmoid", "Tanh"),
        *("Softplus", "Abs", "Reciprocal", "Relu", "Where", "Equal", "Not", "Clip", "Sign", "Max", "Min", "Erf"),
    }
)


def of_array(array: Values, bits: int | None = None) -> Constant:
    """A constant with its values."""
    return Constant(
        shape=tuple(array.shape),
        array=array,
        bits=bits if bits is not None else 8 * array.dtype.itemsize,
        float_values=array.dtype.kind == "f",
    )


def fold(node: Node, given: list[Constant | None]) -> list[Constant]:
    """What a node over constants alone writes.

    Raises:
        Unsupported: An operator that is not followed through weights.
    """
    if node.op in ("QuantizeLinear", "DequantizeLinear"):
        return [_quantized(node, given)]
    arrays = [None if one is None else one.array for one in given]
    if all(one is None or one.array is not None for one in given):
        found = evaluate(node, arrays)
        if found is not None:
            bits = next((one.bits for one in given if one is not None), 32)
            return [of_array(array, bits if array.dtype.kind == "f" else None) for array in found]
    known = [one for one in given if one is not None]
    if not known:
        raise Unsupported(f"a constant made by {node.op}")
    return [replace(known[0], shape=checked(shape, "a constant"), array=None) for shape in _shapes(node, known)]


def _quantized(node: Node, given: list[Constant | None]) -> Constant:
    """Integers to floats keeps the bits of the integers: that is how they are stored."""
    first = given[0]
    if first is None:
        raise Unsupported("nothing to quantize")
    zero = given[2] if len(given) > 2 else None
    bits = first.bits
    if node.op == "QuantizeLinear":
        bits = 8 if zero is None or zero.float_values else zero.bits
    return Constant(shape=first.shape, bits=bits, float_values=False)


def _shapes(node: Node, given: list[Constant]) -> list[Dims]:
    shape = given[0].shape
    if node.op in _ELEMENTWISE:
        return [broadcast(*(one.shape for one in given))]
    if node.op == "Transpose":
        order = node.ints("perm") or tuple(reversed(range(len(shape))))
        if sorted(order) != list(range(len(shape))):
            raise Unsupported(f"the order {list(order)} of {len(shape)} dimensions")
        return [tuple(shape[place] for place in order)]
    if node.op == "Reshape":
        wanted = numbers(given[1]) if len(given) > 1 else node.ints("shape")
        if wanted is not None:
            return [reshaped(shape, wanted, allow_zero=bool(node.number("allowzero", 0)))]
    if node.op == "MatMul" and len(given) == 2:
        return [product(shape, given[1].shape)]
    if node.op in ("Unsqueeze", "Squeeze", "Expand", "Concat", "Gather", "Slice", "Split", "ConstantOfShape"):
        return _by_example(node, given)
    raise Unsupported(f"weights computed by {node.op}", "Fold the constants of the model before it is traced.")


def _by_example(node: Node, given: list[Constant]) -> list[Dims]:
    """Shapes of operators that move elements, found on an array that takes no memory."""
    if any(one.array is None and len(one.shape) > 8 for one in given):
        raise Unsupported("weights of more than 8 dimensions")
    if node.op == "Concat":
        axis = node.number("axis", 0) % max(len(given[0].shape), 1)
        total = sum(one.shape[axis] for one in given)
        return [(*given[0].shape[:axis], total, *given[0].shape[axis + 1 :])]
    if node.op in ("Expand", "ConstantOfShape"):
        wanted = numbers(given[-1])
        if wanted is None or any(side < 1 for side in wanted):
            raise Unsupported("a constant of unknown shape")
        return [broadcast(given[0].shape, wanted) if node.op == "Expand" else wanted]
    hollow: Values = np.broadcast_to(np.zeros((), dtype=np.int8), given[0].shape)
    arrays: list[Values | None] = [hollow, *(one.array for one in given[1:])]
    if elements(given[0].shape) > 1 << 28:
        raise Unsupported(f"weights of {list(given[0].shape)} that are cut")
    if node.op == "Split":
        axis = node.number("axis", 0) % max(hollow.ndim, 1)
        sizes = node.ints("split") or numbers(given[1] if len(given) > 1 else None)
        count = len(node.outputs)
        size = -(-hollow.shape[axis] // count)
        sizes = sizes or tuple(min(size, hollow.shape[axis] - size * place) for place in range(count))
        return [(*hollow.shape[:axis], own, *hollow.shape[axis + 1 :]) for own in sizes]
    if node.op in ("Unsqueeze", "Squeeze"):
        axes = node.ints("axes") or numbers(given[1] if len(given) > 1 else None) or ()
        try:
            moved = np.expand_dims(hollow, axes) if node.op == "Unsqueeze" else np.squeeze(hollow, axes or None)
        except (ValueError, IndexError) as error:
            raise Unsupported(f"dimensions {list(axes)} of {list(hollow.shape)}") from error
        return [moved.shape]
    found = evaluate_hollow(node, arrays)
    if found is None:
        raise Unsupported(f"weights computed by {node.op}")
    return [found]


def evaluate_hollow(node: Node, arrays: list[Values | None]) -> Dims | None:
    """The shape that Gather or Slice makes of a large constant."""
    first = arrays[0]
    assert first is not None
    if node.op == "Gather" and len(arrays) > 1 and arrays[1] is not None:
        axis = node.number("axis", 0) % max(first.ndim, 1)
        return (*first.shape[:axis], *arrays[1].shape, *first.shape[axis + 1 :])
    if node.op == "Slice":
        small = evaluate(replace(node, op="Slice"), [np.broadcast_to(first, first.shape), *arrays[1:]])
        return None if small is None else small[0].shape
    return None
