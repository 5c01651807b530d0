"""ATen operators, as torch.export writes them, in the operators of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.fx import Node as FxNode

from networks.tracing.aten_composed import COMPOSED
from networks.tracing.aten_moves import MOVES
from networks.tracing.errors import Unsupported
from networks.tracing.graph import Constant
from networks.tracing.translation import Translation, Write


def simple(op: str, count: int = 1) -> Write:
    """An operator of `count` tensors without attributes."""

    def write(to: Translation, node: FxNode) -> None:
        to.write(op, [to.tensor(place) for place in range(count)])

    return write


def pair(value: Any, rank: int, default: int = 1) -> list[int]:
    """One number for each spatial dimension."""
    if value is None or value == []:
        return [default] * rank
    numbers = [int(one) for one in (value if isinstance(value, list | tuple) else [value])]
    return numbers * rank if len(numbers) == 1 else numbers


def _conv(to: Translation, node: FxNode) -> None:
    rank = len(to.shape()) - 2
    transposed = "transpose" in str(node.target)
    if str(node.target).startswith("aten.convolution"):
        stride, padding, dilation, transposed, more, groups = (to.argument(place) for place in range(3, 9))
    elif transposed:
        stride, padding, more = to.argument(3, "stride"), to.argument(4, "padding", 0), to.argument(5, "", 0)
        groups, dilation = to.argument(6, "groups", 1), to.argument(7, "dilation")
    else:
        stride, padding, dilation = to.argument(3, "stride"), to.argument(4, "padding", 0), to.argument(5, "dilation")
        groups, more = to.argument(6, "groups", 1), 0
    fields: dict[str, Any] = {"strides": pair(stride, rank), "dilations": pair(dilation, rank), "group": groups}
    if isinstance(padding, str):
        fields["auto_pad"] = "SAME_UPPER" if padding == "same" else "VALID"
    else:
        fields["pads"] = pair(padding, rank, 0) * 2
    if transposed:
        fields["output_padding"] = pair(more, rank, 0)
    op = "ConvTranspose" if transposed else "Conv"
    to.write(op, [to.tensor(place) for place in range(3)], fields)


def _linear(to: Translation, node: FxNode) -> None:
    wide = len(to.shape(to.argument(0))) == 2
    weights, bias = to.tensor(1), to.tensor(2, "bias")
    if wide:
        to.write("Gemm", [to.tensor(), weights, bias], {"transB": 1})
        return
    turned = to.write("Transpose", [weights], {"perm": [1, 0]}, inner="weight")
    if not bias:
        to.write("MatMul", [to.tensor(), turned])
        return
    product = to.write("MatMul", [to.tensor(), turned], inner="=product")
    to.write("Add", [product, bias], suffix="bias")


def _addmm(to: Translation, node: FxNode) -> None:
    to.write("Gemm", [to.tensor(1), to.tensor(2), to.tensor(0)])


def _batch_norm(to: Translation, node: FxNode) -> None:
    place = 7 if str(node.target).startswith(("aten.batch_norm", "aten.native_batch_norm.")) else 6
    to.write(
        "BatchNormalization", [to.tensor(place) for place in range(5)], {"epsilon": to.argument(place, "eps", 1e-5)}
    )


def _layer_norm(to: Translation, node: FxNode) -> None:
    to.write("LayerNormalization", [to.tensor(), to.tensor(2, "weight"), to.tensor(3, "bias")])


def _rms_norm(to: Translation, node: FxNode) -> None:
    to.write("RMSNormalization", [to.tensor(), to.tensor(2, "weight")])


def _group_norm(to: Translation, node: FxNode) -> None:
    to.write("GroupNormalization", [to.tensor(), to.tensor(2, "weight"), to.tensor(3, "bias")])


def _pool(op: str) -> Write:
    def write(to: Translation, node: FxNode) -> None:
        rank = len(to.shape()) - 2
        kernel = pair(to.argument(1), rank)
        strides = pair(to.argument(2, "stride") or kernel, rank)
        pads = pair(to.argument(3, "padding"), rank, 0) * 2
        largest = op == "MaxPool"
        dilations = pair(to.argument(4, "dilation") if largest else None, rank)
        ceil = to.argument(5 if largest else 4, "ceil_mode", False)
        fields: dict[str, Any] = {
            "kernel_shape": kernel,
            "strides": strides,
            "pads": pads,
            "ceil_mode": int(bool(ceil)),
        }
        to.write(op, [to.tensor()], fields | {"dilations": dilations})

    return write


def _adaptive(op: str, whole: str) -> Write:
    def write(to: Translation, node: FxNode) -> None:
        sides, wanted = to.shape(to.argument(0))[2:], to.shape()[2:]
        if all(side == 1 for side in wanted):
            to.write(whole, [to.tensor()])
            return
        if any(side % own for side, own in zip(sides, wanted, strict=True)):
            raise Unsupported(f"an adaptive pool from {list(sides)} to {list(wanted)}, which does not divide it")
        steps = [side // own for side, own in zip(sides, wanted, strict=True)]
        to.write(op, [to.tensor()], {"kernel_shape": steps, "strides": steps})

    return write


def _reduce(op: str) -> Write:
    def write(to: Translation, node: FxNode) -> None:
        axes = to.argument(1, "dim")
        if isinstance(axes, FxNode):  # max and min of two tensors
            to.write(op.removeprefix("Reduce"), [to.tensor(), to.named(axes)])
            return
        listed = [axes] if isinstance(axes, int) else list(axes or [])
        rank = len(to.shape(to.argument(0)))
        fields: dict[str, Any] = {"axes": [axis % rank for axis in listed]} if listed else {}
        if op in ("ArgMax", "ArgMin"):
            fields = {"axis": listed[0] % rank} if listed else {}
        to.write(op, [to.tensor()], fields | {"keepdims": int(len(to.shape()) == rank)})

    return write


def _vector_norm(to: Translation, node: FxNode) -> None:
    order, axes, rank = to.argument(1, "ord", 2), to.argument(2, "dim"), len(to.shape(to.argument(0)))
    if order not in (1, 2):
        raise Unsupported(f"a vector norm of order {order}")
    fields = {"axes": [axis % rank for axis in axes]} if axes else {}
    to.write(f"ReduceL{int(order)}", [to.tensor()], fields | {"keepdims": int(len(to.shape()) == rank)})


def _glu(to: Translation, node: FxNode) -> None:
    shape = to.shape(to.argument(0))
    axis = to.argument(1, "dim", -1) % len(shape)
    half = shape[axis] // 2
    bounds = [{"starts": [start], "ends": [start + half], "axes": [axis]} for start in (0, half)]
    kept, gate = (
        to.write("Slice", [to.tensor()], own, inner=part) for own, part in zip(bounds, ("kept", "gate"), strict=True)
    )
    to.write("Mul", [kept, to.write("Sigmoid", [gate], inner="sigmoid")])


def _resize(to: Translation, node: FxNode) -> None:
    to.write("Resize", [to.tensor(), "", "", to.constant(np.asarray(to.shape(), dtype=np.int64))])


def _attention(to: Translation, node: FxNode) -> None:
    query, key, value, mask = (to.argument(place) for place in range(4))
    rank, own = len(to.shape(query)), to.shape(query)[-1]
    turned = to.write("Transpose", [to.named(key)], {"perm": [*range(rank - 2), rank - 1, rank - 2]}, inner="key")
    scores = to.write("MatMul", [to.named(query), turned], inner="scores")
    scale = to.argument(6, "scale") or own**-0.5
    scores = to.write("Mul", [scores, to.constant(np.asarray(scale, dtype=np.float32))], inner="scale")
    if mask is not None:
        scores = to.write("Add", [scores, to.named(mask)], inner="mask")
    weights = to.write("Softmax", [scores], inner="softmax")
    to.write("MatMul", [weights, to.named(value)])


def _made(to: Translation, node: FxNode) -> None:
    """A constant whose values do not matter: zeros, ones, ranges, parts of such."""
    if str(node.target).startswith("aten.tri") and to.of_picture(to.argument(0)):
        raise Unsupported("a triangle of what depends on the picture")
    to.constants[node.name] = Constant(shape=to.shape())


def _alias(to: Translation, node: FxNode) -> None:
    to.alias()


def _part(to: Translation, node: FxNode) -> None:
    to.part()


TRANSLATIONS: dict[str, Write] = (
    MOVES
    | COMPOSED
    | dict.fromkeys(("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "convolution"), _conv)
    | {"linear": _linear, "addmm": _addmm, "matmul": simple("MatMul", 2), "bmm": simple("MatMul", 2)}
    | dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm"), _batch_norm)
    | dict.fromkeys(("layer_norm", "native_layer_norm"), _layer_norm)
    | {"mm": simple("MatMul", 2), "rms_norm": _rms_norm, "group_norm": _group_norm, "native_group_norm": _group_norm}
    | {"instance_norm": simple("InstanceNormalization", 3)}
    | dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool2d_with_indices"), _pool("MaxPool"))
    | dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("AveragePool"))
    | dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"),
        _adaptive("AveragePool", "GlobalAveragePool"),
    )
    | dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive("MaxPool", "GlobalMaxPool"))
    | {"mean": _reduce("ReduceMean"), "sum": _reduce("ReduceSum"), "amax": _reduce("ReduceMax")}
    | {"max": _reduce("ReduceMax"), "min": _reduce("ReduceMin"), "prod": _reduce("ReduceProd")}
    | {"logsumexp": _reduce("ReduceLogSumExp"), "argmin": _reduce("ArgMin")}
    | {"amin": _reduce("ReduceMin"), "argmax": _reduce("ArgMax"), "linalg_vector_norm": _vector_norm, "glu": _glu}
    | dict.fromkeys(
        (
            *("upsample_nearest1d", "upsample_linear1d", "upsample_nearest2d", "upsample_bilinear2d"),
            *("upsample_bicubic2d", "_upsample_nearest_exact2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
        ),
        _resize,
    )
    | {"scaled_dot_product_attention": _attention}
    | {"relu": simple("Relu"), "hardswish": simple("HardSwish"), "hardsigmoid": simple("HardSigmoid")}
    | {"sigmoid": simple("Sigmoid"), "silu": simple("Swish"), "gelu": simple("Gelu"), "tanh": simple("Tanh")}
    | {
        "leaky_relu": simple("LeakyRelu"),
        "rrelu": simple("LeakyRelu"),
        "elu": simple("Elu"),
        "selu": simple("Selu"),
        "celu": simple("Celu"),
    }
    | {
        "mish": simple("Mish"),
        "softplus": simple("Softplus"),
        "prelu": simple("PRelu", 2),
        "_prelu_kernel": simple("PRelu", 2),
    }
    | {"exp": simple("Exp"), "log": simple("Log"), "sqrt": simple("Sqrt"), "abs": simple("Abs"), "neg": simple("Neg")}
    | {"erf": simple("Erf"), "sin": simple("Sin"), "cos": simple("Cos"), "reciprocal": simple("Reciprocal")}
    | {"sign": simple("Sign"), "floor": simple("Floor"), "ceil": simple("Ceil"), "round": simple("Round")}
    | {"mul": simple("Mul", 2), "div": simple("Div", 2)}
    | {"eq": simple("Equal", 2), "gt": simple("Greater", 2), "ge": simple("GreaterOrEqual", 2)}
    | {"lt": simple("Less", 2), "le": simple("LessOrEqual", 2)}
    | dict.fromkeys(("logical_and", "bitwise_and", "__and"), simple("And", 2))
    | dict.fromkeys(("logical_or", "bitwise_or", "__or"), simple("Or", 2))
    | dict.fromkeys(("logical_not", "bitwise_not"), simple("Not"))
    | {"maximum": simple("Max", 2), "minimum": simple("Min", 2), "pow": simple("Pow", 2), "where": simple("Where", 3)}
    | {"masked_fill": simple("Add", 2)}
    | {"softmax": simple("Softmax"), "_softmax": simple("Softmax")}
    | {"log_softmax": simple("LogSoftmax"), "_log_softmax": simple("LogSoftmax")}
    | dict.fromkeys(
        (
            *("dropout", "feature_dropout", "contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh"),
            *("lift_fresh_copy", "identity", "native_dropout", "alpha_dropout"),
        ),
        _alias,
    )
    | dict.fromkeys(
        (
            *("zeros", "ones", "arange", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones"),
            *("new_full", "eye", "tril", "triu"),
        ),
        _made,
    )
    | {"getitem": _part}
)
"""ATen operator -> how it is written. What is not here is named as unsupported."""
