"""Roles: which layer is the first, which one classifies, which stand on shortcuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from design.architecture import INPUT
from design.layer import Layer, Op, Role
from design.precision import MIN_EDGE_BITS
from networks.tracing.lowering import LayerBits

MOST_STEPS = 64
"""How far up a residual branch is followed."""


def with_roles(
    layers: Sequence[Layer], ends: set[str], bits: Mapping[str, LayerBits]
) -> tuple[list[Layer], tuple[str, ...]]:
    """The layers with their roles, and notes on layers that could not get theirs.

    Stem: the first layer with weights. Classifier: the last one, over which the only output is reached without
    further weights, if it is fully connected or a 1x1 convolution. Shortcut: a 1x1 convolution that enters a sum
    whose other summand descends from what it reads.
    """
    by_name = {layer.name: layer for layer in layers}
    roles: dict[str, Role] = {}
    for layer in layers:
        if layer.op is Op.ADD and len(layer.inputs) > 1:
            roles.update(dict.fromkeys(_shortcuts(layer, by_name), Role.SHORTCUT))
    first = next((layer for layer in layers if layer.weighted), None)
    last = _classifier(next(iter(ends)), by_name) if len(ends) == 1 else None
    if first is not None:
        roles[first.name] = Role.STEM
    if last is not None:
        roles[last.name] = Role.CLASSIFIER
    notes = []
    for name in (first.name if first else "", last.name if last else ""):
        own = bits.get(name)
        if own is not None and min(own.weight_bits, own.activation_bits) < MIN_EDGE_BITS:
            notes.append(f"{name}: under {MIN_EDGE_BITS} bits, so it is not treated as {roles[name].value}")
            roles[name] = Role.BODY
    own_role = [layer.model_copy(update={"role": roles.get(layer.name, Role.BODY)}) for layer in layers]
    return own_role, tuple(notes)


def _classifier(end: str, layers: Mapping[str, Layer]) -> Layer | None:
    layer = layers.get(end)
    while layer is not None and not layer.weighted:
        layer = layers.get(layer.inputs[0]) if len(layer.inputs) == 1 else None
    if layer is None:
        return None
    pointwise = layer.op is Op.CONV and (layer.kernel_height, layer.kernel_width) == (1, 1)
    return layer if layer.op is Op.FC or pointwise else None


def _shortcuts(add: Layer, layers: Mapping[str, Layer]) -> list[str]:
    found = []
    for name in add.inputs:
        layer = layers.get(name)
        others = [other for other in add.inputs if other != name]
        pointwise = layer is not None and layer.op is Op.CONV and layer.kernel_height == layer.kernel_width == 1
        if layer is None or not pointwise or layer.groups != 1:
            continue
        source = layer.inputs[0]
        pooled = layers.get(source)
        if pooled is not None and pooled.op is Op.POOL_AVERAGE:  # ResNet-D pools before its shortcut
            source = pooled.inputs[0]
        if any(_descends(other, source, layers, name) for other in others):
            found.append(name)
    return found


def _descends(name: str, source: str, layers: Mapping[str, Layer], avoided: str) -> bool:
    """Whether a tensor comes from another by way of layers, one of them excepted."""
    waiting, seen = [name], set[str]()
    while waiting and len(seen) < MOST_STEPS:
        own = waiting.pop()
        if own in seen or own in (INPUT, avoided):
            continue
        seen.add(own)
        inputs = layers[own].inputs
        if source in inputs:
            return True
        waiting.extend(inputs)
    return False
