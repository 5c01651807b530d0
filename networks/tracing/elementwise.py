"""Element-wise operators: activations, sums and products, norms, softmax."""

from __future__ import annotations

from dataclasses import replace

from design.layer import Activation, Layer, Op
from networks.tracing.errors import Unsupported
from networks.tracing.graph import Constant, Dims, Node, elements
from networks.tracing.lowering import FUSING, Lowering
from networks.tracing.shapes import axis_of, broadcast
from networks.tracing.tensor import Tensor, maps_of, usual_axis

ACTIVATIONS: dict[str, Activation] = {
    "Relu": Activation.RELU,
    "HardSwish": Activation.HARD_SWISH,
    "HardSigmoid": Activation.HARD_SIGMOID,
    "Sigmoid": Activation.SIGMOID,
    "Swish": Activation.SWISH,
    "Gelu": Activation.GELU,
} | dict.fromkeys(
    (
        *("Tanh", "LeakyRelu", "Elu", "Selu", "Celu", "Mish", "Softplus", "Softsign", "ThresholdedRelu", "Erf"),
        *("Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Pow", "Square", "Floor", "Ceil", "Round", "Sign"),
        *("Sin", "Cos", "Not"),
    ),
    Activation.OTHER,
)
COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or"})
_OF_TWO = COMPARISONS | {"Pow", "Max", "Min"}
"""Functions of two operands that are no sums or products: with a constant, activations."""
_LINEAR = frozenset({Op.CONV, Op.DECONV, Op.FC, Op.MATMUL, Op.NORM})


def activate(state: Lowering, node: Node, kind: Activation, *, constants: int = 0, place: int = 0) -> None:
    """A function of each element: fused into the layer before it if nobody else reads that, else a layer."""
    tensor = state.tensor(node, place)
    layer = state.fusible(node, tensor, place)
    if layer is not None:
        state.change(layer.name, activation=kind, constants=layer.constants + constants)
        state.viewed(node, replace(tensor, bits=None), tensor.shape, tensor.axis, place=place)
        return
    source, maps = state.read(tensor)
    name = state.write(node.name, maps, maps, op=Op.ACTIVATION, inputs=(source,), activation=kind, constants=constants)
    state.wrote(node, name, tensor.shape, tensor.axis)


def activation(state: Lowering, node: Node) -> None:
    """An operator that is an activation whatever its attributes."""
    activate(state, node, ACTIVATIONS[node.op])


def clip(state: Lowering, node: Node) -> None:
    """Clip: ReLU or ReLU6 by its bounds."""
    low, high = _bound(state, node, "min", 1), _bound(state, node, "max", 2)
    bounded = Activation.RELU6 if high == 6 else Activation.RELU if high is None else Activation.OTHER
    activate(state, node, bounded if low == 0 else Activation.OTHER)


def _bound(state: Lowering, node: Node, name: str, place: int) -> float | None:
    found = state.constant(node, place)
    value = node.attributes.get(name)
    if found is not None and found.array is not None and found.array.size == 1:
        value = float(found.array.reshape(()))
    return None if value is None or abs(float(value)) > 1e30 else float(value)


def prelu(state: Lowering, node: Node) -> None:
    """PRelu: an activation with one slope for all or for each channel."""
    activate(state, node, Activation.OTHER, constants=state.weights(node, 1).elements)


def binary(state: Lowering, node: Node) -> None:
    """Add, Sub, Mul, Div, Max, Min, comparisons and the like, with a constant or between tensors."""
    left, right = state.value(node, 0), state.value(node, 1)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        for place in range(2, len(node.inputs)):
            state.tensor(node, place)
        _between(state, node, [state.tensor(node, place) for place in range(len(node.inputs))])
    elif isinstance(left, Tensor) and isinstance(right, Constant):
        _with_constant(state, node, 0, left, right)
    elif isinstance(left, Constant) and isinstance(right, Tensor):
        _with_constant(state, node, 1, right, left)
    else:
        raise Unsupported("a constant that is too large to be evaluated")


def _between(state: Lowering, node: Node, tensors: list[Tensor]) -> None:
    """Tensors of one shape, a gate of one value a channel, or any other broadcast (as OTHER)."""
    shape = broadcast(*(tensor.shape for tensor in tensors))
    small = [state.grown.get(name, tensor) for name, tensor in zip(node.inputs, tensors, strict=True)]
    if broadcast(*(tensor.shape for tensor in small)) == shape:  # as in x * gate.expand_as(x)
        tensors = small
    rank = len(shape)
    whole = [tensor for tensor in tensors if tensor.shape == shape] or tensors
    own = next((tensor.axis for tensor in whole if tensor.axis is not None), None)
    axis = usual_axis(rank) if own is None else own + rank - len(whole[0].shape)
    maps = maps_of(shape, axis)
    multiplies = node.op in ("Mul", "Div")
    sources: list[str] = []
    gates: list[str] = []
    others = False
    for tensor in tensors:
        padded = (1,) * (rank - len(tensor.shape)) + tensor.shape
        source, found = state.read(replace(tensor, shape=padded, axis=axis), axis)
        gated = found == (maps[0], 1, 1) and found != maps
        others |= found != maps and not (gated and multiplies)
        (gates if found != maps else sources).append(source)
    if len(tensors) == 2 and tensors[0] == tensors[1] and len(set(node.inputs)) == 1:
        name = state.write(node.name, maps, maps, op=Op.ACTIVATION, inputs=(sources[0],), activation=Activation.OTHER)
    elif others or not sources:
        name = state.write(node.name, maps, maps, op=Op.OTHER, inputs=(*sources, *gates))
        state.note(f"{node.name}: operands of different shapes are priced as data movement")
    else:
        op = Op.MULTIPLY if multiplies or node.op in _OF_TWO else Op.ADD
        name = state.write(node.name, maps, maps, op=op, inputs=(*sources, *gates))
    state.wrote(node, name, shape, axis)


