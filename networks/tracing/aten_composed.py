"""ATen operators that are several of a graph's, written as PyTorch's exporters to ONNX write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.fx import Node as FxNode

from networks.tracing.errors import Unsupported
from networks.tracing.graph import elements
from networks.tracing.translation import Translation, Write


def number(to: Translation, value: float) -> str:
    """A number as a constant."""
    return to.constant(np.asarray(value, dtype=np.float32))


def chain(*ops: str) -> Write:
    """Functions of one element, one behind the other."""

    def write(to: Translation, node: FxNode) -> None:
        found = to.tensor()
        for op in ops[:-1]:
            found = to.write(op, [found], inner=op.lower())
        to.write(ops[-1], [found])

    return write


def with_number(before: str, after: str, value: float) -> Write:
    """Two operators, the one of two operands with a number: log1p, expm1, log2 and log10."""

    def write(to: Translation, node: FxNode) -> None:
        binary = ("Add", "Sub", "Div")
        first = [to.tensor(), number(to, value)] if before in binary else [to.tensor()]
        found = to.write(before, first, inner=before.lower())
        to.write(after, [found, number(to, value)] if after in binary else [found])

    return write


def scaled(to: Translation, name: str, factor: Any, inner: str) -> str:
    """A tensor times a number; the tensor where that is 1."""
    return name if factor in (None, 1) else to.write("Mul", [name, number(to, factor)], inner=inner)


def _sum(op: str, *, swapped: bool = False) -> Write:
    """Sums: x + alpha * y, x - alpha * y, y - alpha * x."""

    def write(to: Translation, node: FxNode) -> None:
        kept, other = (1, 0) if swapped else (0, 1)
        to.write(op, [to.tensor(kept), scaled(to, to.tensor(other), to.argument(2, "alpha"), "alpha")])

    return write


def _square(to: Translation, node: FxNode) -> None:
    to.write("Mul", [to.tensor(), to.tensor()])


def _exp2(to: Translation, node: FxNode) -> None:
    to.write("Pow", [number(to, 2.0), to.tensor()])


def _product(op: str) -> Write:
    """Sums with a product: x + value * a * b, x + value * a / b."""

    def write(to: Translation, node: FxNode) -> None:
        product = to.write(op, [to.tensor(1), to.tensor(2)], inner="product")
        to.write("Add", [to.tensor(), scaled(to, product, to.argument(3, "value"), "value")])

    return write


def _baddbmm(to: Translation, node: FxNode) -> None:
    product = to.write("MatMul", [to.tensor(1), to.tensor(2)], inner="product")
    alpha, beta = to.argument(4, "alpha"), to.argument(3, "beta")
    to.write("Add", [scaled(to, product, alpha, "alpha"), scaled(to, to.tensor(), beta, "beta")])


def _variance(to: Translation, node: FxNode) -> None:
    """Variances: the mean of the squares of what is left without the mean, corrected for its count."""
    target = str(node.target)
    sides = to.shape(to.argument(0))
    stated, bias = (None, to.argument(1, "unbiased")) if target.endswith(".default") else (to.argument(1, "dim"), None)
    correction = to.argument(2, "correction" if target.endswith(".correction") else "unbiased")
    less = next((float(one) for one in (bias, correction) if one is not None), 1.0)
    axes = [axis % len(sides) for axis in ([stated] if isinstance(stated, int) else stated or range(len(sides)))]
    count = elements(tuple(sides[axis] for axis in axes))
    if count <= less:
        raise Unsupported(f"a variance of {count} elements")
    over: dict[str, Any] = {"axes": axes, "keepdims": 1}
    own = over | {"keepdims": int(len(to.shape()) == len(sides))}
    mean = to.write("ReduceMean", [to.tensor()], over, inner="mean")
    rest = to.write("Sub", [to.tensor(), mean], inner="rest")
    last = to.write("ReduceMean", [to.write("Mul", [rest, rest], inner="squares")], own, inner="variance")
    if less:
        last = to.write("Mul", [last, number(to, count)], inner="sum")
        last = to.write("Div", [last, number(to, count - less)], inner="corrected")
    if "std" in target:
        last = to.write("Sqrt", [last], inner="root")
    if "_mean" in target:
        to.parts([last, to.write("ReduceMean", [to.tensor()], own, inner="average")])
    else:
        to.write("Identity", [last])


def _not_equal(to: Translation, node: FxNode) -> None:
    to.write("Not", [to.write("Equal", [to.tensor(), to.tensor(1, "other")], inner="equal")])


def _threshold(to: Translation, node: FxNode) -> None:
    """What is above the first number, else the second."""
    under = to.write("LessOrEqual", [to.tensor(), to.tensor(1)], inner="under")
    to.write("Where", [under, to.tensor(2), to.tensor()])


def _clip(to: Translation, node: FxNode) -> None:
    low, high = to.argument(1, "min"), to.argument(2, "max")
    if "relu6" in str(node.target):
        low, high = 0.0, 6.0
    if "hardtanh" in str(node.target):
        low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
    if "clamp_max" in str(node.target):
        low, high = None, low
    if isinstance(low, FxNode) or isinstance(high, FxNode):
        bounds = [(op, one) for op, one in (("Max", low), ("Min", high)) if one is not None]
        last = to.tensor()
        for op, one in bounds:
            last = to.write(op, [last, to.named(one)], inner=op.lower())
        to.write("Identity", [last])
        return
    to.write("Clip", [to.tensor()], {name: one for name, one in (("min", low), ("max", high)) if one is not None})


COMPOSED: dict[str, Write] = (
    {"add": _sum("Add"), "sub": _sum("Sub"), "rsub": _sum("Sub", swapped=True), "square": _square, "exp2": _exp2}
    | {"addcmul": _product("Mul"), "addcdiv": _product("Div"), "baddbmm": _baddbmm}
    | {"rsqrt": chain("Sqrt", "Reciprocal"), "log_sigmoid": chain("Sigmoid", "Log")}
    | {"log1p": with_number("Add", "Log", 1.0), "expm1": with_number("Exp", "Sub", 1.0)}
    | {"log2": with_number("Log", "Div", float(np.log(2))), "log10": with_number("Log", "Div", float(np.log(10)))}
    | dict.fromkeys(("var", "std", "var_mean", "std_mean"), _variance)
    | dict.fromkeys(("clamp", "hardtanh", "clamp_min", "clamp_max", "relu6"), _clip)
    | {"ne": _not_equal, "threshold": _threshold}
)
"""ATen operator -> how it is written."""
