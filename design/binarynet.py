"""BinaryNet and the multi-layer perceptron that binary training is usually shown on, in the published order.

Convolution, max pool, batch norm, sign (Courbariaux et al., arXiv 1602.02830; Wang et al., arXiv 2102.04270). The
design says convolution with batch norm, then pool; networks are built with the norm behind the pool where a sign reads
it.
"""

from __future__ import annotations

from design.architecture import INPUT, Architecture
from design.layer import Layer, Op, Role
from design.layers import conv, flatten, fully_connected, pool
from design.precision import BINARY, PrecisionPolicy, precision
from design.task import Task

STAGES = (128, 256, 512)
HIDDEN = 1024
HIDDEN_MLP = 256


def binarynet(task: Task, *, width: float = 1.0, binary_edges: bool = False) -> Architecture:
    """128-128-P-256-256-P-512-512-P-1024-1024-classes, 3x3 convolutions, all with batch norm, without biases.

    Args:
        task: Pictures of at least 8 x 8.
        width: Factor of all filters and hidden features.
        binary_edges: The first and the last layer may be binary, as published (their role is that of all others);
            else they are stem and classifier, which keep 8 bits or more.
    """
    layers: list[Layer] = []
    before, shape = INPUT, task.input_shape
    for stage, filters in enumerate(STAGES):
        for index in range(2):
            role = Role.STEM if not (layers or binary_edges) else Role.BODY
            layers.append(conv(f"stage{stage + 1}.conv{index + 1}", before, shape, round(filters * width), role=role))
            before, shape = layers[-1].name, layers[-1].out_shape
        layers.append(pool(f"stage{stage + 1}.pool", before, shape, kernel=2, stride=2))
        before, shape = layers[-1].name, layers[-1].out_shape
    layers.append(flatten("flatten", before, shape))
    hidden = round(HIDDEN * width)
    layers += _head("flatten", layers[-1].out_channels, (hidden, hidden), task.classes, binary_edges=binary_edges)
    return Architecture(name="BinaryNet", input_shape=task.input_shape, layers=tuple(layers))


def perceptron(task: Task, *, width: float = 1.0, binary_edges: bool = False) -> Architecture:
    """All pixels to 256-256-256-256-classes, all with batch norm; arguments as of `binarynet`."""
    hidden = round(HIDDEN_MLP * width)
    flat = flatten("flatten", INPUT, task.input_shape)
    head = _head("flatten", flat.out_channels, (hidden,) * 4, task.classes, binary_edges=binary_edges, first=True)
    return Architecture(name="MLP", input_shape=task.input_shape, layers=(flat, *head))


def published_policy(architecture: Architecture) -> PrecisionPolicy:
    """Every weight binary, every input too, but the picture as it is (of a network with binary edges)."""
    pictures = {INPUT} | {
        layer.name for layer in architecture.layers if layer.op is Op.FLATTEN and INPUT in layer.inputs
    }
    own = {layer.name: precision(1, 32) if pictures & set(layer.inputs) else BINARY for layer in architecture.weighted}
    return PrecisionPolicy(layers=own)


def _head(
    before: str, features: int, hidden: tuple[int, ...], classes: int, *, binary_edges: bool, first: bool = False
) -> list[Layer]:
    """Fully connected layers with batch norm."""
    sizes = (*hidden, classes)
    found = []
    for index, outputs in enumerate(sizes):
        role = Role.BODY
        if not binary_edges and index == len(sizes) - 1:
            role = Role.CLASSIFIER
        elif not binary_edges and first and index == 0:
            role = Role.STEM
        name = f"fc{index + 1}"
        found.append(fully_connected(name, before, features, outputs, bias=False, batch_norm=True, role=role))
        before, features = name, outputs
    return found
