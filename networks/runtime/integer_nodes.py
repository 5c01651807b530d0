"""Integer nodes: which layers a runtime really computes on whole numbers, read from the graph that it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from networks.export.exported import Exported
from networks.runtime.session import open_session

INTEGER = frozenset({"QLinearConv", "ConvInteger", "QGemm", "MatMulInteger", "MatMulIntegerToFloat", "QLinearMatMul"})
FLOAT = frozenset({"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "ConvTranspose"})


@dataclass(frozen=True, kw_only=True)
class IntegerNodes:
    """What became of the layers with weights in the runtime's own graph.

    Attributes:
        integer: Layers computed on whole numbers.
        floats: Layers computed on floats.
        stayed_float: Those of `floats` that were exported to run on whole numbers.
        nodes: Operator -> how many nodes of the graph are it, of those that compute layers with weights.
    """

    integer: tuple[str, ...]
    floats: tuple[str, ...]
    stayed_float: tuple[str, ...]
    nodes: dict[str, int]


def integer_nodes(exported: Exported) -> IntegerNodes:
    """Have onnxruntime optimise a model and look at what it made of the layers.

    Raises:
        InvalidArtefact: The runtime does not take the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        open_session(exported.content, write_to=path)
        graph = onnx.load_model(str(path)).graph
    layers = [node.name for node in exported.model.graph.node if node.op_type in FLOAT]
    found: dict[str, str] = {}
    counted: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in INTEGER | FLOAT:
            counted[node.op_type] = counted.get(node.op_type, 0) + 1
            found[_layer_of(node, layers)] = node.op_type
    integer = tuple(name for name in layers if found.get(name) in INTEGER)
    return IntegerNodes(
        integer=integer,
        floats=tuple(name for name in layers if name not in integer),
        stayed_float=tuple(name for name in exported.kernels.integer if name not in integer),
        nodes=dict(sorted(counted.items())),
    )


def _layer_of(node: onnx.NodeProto, layers: Sequence[str]) -> str:
    """The layer that a node of the optimised graph computes.

    The runtime keeps names of nodes or puts something behind them; values that it reads have the layer's name in front.
    """
    known = [name for name in layers if node.name == name or node.name.startswith((f"{name}_", f"{name}/"))]
    if not known:
        read = [name for value in node.input for name in layers if value.startswith(f"{name}/")]
        known = read
    return max(known, key=len, default=node.name)
