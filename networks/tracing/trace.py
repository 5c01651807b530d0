"""Trace: from a graph to an architecture and the precision of its layers. The main path of tracing; read it first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import ValidationError

from design.architecture import INPUT, Architecture
from design.design import Design
from design.errors import BespokeError
from design.layer import Layer, Op
from design.policies import policy_by_role
from design.precision import BITS, MIN_EDGE_BITS, PrecisionPolicy, precision
from networks.tracing import elementwise, movement, pooling, weighted
from networks.tracing.attention import join_attention
from networks.tracing.constants import fold, of_array
from networks.tracing.errors import InvalidModel, Unsupported, unsupported
from networks.tracing.graph import Constant, Graph, Node, Values, elements
from networks.tracing.lowering import LayerBits, Lowering
from networks.tracing.patterns import recognise
from networks.tracing.roles import with_roles
from networks.tracing.tensor import Tensor

SECONDS = 20.0
"""Time after which reading a model is given up."""
Handler = Callable[[Lowering, Node], None]
HANDLERS: dict[str, Handler] = {
    **weighted.HANDLERS,
    **elementwise.HANDLERS,
    **pooling.HANDLERS,
    **movement.HANDLERS,
}
SHAPES = frozenset({"Shape", "Size"})
CONSTANTS = frozenset({"Constant", "ConstantOfShape", "Range", "Mod"})
"""Operators over constants alone (the arithmetic of shapes)."""
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Transpose"})
OPERATORS = HANDLERS.keys() | SHAPES | CONSTANTS
"""Every operator that can be read."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A user's model in the vocabulary of designs.

    Attributes:
        policy: Precision of every layer with weights, as found in the model (32 bits where it is not quantized).
        notes: What was left out or approximated.
        origins: Layer -> the nodes that it was made of, in order.
        tensors: Layer -> the tensor of the graph that holds what it writes, elements in the same order.
    """

    architecture: Architecture
    policy: PrecisionPolicy
    notes: tuple[str, ...]
    origins: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)

    @property
    def design(self) -> Design:
        """The model as a design: nothing pruned, at its own precision."""
        return Design(architecture=self.architecture, policy=self.policy)

    def at_bits(self, bits: int | None) -> Traced:
        """The same at these bits everywhere (None: as it is); first convolution and classifier keep 8 at least.

        Raises:
            InvalidModel: Bits that the vocabulary does not have.
        """
        if bits is None:
            return self
        body = next((known for known in BITS if known == bits), None)
        if body is None:
            raise InvalidModel(f"bits must be one of {', '.join(map(str, BITS))}", str(bits))
        edge = next(known for known in BITS if known >= max(bits, MIN_EDGE_BITS))
        policy = policy_by_role(self.architecture, body=precision(body), edge=precision(edge), residual_bits=edge)
        return replace(self, policy=policy)


def trace(graph: Graph, *, seconds: float = SECONDS) -> Traced:
    """Read a graph.

    Args:
        graph: The model.
        seconds: Time after which reading is given up.

    Raises:
        UnsupportedModel: Operators without a place in the vocabulary; all of them are named. Whether an operator that
            has one can be read is not known where it hangs on one that is named.
        InvalidModel: Shapes that do not fit, nothing to run, or reading took too long.
    """
    refused = {node.outputs: (node, why) for node in graph.nodes if (why := _refusal(node)) is not None}
    lost = {name for outputs in refused for name in outputs if name}
    state = Lowering(recognise(graph), seconds)
    for note in _tied(state.graph):
        state.note(note)
    for node in state.graph.nodes:
        state.check_time()
        if not lost.isdisjoint((*node.inputs, *node.outputs)):
            lost.update(name for name in node.outputs if name)  # it is named already, or hangs on one that is
            continue
        try:
            _read(state, node)
            state.read_whole(node)
        except Unsupported as why:
            refused[node.outputs] = (node, why)
            lost.update(name for name in node.outputs if name)
    if refused:
        named = [refused[node.outputs] for node in graph.nodes if node.outputs in refused]
        raise unsupported([(f"{node.op} ({node.where or node.name})", why) for node, why in named])
    return _finished(state)


def _refusal(node: Node) -> Unsupported | None:
    """Why a node cannot be taken whatever it reads."""
    return node.refused or (None if node.op in OPERATORS else Unsupported("unknown operator"))


def _tied(graph: Graph) -> list[str]:
    """Notes on weights that several nodes read: designs have weights of each layer alone."""
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for name in node.inputs if node.op in _PRODUCTS else ():
            if name in graph.constants and len(graph.constants[name].shape) > 1:
                readers.setdefault(name, []).append(node.name)
    return [
        f"{', '.join(names[:8])}: their weights are the same, and counted for each"
        for names in readers.values()
        if len(names) > 1
    ]


def _read(state: Lowering, node: Node) -> None:
    """Read one node: constants are folded, all else becomes layers or views."""
    given = [state.value(node, place) for place in range(len(node.inputs))]
    tensors = [value for value in given if isinstance(value, Tensor)]
    if node.op in SHAPES and given and given[0] is not None:
        state.set(node, of_array(_shape_of(node, given[0].shape)))
    elif not tensors:
        constants = [value if isinstance(value, Constant) else None for value in given]
        for place, constant in enumerate(fold(node, constants)):
            state.set(node, constant, place)
    elif node.op in HANDLERS:
        HANDLERS[node.op](state, node)
    else:
        raise Unsupported("it must work on constants alone, but reads what depends on the picture")


def _shape_of(node: Node, shape: tuple[int, ...]) -> Values:
    """What Shape and Size write."""
    if node.op == "Size":
        return np.asarray(elements(shape), dtype=np.int64)
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.asarray(shape[slice(int(start), None if end is None else int(end))], dtype=np.int64)


def _finished(state: Lowering) -> Traced:
    """Architecture and policy from the layers written."""
    outputs = [value for name in state.graph.outputs if isinstance(value := state.values.get(name), Tensor)]
    ends = {state.read(value)[0] if value.moved else value.layer for value in outputs}
    if len(ends) > 1:
        state.note(f"{len(ends)} outputs: all are priced, none is taken as the classifier")
    layers, bits, names = join_attention(_alive(state.layers, ends), state.bits)
    if not layers:
        raise InvalidModel("a model must have at least one layer between input and output", "none")
    own, notes = with_roles(layers, {names.get(name, name) for name in ends}, bits)
    try:
        architecture = Architecture(name=state.graph.name, input_shape=state.input_shape, layers=tuple(own))
        policy = _policy(architecture, bits)
        Design(architecture=architecture, policy=policy)
    except ValidationError as error:
        causes = [fault.get("ctx", {}).get("error") for fault in error.errors(include_url=False)]
        cause = next((one for one in causes if isinstance(one, BespokeError)), error)
        raise InvalidModel("the layers of a model must fit together", str(cause)) from error
    return Traced(
        architecture=architecture,
        policy=policy,
        notes=(*state.notes, *notes),
        origins={name: tuple(nodes) for name, nodes in state.origins.items()},
        tensors={one.layer: name for name, one in state.values.items() if isinstance(one, Tensor) and not one.moved},
    )


def _alive(layers: dict[str, Layer], ends: set[str]) -> dict[str, Layer]:
    """The layers that an output depends on, in order."""
    wanted = set(ends) - {INPUT}
    for layer in reversed(layers.values()):
        if layer.name in wanted:
            wanted.update(layer.inputs)
    return {name: layer for name, layer in layers.items() if name in wanted}


def _policy(architecture: Architecture, bits: dict[str, LayerBits]) -> PrecisionPolicy:
    """Bits as found; sums are kept at the most bits that weighted layers read."""
    own = {
        layer.name: precision(bits[layer.name].weight_bits, bits[layer.name].activation_bits)
        for layer in architecture.weighted
    }
    adds = any(layer.op is Op.ADD for layer in architecture.layers)
    widest = max((one.activation_bits for one in own.values()), default=32)
    return PrecisionPolicy(layers=own, residual_bits=widest if adds else 32)
