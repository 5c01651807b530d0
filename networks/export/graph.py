"""Graph: an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from design.architecture import INPUT
from networks.errors import UnsupportedLayer

OPSET = 18
"""Version of the operators; every runtime of the last years has it."""
IR_VERSION = 8
OUTPUT = "logits"
BATCH = "N"
PRODUCER = "bespoke"
Array = NDArray[Any]


class Graph:
    """Nodes and constants of a model with one picture input (`input`) and one output (`logits`, unless a layer is).

    Values are called as the layers that compute them. A value in the middle of a layer is called `layer/part`.
    """

    def __init__(self, name: str, input_shape: tuple[int, int, int]) -> None:
        self.name, self.input_shape = name, input_shape
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._values: set[str] = {INPUT}

    def constant(self, name: str, value: Array) -> str:
        """Store a value; one that stands there already under its name must be the same.

        Raises:
            UnsupportedLayer: The name is taken.
        """
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        known = self._constants.get(name)
        if known is None:
            self._new(name)
            self._constants[name] = tensor
        elif known.SerializeToString() != tensor.SerializeToString():
            raise UnsupportedLayer("names of layers and their parts must be unique in an exported network", repr(name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, *, name: str = "", **attributes: Any) -> str:
        """Add a node with one output.

        Args:
            op: Operator.
            inputs: Names of values.
            output: Name of the value that it computes.
            name: Of the node; made of output and operator if left out.
            attributes: Of the operator.

        Returns:
            `output`.

        Raises:
            UnsupportedLayer: The name of the output is taken.
        """
        self._new(output)
        own = name or f"{output}/{op.lower()}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=own, **attributes))
        return output

    def _new(self, name: str) -> None:
        if name in self._values:
            raise UnsupportedLayer("names of layers and their parts must be unique in an exported network", repr(name))
        self._values.add(name)

    def model(self, last: str, out_shape: tuple[int, ...], metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The model.

        Args:
            last: The value that is the output.
            out_shape: Of one picture.
            metadata: Text that travels with the model.
        """
        output = OUTPUT
        while output in self._values:
            output += "_"
        nodes = [*self._nodes, helper.make_node("Identity", [last], [output], name=f"{output}/identity")]
        graph = helper.make_graph(
            nodes,
            self.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [BATCH, *self.input_shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [BATCH, *out_shape])],
            list(self._constants.values()),
        )
        imports = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name=PRODUCER)
        helper.set_model_props(model, dict(metadata))
        return model
