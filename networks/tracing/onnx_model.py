"""ONNX models: parsed as protocol buffers and nothing else: no code runs, no other file is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from design.errors import BespokeError
from networks.tracing.constants import of_array
from networks.tracing.errors import InvalidModel, Unsupported
from networks.tracing.graph import Constant, Dims, Graph, Node
from networks.tracing.onnx_names import name_of, unique
from networks.tracing.onnx_tensors import bits_of, read_sparse, read_tensor
from networks.tracing.shapes import checked
from networks.tracing.trace import SECONDS, Traced, trace

MOST_BYTES = 1 << 31
MOST_NODES = 20_000
MOST_TENSORS = 50_000
OPSETS = range(7, 27)
"""Versions of the standard operators that can be read."""
_STANDARD = ("", "ai.onnx")
_CONTRIBUTED = {
    "Gelu": "Gelu",
    "FastGelu": "Gelu",
    "QuickGelu": "Gelu",
    "SimplifiedLayerNormalization": "RMSNormalization",
}
_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INPUT_HINT = "Give the shape of one picture: --input-shape 3x224x224, or the query parameter input_shape."
_OPERATOR_FORMAT = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"})


def trace_onnx(
    content: bytes, *, name: str = "model", input_shape: Sequence[int] | None = None, seconds: float = SECONDS
) -> Traced:
    """Read an ONNX model.

    Args:
        content: The file.
        name: What to call it.
        input_shape: Dimensions of one picture (C, H, W) where the model leaves them open; a batch may be left open.
        seconds: Time after which reading is given up.

    Raises:
        InvalidModel: Not an ONNX model, damaged, too large, parts outside the file, or shapes that are not known.
        UnsupportedModel: Operators without a place in the vocabulary; all of them are named.
    """
    try:
        return trace(read_onnx(content, name=name, input_shape=input_shape), seconds=seconds)
    except BespokeError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidModel(
            "a model must be valid ONNX", f"contradictory parts ({error!r:.160})", "Check it: onnx.checker.check_model."
        ) from error


def read_onnx(content: bytes, *, name: str = "model", input_shape: Sequence[int] | None = None) -> Graph:
    """The graph of an ONNX model; operators of other domains stand in it as refused, for `trace` to name.

    Raises:
        InvalidModel: See `trace_onnx`.
    """
    model = _parsed(content)
    graph, version = model.graph, _version(model)
    constants: dict[str, Constant] = {}
    for tensor in graph.initializer:
        constants[tensor.name] = read_tensor(tensor, f"the initializer {tensor.name!r:.80}")
    for sparse in graph.sparse_initializer:
        constants[sparse.values.name] = read_sparse(sparse, f"the initializer {sparse.values.name!r:.80}")
    notes: list[str] = []
    picture = _picture(graph, constants)
    shape = _input_shape(picture, input_shape, notes)
    bits_of(picture.type.tensor_type.elem_type, f"the input {picture.name!r:.80}")
    nodes = []
    names = unique(["constant" if node.op_type == "Constant" else name_of(node) for node in graph.node])
    known = {*constants, picture.name, ""}
    written = {output for node in graph.node for output in node.output}
    for node, own in zip(graph.node, names, strict=True):
        _check_order(node, known, written)
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
        else:
            nodes.append(_node(node, own))
        known.update(node.output)
    outputs = tuple(value.name for value in graph.output if value.name in known)
    if not outputs:
        raise InvalidModel("a model must have an output that its nodes write", f"{len(graph.output)} outputs")
    return Graph(
        name=name[:200] or "model",
        input_name=picture.name,
        input_shape=shape,
        outputs=outputs,
        nodes=tuple(nodes),
        constants=constants,
        version=version,
        notes=tuple(notes),
    )


def _parsed(content: bytes) -> ModelProto:
    if not content or len(content) > MOST_BYTES:
        raise InvalidModel(f"a model must have from 1 to {MOST_BYTES:,} bytes", f"{len(content):,}")
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise InvalidModel(
            "a model must be an ONNX file", "bytes that are not, or that break off", "Export it again, whole."
        ) from error
    graph = model.graph
    if not graph.node or not model.opset_import:
        raise InvalidModel(
            "a model must be an ONNX file with at least one node", f"{len(graph.node)} nodes", "Export the model again."
        )
    tensors = len(graph.initializer) + len(graph.sparse_initializer)
    for what, count, most in (("nodes", len(graph.node), MOST_NODES), ("stored tensors", tensors, MOST_TENSORS)):
        if count > most:
            raise InvalidModel(f"a model must have at most {most:,} {what}", f"{count:,}")
    return model


def _version(model: ModelProto) -> int:
    stated = [one.version for one in model.opset_import if one.domain in _STANDARD]
    if not stated or stated[0] not in OPSETS:
        raise InvalidModel(
            f"the operators of a model must be of versions {OPSETS.start} to {OPSETS.stop - 1} (opset)",
            f"{stated[0] if stated else 'none of the standard domain'}",
            "Convert it: onnx.version_converter.convert_version(model, 20).",
        )
    return int(stated[0])


def _where(node: NodeProto) -> str:
    domain = "" if node.domain in _STANDARD else f"{node.domain[:60]}::"
    return f"{domain}{node.op_type[:80]} ({node.name[:120] or 'without a name'})"


def _foreign(node: NodeProto) -> Unsupported | None:
    if node.op_type in _OPERATOR_FORMAT:
        return Unsupported(
            "quantized operator", "Export quantized models with QuantizeLinear / DequantizeLinear (QDQ)."
        )
    if node.domain in _STANDARD or (
        node.domain == "com.microsoft" and node.op_type in _CONTRIBUTED.keys() | _QUANTIZED
    ):
        return None
    return Unsupported("operator of another domain", "Export the model with standard operators, its functions inlined.")


def _picture(graph: GraphProto, constants: dict[str, Constant]) -> ValueInfoProto:
    free = [value for value in graph.input if value.name not in constants]
    if len(free) != 1:
        names = ", ".join(repr(value.name[:40]) for value in free[:8]) or "none"
        raise InvalidModel(
            "a model must have one input, the picture",
            f"{len(free)}: {names}",
            "Export the part that reads one tensor.",
        )
    picture: ValueInfoProto = free[0]
    return picture


def _input_shape(picture: ValueInfoProto, hint: Sequence[int] | None, notes: list[str]) -> Dims:
    """The shape of one picture with its batch of 1: as the file states it, open dimensions from the hint."""
    kind = picture.type.tensor_type
    stated = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    what = f"the input {picture.name[:80]!r}"
    if not kind.HasField("shape"):
        if hint is None:
            raise InvalidModel(f"{what} must have a known shape", "none", _INPUT_HINT)
        stated = [None, *([None] * len(hint))]
    if not stated:
        raise InvalidModel(f"{what} must have a batch and at least one more dimension", "a single number")
    if stated[0] is not None and stated[0] > 1:
        notes.append(f"a batch of {stated[0]} pictures is read as 1")
    rest = stated[1:]
    if hint is not None:
        if len(hint) != len(rest) or any(one not in (None, given) for one, given in zip(rest, hint, strict=False)):
            shown = ["any" if one is None else one for one in rest]
            raise InvalidModel(f"the shape given for {what} must fit {shown}", str(list(hint)), _INPUT_HINT)
        rest = list(hint)
    if None in rest:
        names = [dim.dim_param[:40] or "?" for dim in kind.shape.dim]
        raise InvalidModel(f"{what} must have known sides (the batch may be open)", str(names), _INPUT_HINT)
    return checked([1, *(side for side in rest if side is not None)], what)


def _check_order(node: NodeProto, known: set[str], written: set[str]) -> None:
    """Nodes must read what was written before, and write what nobody wrote.

    Raises:
        InvalidModel: They do not.
    """
    for name in node.input:
        if name not in known:
            cause = "a later node (out of order, or a circle)" if name in written else "nothing in the model"
            raise InvalidModel(f"{_where(node)} must read earlier tensors", f"{name[:80]!r}, written by {cause}")
    again = [name for name in node.output if name and name in known]
    if again or not any(node.output):
        raise InvalidModel(f"{_where(node)} must write tensors of its own", repr(again[:3]))


def _constant(node: NodeProto) -> Constant:
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            return read_tensor(attribute.t, _where(node))
        if attribute.name == "sparse_value":
            return read_sparse(attribute.sparse_tensor, _where(node))
        if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
            whole = attribute.name.startswith("value_int")
            found = helper.get_attribute_value(attribute)
            values = list(found) if attribute.name.endswith("s") else found
            return of_array(np.asarray(values, dtype=np.int64 if whole else np.float32))
    raise InvalidModel(f"{_where(node)} must hold numbers", "no value")


def _node(node: NodeProto, name: str) -> Node:
    refused = _foreign(node)
    attributes: dict[str, Any] = {}
    for attribute in node.attribute if refused is None else ():
        kind = attribute.type
        if kind == AttributeProto.TENSOR:
            attributes[attribute.name] = read_tensor(attribute.t, _where(node)).array
        elif kind == AttributeProto.STRING:
            attributes[attribute.name] = attribute.s.decode("utf-8", "replace")
        elif kind in (AttributeProto.INT, AttributeProto.FLOAT, AttributeProto.INTS, AttributeProto.FLOATS):
            attributes[attribute.name] = helper.get_attribute_value(attribute)
    op = node.op_type
    if node.domain not in _STANDARD:
        op = _CONTRIBUTED.get(op, op) if refused is None else f"{node.domain}::{op}"
    return Node(
        op=op,
        name=name,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=attributes,
        where=node.name[:120],
        refused=refused,
    )