def _with_constant(state: Lowering, node: Node, place: int, tensor: Tensor, constant: Constant) -> None:
    shape = broadcast(tensor.shape, constant.shape)
    rank = len(shape)
    axis = (usual_axis(len(tensor.shape)) if tensor.axis is None else tensor.axis) + rank - len(tensor.shape)
    layer = state.layers.get(tensor.layer)
    same = elements(shape) == elements(tensor.shape)
    if node.op in _OF_TWO and same:
        activate(state, node, Activation.OTHER, place=place)
        return
    if layer is not None and same and state.alone(node, place) and _absorbed(state, node, layer, shape, axis, constant):
        state.set(node, replace(tensor, shape=shape, axis=axis, alone=True, bits=None))
        return
    maps = maps_of(shape, axis)
    source = state.read(replace(tensor, shape=(1,) * (rank - len(tensor.shape)) + tensor.shape, axis=axis), axis)[0]
    op = Op.MULTIPLY if node.op in ("Mul", "Div") else Op.ADD
    own = state.write(node.name, maps, maps, op=op if same else Op.OTHER, inputs=(source,), constants=constant.elements)
    state.wrote(node, own, shape, axis)


def _absorbed(state: Lowering, node: Node, layer: Layer, shape: Dims, axis: int, constant: Constant) -> bool:
    """Fuse a constant into the layer before: a bias, the affine part of a norm, a scale of a linear layer."""
    if layer.activation is not Activation.NONE or (layer.op not in FUSING and layer.name not in state.bare_norms):
        return False
    padded = (1,) * (len(shape) - len(constant.shape)) + constant.shape
    channels = shape[axis] if shape else 1
    per_channel = bool(shape) and constant.elements == channels == padded[axis]
    kept = channels == layer.out_channels
    if layer.name in state.bare_norms and per_channel and kept:
        constants = layer.constants + constant.elements
        whole = constants == 2 * layer.out_channels
        fields = {"op": Op.NORM, "constants": 0} if whole else {"constants": constants}
        state.change(layer.name, **fields)
        if whole:
            state.bare_norms.discard(layer.name)
        return True
    adds = node.op in ("Add", "Sub")
    if constant.elements == 1 and not adds:
        state.fused(layer.name)
        return layer.op in _LINEAR
    unbiased = layer.op in (Op.CONV, Op.DECONV, Op.FC) and not layer.bias and not layer.batch_norm
    if adds and per_channel and kept and unbiased:
        state.change(layer.name, bias=True)
        return True
    return False


def norm(state: Lowering, node: Node) -> None:
    """Layer, instance, group, RMS and local response norms: `norm` with scale and shift, else exactly counted."""
    tensor = state.tensor(node)
    last = node.op in ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization")
    axis = node.number("channels", len(tensor.shape) - 1 if last else 1)
    given = [state.constant(node, place) for place in (1, 2) if state.value(node, place) is not None]
    constants = sum(one.elements if one is not None else 0 for one in given)
    source, maps = state.read(tensor, axis_of(axis, len(tensor.shape)))
    affine = constants == 2 * maps[0]
    name = state.write(
        node.name,
        maps,
        maps,
        op=Op.NORM if affine else Op.OTHER,
        inputs=(source,),
        constants=0 if affine else constants,
    )
    if not constants and node.op == "LayerNormalization":
        state.bare_norms.add(name)
    state.wrote(node, name, tensor.shape, axis_of(axis, len(tensor.shape)))


def softmax(state: Lowering, node: Node) -> None:
    """Softmax, LogSoftmax."""
    tensor = state.tensor(node)
    source, maps = state.read(tensor)
    name = state.write(node.name, maps, maps, op=Op.SOFTMAX, inputs=(source,))
    state.wrote(node, name, tensor.shape, tensor.axis)


def where(state: Lowering, node: Node) -> None:
    """Where with a constant mask or filling: element-wise work on the tensors."""
    tensors = [one for place in range(3) if isinstance(one := state.value(node, place), Tensor)]
    shape = broadcast(*(one.shape for place in range(3) if (one := state.value(node, place)) is not None))
    axis = usual_axis(len(shape))
    maps = maps_of(shape, axis)
    sources = tuple(dict.fromkeys(state.read(tensor)[0] for tensor in tensors))
    name = state.write(node.name, maps, maps, op=Op.OTHER, inputs=sources)
    state.wrote(node, name, shape, axis)


HANDLERS = (
    dict.fromkeys(ACTIVATIONS, activation)
    | dict.fromkeys(("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "Mean", *COMPARISONS), binary)
    | dict.fromkeys(
        (
            *("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization"),
            *("InstanceNormalization", "GroupNormalization", "LRN"),
        ),
        norm,
    )
    | {"Clip": clip, "PRelu": prelu, "Softmax": softmax, "LogSoftmax": softmax, "Where": where}
)
