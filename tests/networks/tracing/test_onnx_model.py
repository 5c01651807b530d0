"""Whole ONNX files: shapes, precision, and everything that can be wrong with them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from design.counts import count
from design.errors import BespokeError
from design.layer import Op, Role
from networks.tracing.errors import InvalidModel, UnsupportedModel
from networks.tracing.onnx_model import MOST_NODES, trace_onnx
from tests.networks.tracing.small_models import content, floats, model, node, small_network, whole

SMALL = small_network()


def test_a_small_network() -> None:
    traced = trace_onnx(SMALL, name="small")
    conv, pool, head = traced.architecture.layers
    assert (traced.architecture.name, traced.architecture.input_shape, traced.notes) == ("small", (3, 8, 8), ())
    assert [layer.name for layer in (conv, head)] == ["conv", "head"]
    assert (conv.role, head.role, pool.role) == (Role.STEM, Role.CLASSIFIER, Role.BODY)
    counts = count(traced.design)
    assert counts.macs == 16 * 27 * 64 + 160
    assert counts.parameters == 16 * 27 + 16 + 160 + 10
    assert {str(one) for one in traced.policy.layers.values()} == {"W32A32"}


def test_a_model_at_other_bits() -> None:
    traced = trace_onnx(SMALL)
    assert {str(one) for one in traced.at_bits(4).policy.layers.values()} == {"W8A8"}  # edges
    assert traced.at_bits(None) is traced
    assert count(traced.at_bits(8).design).model_bytes < count(traced.design).model_bytes / 2
    with pytest.raises(InvalidModel, match="bits must be one of 1, 2, 4, 8, 16, 32, but got 3"):
        traced.at_bits(3)


def test_torch_is_not_needed() -> None:
    code = "import sys; from networks.tracing.onnx_model import trace_onnx; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("weights", "kind", "shown"), [(np.int8, np.int8, "W8A8"), (np.uint8, np.int8, "W8A8")])
def test_quantizers_give_the_precision_of_each_layer(weights: type, kind: type, shown: str) -> None:
    nodes = [
        node("QuantizeLinear", "x s zero", "q"),
        node("DequantizeLinear", "q s zero", "d"),
        node("DequantizeLinear", "w s wzero", "v"),
        node("Conv", "d v", "c"),
        node("Relu", "c", "r"),
        node("Conv", "r u"),
    ]
    constants = {
        "s": np.float32(0.1),
        "zero": np.zeros((), dtype=kind),
        "wzero": np.zeros((), dtype=weights),
        "w": np.ones((4, 3, 3, 3), dtype=weights),
        "u": floats(4, 4, 3, 3),
    }
    traced = trace_onnx(content(nodes, constants))
    assert [str(one) for one in traced.policy.layers.values()] == [shown, "W32A32"]
    assert [layer.op for layer in traced.architecture.layers] == [Op.CONV, Op.CONV]


@pytest.mark.parametrize(("kind", "shown"), [(np.float16, "W16A16"), (np.float64, "W32A32"), ("bfloat16", "W16A16")])
def test_the_element_type_is_the_precision(kind: object, shown: str) -> None:
    made = model([node("Conv", "x w")], {"w": floats(4, 3, 3, 3)})
    weights = made.graph.initializer[0]
    if kind == "bfloat16":
        weights.CopyFrom(helper.make_tensor("w", TensorProto.BFLOAT16, (4, 3, 3, 3), floats(108)))
    else:
        weights.CopyFrom(onnx.numpy_helper.from_array(floats(4, 3, 3, 3, kind=kind), "w"))
    assert [str(one) for one in trace_onnx(made.SerializeToString()).policy.layers.values()] == [shown]


def test_an_open_batch_is_one_and_open_sides_need_a_hint() -> None:
    nodes, constants = [node("Conv", "x w")], {"w": floats(4, 3, 3, 3)}
    assert trace_onnx(content(nodes, constants, shape=("batch", 3, 8, 8))).architecture.input_shape == (3, 8, 8)
    several = trace_onnx(content(nodes, constants, shape=(4, 3, 8, 8)))
    assert several.notes == ("a batch of 4 pictures is read as 1",)
    file = content(nodes, constants, shape=("batch", 3, "height", None))
    with pytest.raises(InvalidModel, match=r"--input-shape 3x224x224"):
        trace_onnx(file)
    assert trace_onnx(file, input_shape=(3, 20, 30)).architecture.layers[0].out_shape == (4, 18, 28)
    for wrong in ((3, 20), (4, 20, 30)):
        with pytest.raises(InvalidModel, match="must fit"):
            trace_onnx(file, input_shape=wrong)


def _external() -> bytes:
    made = model([node("Conv", "x w")], {"w": floats(4, 3, 3, 3)})
    weights = made.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    return bytes(made.SerializeToString())


def _sparse(side: int) -> bytes:
    made = model([node("Conv", "x w")])
    values = helper.make_tensor("w", TensorProto.FLOAT, (1,), [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, (1,), [0])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4, 3, side, side]))
    return bytes(made.SerializeToString())


def _damaged() -> bytes:
    made = model([node("Conv", "x w")], {"w": floats(4, 3, 3, 3)})
    made.graph.initializer[0].raw_data = made.graph.initializer[0].raw_data[:-4]
    return bytes(made.SerializeToString())


CIRCLE = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")]
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "from 1 to"),
    "not a model": (b"\x00\x01\x02 not a model", "must be an ONNX file"),
    "another file": (b"PK\x03\x04" + bytes(64), "must be an ONNX file"),
    "broken off": (SMALL[: len(SMALL) // 2], "must be an ONNX file"),
    "outside data": (_external(), "stored in the model file, but got external data"),
    "damaged": (_damaged(), "108 elements of 32 bits"),
    "a circle": (content(CIRCLE), "a later node"),
    "reads nothing": (content([node("Relu", "gone")]), "nothing in the model"),
    "writes twice": (content([node("Relu", "x"), node("Relu", "x")]), "tensors of its own"),
    "too many nodes": (content([node("Relu", "x", f"n{i}") for i in range(MOST_NODES + 1)]), "at most 20,000 nodes"),
    "no layers": (content([node("Identity", "x")]), "at least one layer"),
    "no nodes": (content([]), "at least one node"),
    "absurd sides": (content([node("Relu", "x")], shape=(1, 3, 1 << 40, 1 << 40)), "dimensions of 1 or more"),
    "no sides": (content([node("Relu", "x")], shape=(1, 3, 0, 8)), "dimensions of 1 or more"),
    "a wide layer": (content([node("Relu", "x")], shape=(1, 1 << 30, 1, 1)), "sizes within bounds"),
    "vast sparse weights": (_sparse(1 << 30), "at most 8 dimensions"),
    "old operators": (content([node("Relu", "x")], opset=6), "versions 7 to 26"),
    "new operators": (content([node("Relu", "x")], opset=99), "versions 7 to 26"),
}


@pytest.mark.parametrize(("file", "must"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_said(file: bytes, must: str) -> None:
    with pytest.raises(InvalidModel, match=must):
        trace_onnx(file)


def test_sparse_weights_are_counted_and_never_unpacked() -> None:
    assert trace_onnx(_sparse(3)).architecture.layers[0].weights == 108


def test_every_unsupported_operator_is_named_at_once() -> None:
    """Operators of other domains, operators that are not known, and known ones that cannot be read as they are used."""
    nodes = [
        node("MaxPool", "x", "m", kernel_shape=[9, 9]),
        node("NonZero", "x", "n"),
        node("Relu", "n", "r"),
        node("Einsum", "r", "e", equation="abcd->abcd"),
        helper.make_node("Relu", ["e", ""], ["o", ""], name="layer7", domain="my.company"),
        node("QLinearConv", "x x x x x x x x", "q"),
        node("Resize", "x - -", "s"),
        node("Sum", "m o q s"),
    ]
    with pytest.raises(UnsupportedModel, match="6 that are not") as found:
        trace_onnx(content(nodes, domains=["my.company"]))
    assert [one.partition(" (")[0] for one in found.value.operators] == [
        *("MaxPool", "NonZero", "Einsum", "my.company::Relu", "QLinearConv", "Resize")
    ]
    assert found.value.operators[3] == "my.company::Relu (layer7): operator of another domain"
    for way_out in ("QDQ", "standard operators"):
        assert way_out in str(found.value)


def test_operators_that_nobody_reads_are_named_too() -> None:
    with pytest.raises(UnsupportedModel, match=r"1 that is not: NonZero \(nonzero_n\)"):
        trace_onnx(content([node("NonZero", "x", "n"), node("Relu", "x")]))


@pytest.mark.parametrize(
    ("nodes", "constants", "why"),
    [
        ([node("Conv", "x w")], {"w": floats(4, 5, 3, 3)}, "weights of"),
        ([node("Conv", "x w")], {"w": floats(4, 3, 9, 9)}, "larger than"),
        ([node("Relu", "x", "r"), node("Conv", "x r")], {}, "must be constants"),
        ([node("MaxPool", "x", kernel_shape=[9, 9])], {}, "larger than"),
        ([node("Reshape", "x s")], {"s": whole(2, 7)}, "Export the model with a batch of 1"),
        ([node("Add", "x b")], {"b": floats(5)}, "do not fit"),
        ([node("Gather", "b i")], {"b": floats(5)}, "reads 'i'|nothing in the model"),
        ([node("QLinearConv", "x x x x x x x x")], {}, "QDQ"),
        ([node("Transpose", "x", perm=[0, 0, 1, 2])], {}, "the order"),
        ([node("Concat", "x b", axis=1)], {"b": floats(1, 3, 2, 2)}, "concatenation"),
    ],
)
def test_nodes_that_do_not_fit_are_named(nodes: list[onnx.NodeProto], constants: dict[str, object], why: str) -> None:
    with pytest.raises(BespokeError, match=why):
        trace_onnx(content(nodes, constants))


def test_reading_is_given_up_in_time() -> None:
    chain = [node("Relu", "x" if i == 0 else f"n{i - 1}", f"n{i}") for i in range(3_000)]
    with pytest.raises(InvalidModel, match="within the time allowed"):
        trace_onnx(content(chain, output="n2999"), seconds=0.0)


def test_long_chains_are_read_fast_and_layers_are_bounded() -> None:
    chain = [node("Relu", "x" if i == 0 else f"n{i - 1}", f"n{i}") for i in range(5_000)]
    with pytest.raises(InvalidModel, match="at most 4096 layers"):
        trace_onnx(content(chain, output="n4999"))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_are_refused_or_read_and_nothing_else(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(SMALL)
    for place, value in flips:
        damaged[place] = value
    try:
        traced = trace_onnx(bytes(damaged), seconds=5.0)
    except BespokeError:
        return
    assert traced.architecture.layers
