"""Every operator: what it becomes, and that its output is as large as when ONNX Runtime runs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import NodeProto

from design.layer import Activation, Layer, Op
from networks.tracing.errors import UnsupportedModel
from networks.tracing.onnx_model import trace_onnx
from tests.networks.tracing.small_models import content, floats, node, whole

CONV = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
W = {"w": floats(8, 3, 3, 3)}
Case = tuple[str, list[NodeProto], dict[str, Any], Op]
CASES: list[Case] = [
    ("plain", [node("Conv", "x w b", strides=[2, 2])], W | {"b": floats(8)}, Op.CONV),
    ("same_upper", [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], W, Op.CONV),
    ("asymmetric", [node("Conv", "x w", pads=[0, 1, 2, 3], strides=[1, 2])], W, Op.CONV),
    ("dilated", [node("Conv", "x w", dilations=[2, 3])], W, Op.CONV),
    ("depthwise", [node("Conv", "x w", group=3)], {"w": floats(6, 1, 3, 3)}, Op.CONV),
    ("deconv", [node("ConvTranspose", "x w", strides=[2, 2])], {"w": floats(3, 4, 2, 2)}, Op.DECONV),
    (
        "deconv_pads",
        [node("ConvTranspose", "x w", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])],
        {"w": floats(3, 4, 3, 3)},
        Op.DECONV,
    ),
    ("max", [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {}, Op.POOL_MAX),
    (
        "ceil_in_padding",
        [node("MaxPool", "x", kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)],
        {},
        Op.POOL_MAX,
    ),
    (
        "average",
        [node("AveragePool", "x", kernel_shape=[2, 3], strides=[2, 1], pads=[0, 1, 0, 1])],
        {},
        Op.POOL_AVERAGE,
    ),
    ("global", [node("GlobalMaxPool", "x")], {}, Op.POOL_MAX),
    ("mean", [node("ReduceMean", "x axes", keepdims=0)], {"axes": whole(2, 3)}, Op.POOL_AVERAGE),
    ("mean_of_channels", [node("ReduceMean", "x axes")], {"axes": whole(1)}, Op.OTHER),
    ("flat_matmul", [node("Flatten", "x", "f"), node("MatMul", "f w")], {"w": floats(192, 5)}, Op.FC),
    ("left_matmul", [node("MatMul", "w x")], {"w": floats(5, 8)}, Op.FC),
    ("two_tensors", [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "t x")], {}, Op.MATMUL),
    ("batch_norm", [node("BatchNormalization", "x s s s v")], {"s": floats(3), "v": floats(3) ** 2}, Op.NORM),
    ("instance_norm", [node("InstanceNormalization", "x s s")], {"s": floats(3)}, Op.NORM),
    ("layer_norm", [node("LayerNormalization", "x s s")], {"s": floats(8)}, Op.NORM),
    ("lrn", [node("LRN", "x", size=3)], {}, Op.OTHER),
    ("add", [node("Add", "x x")], {}, Op.ACTIVATION),
    ("sum", [node("Neg", "x", "n"), node("Sum", "x n x")], {}, Op.ADD),
    ("positions", [node("Add", "x p")], {"p": floats(1, 3, 8, 8)}, Op.ADD),
    ("scaled", [node("Mul", "x p")], {"p": floats(3, 1, 1)}, Op.MULTIPLY),
    ("gated", [node("GlobalAveragePool", "x", "g"), node("Mul", "x g")], {}, Op.MULTIPLY),
    ("spatial_gate", [node("ReduceMax", "x a", "g"), node("Mul", "x g")], {"a": whole(1)}, Op.OTHER),
    (
        "grown_by_constant",
        [node("GlobalAveragePool", "x", "g"), node("Add", "g p")],
        {"p": floats(1, 3, 4, 4)},
        Op.OTHER,
    ),
    ("softmax", [node("Softmax", "x", axis=1)], {}, Op.SOFTMAX),
    ("concat", [node("Relu", "x", "r"), node("Concat", "x r", axis=1)], {}, Op.CONCAT),
    ("concat_rows", [node("Relu", "x", "r"), node("Concat", "x r", axis=2)], {}, Op.OTHER),
    ("pad", [node("Pad", "x p")], {"p": whole(0, 0, 1, 2, 0, 0, 3, 4)}, Op.PAD),
    ("resize", [node("Resize", "x - s", mode="nearest")], {"s": floats(4) * 0 + [1, 1, 2, 1.5]}, Op.RESIZE),
    ("resize_to", [node("Resize", "x - - s", mode="nearest")], {"s": whole(1, 3, 5, 7)}, Op.RESIZE),
    ("depth_to_space", [*([CONV]), node("DepthToSpace", "c", blocksize=2)], W, Op.OTHER),
    ("space_to_depth", [node("SpaceToDepth", "x", blocksize=4)], {}, Op.OTHER),
    ("transpose", [node("Transpose", "x", perm=[0, 2, 3, 1])], {}, Op.OTHER),
    ("slice", [node("Slice", "x s e a t")], {"s": whole(7), "e": whole(0), "a": whole(3), "t": whole(-2)}, Op.OTHER),
    ("gather", [node("Gather", "x i", axis=2)], {"i": whole(1, 3)}, Op.OTHER),
    ("split", [node("Split", "x s", "y z", axis=3)], {"s": whole(3, 5)}, Op.OTHER),
    ("expand", [node("GlobalAveragePool", "x", "g"), node("Expand", "g s")], {"s": whole(1, 3, 4, 2)}, Op.OTHER),
    ("tile", [node("Tile", "x s")], {"s": whole(1, 1, 2, 3)}, Op.OTHER),
    ("where", [node("Where", "m x f")], {"m": np.ones((8, 8), dtype=bool), "f": floats(1)}, Op.OTHER),
    ("prelu", [node("PRelu", "x s")], {"s": floats(3, 1, 1)}, Op.ACTIVATION),
    ("clip", [node("Clip", "x l h")], {"l": np.float32(0), "h": np.float32(6)}, Op.ACTIVATION),
    ("pow", [node("Pow", "x p")], {"p": np.float32(2)}, Op.ACTIVATION),
]


def last(file: bytes) -> Layer:
    return trace_onnx(file).architecture.layers[-1]


@pytest.mark.parametrize(("nodes", "constants", "op"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_an_operator_and_the_size_of_what_it_writes(nodes: list[NodeProto], constants: dict[str, Any], op: Op) -> None:
    file = content(nodes, {name: np.asarray(value, dtype=_kind(value)) for name, value in constants.items()})
    layer = last(file)
    assert layer.op is op
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": floats(1, 3, 8, 8)})
    assert layer.out_elements == math.prod(np.asarray(found).shape)


def _kind(value: Any) -> Any:
    array = np.asarray(value)
    return np.float32 if array.dtype.kind == "f" else array.dtype


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        ("Relu", Activation.RELU),
        ("HardSwish", Activation.HARD_SWISH),
        ("HardSigmoid", Activation.HARD_SIGMOID),
        ("Sigmoid", Activation.SIGMOID),
        ("Gelu", Activation.GELU),
        ("LeakyRelu", Activation.OTHER),
        ("Tanh", Activation.OTHER),
        ("Mish", Activation.OTHER),
    ],
)
def test_activations_are_fused_into_the_layer_before(op: str, kind: Activation) -> None:
    (layer,) = trace_onnx(content([CONV, node(op, "c")], W)).architecture.layers
    assert (layer.op, layer.activation) == (Op.CONV, kind)


def test_an_activation_is_a_layer_where_others_read_what_is_before_it() -> None:
    traced = trace_onnx(content([CONV, node("Relu", "c", "r"), node("Add", "c r")], W))
    assert [layer.op for layer in traced.architecture.layers] == [Op.CONV, Op.ACTIVATION, Op.ADD]


S = {"three": np.float32(3), "six": np.float32(6), "zero": np.float32(0), "half": np.float32(0.5), "one": np.float32(1)}
DECOMPOSED: list[tuple[str, list[NodeProto], Activation]] = [
    ("swish", [node("Sigmoid", "c", "s"), node("Mul", "c s")], Activation.SWISH),
    (
        "hard_swish",
        [node("Add", "c three", "a"), node("Clip", "a zero six", "k"), node("Mul", "c k", "m"), node("Div", "m six")],
        Activation.HARD_SWISH,
    ),
    ("hard_swish_of_sigmoid", [node("HardSigmoid", "c", "s"), node("Mul", "s c")], Activation.HARD_SWISH),
    (
        "hard_sigmoid",
        [node("Add", "c three", "a"), node("Clip", "a zero six", "k"), node("Div", "k six")],
        Activation.HARD_SIGMOID,
    ),
    (
        "gelu",
        [
            node("Div", "c six", "d"),
            node("Erf", "d", "e"),
            node("Add", "e one", "a"),
            node("Mul", "c a", "m"),
            node("Mul", "m half"),
        ],
        Activation.GELU,
    ),
    (
        "gelu_tanh",
        [
            node("Pow", "c three", "p"),
            node("Mul", "p half", "q"),
            node("Add", "c q", "a"),
            node("Mul", "a half", "b"),
            node("Tanh", "b", "t"),
            node("Add", "t one", "u"),
            node("Mul", "c half", "h"),
            node("Mul", "h u"),
        ],
        Activation.GELU,
    ),
    ("mish", [node("Softplus", "c", "s"), node("Tanh", "s", "t"), node("Mul", "c t")], Activation.OTHER),
]


@pytest.mark.parametrize(("nodes", "kind"), [one[1:] for one in DECOMPOSED], ids=[one[0] for one in DECOMPOSED])
def test_activations_in_elementary_operators_are_put_together(nodes: list[NodeProto], kind: Activation) -> None:
    (layer,) = trace_onnx(content([CONV, *nodes], W | S)).architecture.layers
    assert (layer.op, layer.activation) == (Op.CONV, kind)


def test_layer_norm_in_elementary_operators_is_one_norm_with_scale_and_shift() -> None:
    nodes = [
        node("ReduceMean", "x axes", "m"),
        node("Sub", "x m", "d"),
        node("Pow", "d two", "p"),
        node("ReduceMean", "p axes", "v"),
        node("Add", "v eps", "e"),
        node("Sqrt", "e", "r"),
        node("Div", "d r", "n"),
        node("Mul", "n g", "s"),
        node("Add", "s g"),
    ]
    constants = {"axes": whole(-1), "two": np.float32(2), "eps": np.float32(1e-5), "g": floats(8)}
    (layer,) = trace_onnx(content(nodes, constants, shape=(1, 5, 8))).architecture.layers
    assert (layer.op, layer.parameters, layer.out_shape) == (Op.NORM, 16, (8, 5, 1))


def _local_response(kernel: list[int], squared: str = "x x") -> bytes:
    nodes = [
        node("Mul", squared, "s"),
        node("Reshape", "s apart", "a"),
        node("Pad", "a around", "p"),
        node("AveragePool", "p", "m", kernel_shape=kernel),
        node("Squeeze", "m one", "q"),
        node("Mul", "q alpha", "u"),
        node("Add", "k u", "v"),
        node("Pow", "v beta", "w"),
        node("Div", "x w"),
    ]
    constants = {"apart": whole(1, 1, 3, 8, 8), "around": whole(0, 0, 1, 0, 0, 0, 0, 1, 0, 0), "one": whole(1)}
    numbers = {"alpha": np.float32(1e-4), "k": np.float32(1), "beta": np.float32(0.75)}
    return content(nodes, constants | numbers)


def test_a_local_response_norm_in_elementary_operators_is_one_layer() -> None:
    file = _local_response([3, 1, 1])
    (layer,) = trace_onnx(file).architecture.layers
    assert (layer.op, layer.out_shape) == (Op.OTHER, (3, 8, 8))
    x = floats(1, 3, 8, 8)
    alone = content([node("LRN", "x", size=3)])
    one, other = (onnxruntime.InferenceSession(own).run(None, {"x": x})[0] for own in (file, alone))
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("file", [_local_response([3, 3, 1]), _local_response([3, 1, 1], "x k")], ids=["wide", "plain"])
def test_what_is_no_local_response_norm_is_not_taken_for_one(file: bytes) -> None:
    with pytest.raises(UnsupportedModel, match="one picture of one or two spatial dimensions"):
        trace_onnx(file)


def test_rms_norm_has_one_value_a_channel() -> None:
    (layer,) = trace_onnx(
        content([node("RMSNormalization", "x g")], {"g": floats(8)}, shape=(1, 5, 8), opset=23)
    ).architecture.layers
    assert (layer.parameters, layer.out_shape) == (8, (8, 5, 1))


def test_a_batch_norm_is_folded_into_the_layer_before_and_a_bias_added_to_it() -> None:
    norm = node("BatchNormalization", "c s s s v", "n")
    constants = W | {"s": floats(8), "v": floats(8) ** 2, "b": floats(1, 8, 1, 1), "k": np.float32(2)}
    (layer,) = trace_onnx(content([CONV, norm, node("Relu", "n")], constants)).architecture.layers
    assert (layer.batch_norm, layer.bias, layer.activation) == (True, False, Activation.RELU)
    assert layer.parameters == 8 * 27 + 16
    (layer,) = trace_onnx(content([CONV, node("Add", "c b", "a"), node("Mul", "a k")], constants)).architecture.layers
    assert (layer.batch_norm, layer.bias) == (False, True)


def test_one_dimension_is_read_as_a_height_of_one() -> None:
    nodes = [node("Conv", "x w", "c", strides=[2]), node("MaxPool", "c", kernel_shape=[2])]
    conv, pool = trace_onnx(content(nodes, {"w": floats(8, 4, 5)}, shape=(1, 4, 33))).architecture.layers
    assert (conv.in_shape, conv.out_shape, conv.macs) == ((4, 1, 33), (8, 1, 15), 8 * 4 * 5 * 15)
    assert pool.out_shape == (8, 1, 14)


def test_views_are_free_and_moves_are_layers() -> None:
    shuffle = [
        CONV,
        node("Reshape", "c two", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b back", "d"),
        node("Conv", "d v"),
    ]
    constants = W | {"two": whole(1, 2, 4, 8, 8), "back": whole(1, 8, -1, 8), "v": floats(4, 8, 1, 1)}
    layers = trace_onnx(content(shuffle, constants)).architecture.layers
    assert [layer.op for layer in layers] == [Op.CONV, Op.OTHER, Op.CONV]
    flat = [CONV, node("Reshape", "c s", "f"), node("Gemm", "f g")]
    layers = trace_onnx(content(flat, W | {"s": whole(0, -1), "g": floats(512, 4)})).architecture.layers
    assert [layer.op for layer in layers] == [Op.CONV, Op.FLATTEN, Op.FC]
    free = [CONV, node("GlobalAveragePool", "c", "p"), node("Transpose", "p", "t", perm=[0, 2, 3, 1])]
    free += [node("Squeeze", "t a", "q"), node("Gemm", "q g")]
    layers = trace_onnx(content(free, W | {"a": whole(1, 2), "g": floats(8, 4)})).architecture.layers
    assert [layer.op for layer in layers] == [Op.CONV, Op.POOL_AVERAGE, Op.FC]
