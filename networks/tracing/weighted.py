"""Operators with weights: convolutions, matrix products with constants, and the norms fused into them."""

from __future__ import annotations

from collections.abc import Sequence

from design.layer import Activation, Layer, Op
from networks.tracing.errors import Unsupported
from networks.tracing.graph import Constant, Dims, Node, elements
from networks.tracing.lowering import Lowering
from networks.tracing.shapes import product, transposed_windows, windows
from networks.tracing.tensor import Maps, Tensor, maps_of


def one_of(state: Lowering, node: Node, what: str, values: Sequence[int]) -> int:
    """The larger of the values of both directions; a difference is noted, shapes stay exact."""
    if len(set(values)) > 1:
        state.note(f"{node.name}: {what} {'x'.join(map(str, values))} is kept as {max(values)} (shapes are exact)")
    return max(values, default=1)


def padding_of(state: Lowering, node: Node, rank: int) -> int | None:
    """Zeros on each side; None: as the window needs."""
    auto = str(node.attributes.get("auto_pad", "NOTSET"))
    if auto.startswith("SAME"):
        return None
    pads = node.ints("pads", (0,) * (2 * rank))
    return 0 if auto == "VALID" else min(one_of(state, node, "padding", pads), 4096)


def both(values: Sequence[int]) -> tuple[int, int]:
    """Height and width; what has a width alone is 1 high."""
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def spatial_rank(shape: Dims) -> int:
    """Spatial dimensions of N x C x ...

    Raises:
        Unsupported: Neither one nor two.
    """
    rank = len(shape) - 2
    if rank not in (1, 2) or shape[0] != 1:
        raise Unsupported(f"a window over {list(shape)}: one picture of one or two spatial dimensions can be read")
    return rank


def conv(state: Lowering, node: Node) -> None:
    """Conv: plain, depthwise, grouped, in one or two dimensions."""
    tensor, weights = state.tensor(node), state.weights(node, 1)
    rank = spatial_rank(tensor.shape)
    groups = node.number("group", 1)
    channels, filters = tensor.shape[1], weights.shape[0] if weights.shape else 0
    if len(weights.shape) != rank + 2 or groups < 1 or weights.shape[1] * groups != channels or filters % groups:
        raise Unsupported(f"weights of {list(weights.shape)} on {list(tensor.shape)} in {groups} groups")
    kernel = weights.shape[2:]
    found = windows(node, tensor.shape, kernel)
    source, read = state.read(tensor, 1)
    _write(state, node, Op.CONV, (tensor, source, read), weights, filters, kernel, found, groups)


def conv_transpose(state: Lowering, node: Node) -> None:
    """ConvTranspose."""
    tensor, weights = state.tensor(node), state.weights(node, 1)
    rank = spatial_rank(tensor.shape)
    groups = node.number("group", 1)
    if len(weights.shape) != rank + 2 or groups < 1 or weights.shape[0] != tensor.shape[1] or tensor.shape[1] % groups:
        raise Unsupported(f"weights of {list(weights.shape)} on {list(tensor.shape)} in {groups} groups")
    kernel = weights.shape[2:]
    found = transposed_windows(node, tensor.shape, kernel)
    source, read = state.read(tensor, 1)
    filters = weights.shape[1] * groups
    _write(state, node, Op.DECONV, (tensor, source, read), weights, filters, kernel, found, groups)


def _write(
    state: Lowering,
    node: Node,
    op: Op,
    reads: tuple[Tensor, str, Maps],
    weights: Constant,
    filters: int,
    kernel: Dims,
    found: Dims,
    groups: int,
) -> None:
    tensor, source, read = reads
    rank = len(kernel)
    if min(found) < 1:
        raise Unsupported(f"a window of {list(kernel)} that is larger than its {list(tensor.shape[2:])}")
    name = state.write(
        node.name,
        read,
        (filters, *both(found)),
        op=op,
        inputs=(source,),
        kernel_height=both(kernel)[0],
        kernel_width=both(kernel)[1],
        stride=one_of(state, node, "stride", node.ints("strides", (1,) * rank)),
        dilation=one_of(state, node, "dilation", node.ints("dilations", (1,) * rank)),
        padding=padding_of(state, node, rank),
        groups=groups,
        bias=state.value(node, 2) is not None,
    )
    state.quantized(name, weights, tensor)
    state.wrote(node, name, (1, filters, *found), 1)


