"""Kept whole: the layers of which no filter can be removed, and what keeps them so."""

from __future__ import annotations

from collections.abc import Iterator

from design.architecture import Architecture
from design.layer import Layer, Op
from networks.pruning.families import Families

OUTPUTS = "the model gives them out"
UNREAD = "nothing that they go into says what they are worth"


def kept_whole(architecture: Architecture, found: Families) -> dict[str, str]:
    """Layer -> why it keeps all its filters, in the order in which they are computed.

    Args:
        architecture: Before anything is removed.
        found: Of it.
    """
    free = {group for family in found.families for group in family.members}
    why = {group: OUTPUTS for group, _ in found.groups.tensors[architecture.layers[-1].name]}
    for layer in architecture.layers:
        for tensor, reason in _keeps(layer, found):
            for group, _ in found.groups.tensors[tensor]:
                why.setdefault(group, reason)
    reasons = {
        name: why.get(group, UNREAD)
        for group, names in found.groups.owners.items()
        if group not in free
        for name in names
    }
    return {layer.name: reasons[layer.name] for layer in architecture.layers if layer.name in reasons}


def causes(reasons: dict[str, str]) -> tuple[str, ...]:
    """What keeps layers whole, each once, without that the outputs are what they are."""
    return tuple(dict.fromkeys(reason for reason in reasons.values() if reason != OUTPUTS))


def _keeps(layer: Layer, found: Families) -> Iterator[tuple[str, str]]:
    """Tensors whose channels a layer keeps, and why (see `design.channels` and `networks.pruning.families`)."""
    tensors, sides = found.groups.tensors, (*layer.inputs, layer.name)
    if layer.groups > 1 and not layer.depthwise:
        yield from ((name, f"grouped convolution {layer.name!r} keeps both its sides") for name in sides)
    elif layer.op in (Op.ATTENTION, Op.OTHER, Op.MATMUL):
        yield from ((name, f"{layer.op.value} {layer.name!r} keeps both its sides") for name in sides)
    elif layer.op is Op.DECONV:
        yield layer.inputs[0], f"transposed convolution {layer.name!r} keeps what it reads"
    elif layer.depthwise and layer.out_channels != layer.in_channels:
        yield from ((name, f"depthwise convolution {layer.name!r} multiplies its channels") for name in sides)
    elif layer.op is Op.FLATTEN and tensors[layer.name] != tensors[layer.inputs[0]]:
        yield layer.inputs[0], f"view {layer.name!r} mixes channels and positions"
    elif layer.op is Op.PAD and found.groups.group_of(layer.inputs[0]) is None:
        yield from ((name, f"pad {layer.name!r} reads channels of several layers") for name in sides)
    elif layer.op in (Op.ADD, Op.MULTIPLY) and len({tensors[name] for name in layer.inputs}) > 1:
        yield from ((name, f"{layer.op.value} {layer.name!r} meets channels of several layers") for name in sides)
    if layer.constants or layer.op is Op.SOFTMAX:
        yield layer.name, f"{layer.op.value} {layer.name!r} has values for each channel"
