"""The plain form of an architecture: the same convolutions without shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

from design.architecture import Architecture
from design.layer import Layer, Op, Role
from design.layers import elementwise

SHORTCUT_DEPTH = -1
"""A shortcut is the main path of nothing, not even beside the picture."""


def without_shortcuts(architecture: Architecture) -> Architecture:
    """The architecture in which every addition passes its main path on; what only its other paths needed is gone.

    The main path of an addition is the input with most layers with weights behind it: of `conv2 + identity` it is
    `conv2`; a convolution on a shortcut counts nothing. Every layer left has a path to the output, so that all of them
    are trained. Names of layers stay, so that what is found about a layer of the plain network holds for the layer of
    that name.
    """
    depth: dict[str, int] = {}
    plain: list[Layer] = []
    for layer in architecture.layers:
        before = max((depth.get(name, 0) for name in layer.inputs), default=0)
        own = layer
        if layer.op is Op.ADD:
            main = max(layer.inputs, key=lambda name: depth.get(name, 0))
            own = elementwise(layer.name, (main,), layer.out_shape, op=Op.ACTIVATION, activation=layer.activation)
        plain.append(own)
        depth[layer.name] = SHORTCUT_DEPTH if layer.role is Role.SHORTCUT else before + own.weighted
    return Architecture(
        name=f"{architecture.name} without shortcuts",
        input_shape=architecture.input_shape,
        layers=_alive(plain),
    )


def _alive(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers that the last one depends on, in order."""
    wanted = {layers[-1].name}
    for layer in reversed(layers):
        if layer.name in wanted:
            wanted.update(layer.inputs)
    return tuple(layer for layer in layers if layer.name in wanted)
