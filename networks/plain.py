"""The plain form of an architecture: the same convolutions without shortcuts."""

from __future__ import annotations

from design.architecture import Architecture
from design.layer import Layer, Op, Role
from design.layers import elementwise


def without_shortcuts(architecture: Architecture) -> Architecture:
    """The architecture in which every addition passes its main path on and shortcut convolutions are gone.

    The main path of an addition is the input with most layers with weights behind it: of `conv2 + identity` it is
    `conv2`. Names of layers stay, so that what is found about a layer of the plain network holds for the layer of
    that name.
    """
    depth: dict[str, int] = {}
    kept: list[Layer] = []
    for layer in architecture.layers:
        before = max((depth.get(name, 0) for name in layer.inputs), default=0)
        if layer.role is Role.SHORTCUT:
            depth[layer.name] = 0
            continue
        if layer.op is Op.ADD:
            main = max(layer.inputs, key=lambda name: depth.get(name, 0))
            own = elementwise(layer.name, (main,), layer.out_shape, op=Op.ACTIVATION, activation=layer.activation)
            kept.append(own)
            depth[layer.name] = before
        else:
            kept.append(layer)
            depth[layer.name] = before + layer.weighted
    read = {name for layer in kept for name in layer.inputs} | {kept[-1].name}
    return Architecture(
        name=f"{architecture.name} without shortcuts",
        input_shape=architecture.input_shape,
        layers=tuple(layer for layer in kept if layer.name in read),
    )
