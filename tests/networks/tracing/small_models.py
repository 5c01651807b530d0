"""Small ONNX models, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(0)


def floats(*shape: int, kind: Any = np.float32) -> Any:
    return RANDOM.normal(size=shape).astype(kind)


def whole(*values: int) -> Any:
    return np.asarray(values, dtype=np.int64)


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node; inputs and outputs separated by spaces, `-` for one left out."""
    names = [[name.replace("-", "") for name in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, names[0], names[1], name=f"{op.lower()}_{outputs.split()[0]}", **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    *,
    shape: Sequence[int | str | None] = (1, 3, 8, 8),
    output: str = "y",
    opset: int = 20,
    kind: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model with the input x and one output."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def content(*arguments: Any, **options: Any) -> bytes:
    """The file of a model."""
    return bytes(model(*arguments, **options).SerializeToString())


def small_network() -> bytes:
    """A convolution with ReLU, a global pool and a classifier for 3 x 8 x 8 and 10 classes."""
    return content(
        [
            node("Conv", "x conv.weight conv.bias", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("GlobalAveragePool", "r", "p"),
            node("Flatten", "p", "f"),
            node("Gemm", "f head.weight head.bias", "y", transB=1),
        ],
        {
            "conv.weight": floats(16, 3, 3, 3),
            "conv.bias": floats(16),
            "head.weight": floats(10, 16),
            "head.bias": floats(10),
        },
    )