def gemm(state: Lowering, node: Node) -> None:
    """Gemm with constant weights: a fully connected layer over rows of features."""
    tensor, weights = state.tensor(node), state.weights(node, 1)
    if len(tensor.shape) != 2 or len(weights.shape) != 2 or node.number("transA", 0):
        raise Unsupported(f"a product of {list(tensor.shape)} and {list(weights.shape)}")
    inner, outputs = weights.shape[::-1] if node.number("transB", 0) else weights.shape
    if inner != tensor.shape[1]:
        raise Unsupported(f"a product of {list(tensor.shape)} and {list(weights.shape)}")
    bias = state.constant(node, 2)
    if bias is None and state.value(node, 2) is not None:
        raise Unsupported("its third input must be a constant")
    _connected(state, node, tensor, weights, outputs, (tensor.shape[0], outputs), 1, bias=bias is not None)


def matmul(state: Lowering, node: Node) -> None:
    """MatMul: a fully connected layer where one side is constant, else a product of two tensors."""
    left, right = state.value(node, 0), state.value(node, 1)
    if isinstance(left, Tensor) and isinstance(right, Constant):
        shape = product(left.shape, right.shape)
        if len(right.shape) != 2:
            raise Unsupported(f"weights of {list(right.shape)} that differ between parts of the batch")
        _connected(state, node, left, right, right.shape[1], shape, len(shape) - 1)
    elif isinstance(left, Constant) and isinstance(right, Tensor):
        shape = product(left.shape, right.shape)
        if len(left.shape) != 2 or len(right.shape) < 2:
            raise Unsupported(f"weights of {list(left.shape)} that differ between parts of the batch")
        _connected(state, node, right, left, left.shape[0], shape, len(shape) - 2)
    elif isinstance(left, Tensor) and isinstance(right, Tensor):
        two_tensors(state, node, left, right)
    else:
        raise Unsupported("a product of constants that are too large to be evaluated")


def _connected(
    state: Lowering,
    node: Node,
    tensor: Tensor,
    weights: Constant,
    outputs: int,
    shape: Dims,
    axis: int,
    *,
    bias: bool = False,
) -> None:
    source, read = state.read(tensor, axis)
    name = state.write(node.name, read, (outputs, read[1], read[2]), op=Op.FC, inputs=(source,), bias=bias)
    state.quantized(name, weights, tensor)
    state.wrote(node, name, shape, axis)


def two_tensors(state: Lowering, node: Node, left: Tensor, right: Tensor) -> None:
    """A matrix product of two tensors, as within attention."""
    shape = product(left.shape, right.shape)
    if len(left.shape) < 2 or len(right.shape) < 2:
        raise Unsupported("a matrix product with a vector that depends on the picture")
    batch, rows, columns = elements(shape[:-2]), shape[-2], shape[-1]
    inner = left.shape[-1]
    sources = []
    for tensor in (left, right):
        wanted = (*shape[:-2], *tensor.shape[-2:])
        if elements(tensor.shape) != elements(wanted):  # one of them is used for several of the batch
            name = state.write(
                f"{node.name}.expand",
                maps_of(wanted, len(wanted) - 1),
                maps_of(wanted, len(wanted) - 1),
                op=Op.OTHER,
                inputs=(state.read(tensor, len(tensor.shape) - 1)[0],),
            )
            sources.append(name)
        else:
            sources.append(state.read(tensor, len(tensor.shape) - 1)[0])
    name = state.write(node.name, (inner, batch, rows), (columns, batch, rows), op=Op.MATMUL, inputs=tuple(sources))
    state.wrote(node, name, shape, len(shape) - 1)


def batch_norm(state: Lowering, node: Node) -> None:
    """BatchNormalization: folded into the convolution or fully connected layer before it, else a layer of its own."""
    tensor = state.tensor(node)
    before = state.layers.get(tensor.layer)
    channels = 1 if len(tensor.shape) > 1 else 0
    if before is not None and state.alone(node) and _takes_norm(before, tensor, channels):
        state.change(before.name, batch_norm=True)
        state.viewed(node, tensor, tensor.shape, channels)
        return
    source, read = state.read(tensor, channels)
    name = state.write(node.name, read, read, op=Op.NORM, inputs=(source,))
    state.wrote(node, name, tensor.shape, channels)


def _takes_norm(layer: Layer, tensor: Tensor, axis: int) -> bool:
    return (
        layer.op in (Op.CONV, Op.DECONV, Op.FC)
        and not layer.batch_norm
        and layer.activation is Activation.NONE
        and tensor.axis == axis
        and layer.out_channels == tensor.shape[axis]
    )


HANDLERS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
}
