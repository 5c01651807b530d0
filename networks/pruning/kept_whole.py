"""Kept whole: the layers of which no filter can be removed, and what keeps them so."""

from __future__ import annotations

from collections.abc import Iterator

from design.architecture import Architecture
from design.channels import blocks_read
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
        name: why.get(group) or _scarce(group, found) or UNREAD
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
    if layer.grouped:
        yield from _grouped(layer, found)
    elif layer.op in (Op.ATTENTION, Op.OTHER, Op.MATMUL):
        yield from ((name, f"{layer.op.value} {layer.name!r} keeps both its sides") for name in sides)
    elif layer.op is Op.DECONV and layer.groups > 1:
        yield from ((name, f"transposed convolution {layer.name!r} in groups keeps both its sides") for name in sides)
    elif layer.op is Op.DECONV:
        yield layer.inputs[0], f"transposed convolution {layer.name!r} keeps what it reads"
    elif layer.depthwise and layer.out_channels != layer.in_channels:
        yield from ((name, f"depthwise convolution {layer.name!r} multiplies its channels") for name in sides)
    elif layer.op is Op.FLATTEN and tensors[layer.name] != tensors[layer.inputs[0]]:
        yield layer.inputs[0], f"view {layer.name!r} mixes channels and positions"
    elif layer.op is Op.PAD and found.groups.group_of(layer.inputs[0]) is None:
        yield from ((name, f"pad {layer.name!r} reads channels of several layers") for name in sides)
    elif layer.op is Op.PAD and any(found.groups.least_of(group) > 1 for name in sides for group, _ in tensors[name]):
        yield from ((name, f"pad {layer.name!r} ties them unevenly to the groups of convolutions") for name in sides)
    elif layer.op in (Op.ADD, Op.MULTIPLY) and len({tensors[name] for name in layer.inputs}) > 1:
        yield from ((name, f"{layer.op.value} {layer.name!r} meets channels of several layers") for name in sides)
    if layer.constants or layer.op is Op.SOFTMAX:
        yield layer.name, f"{layer.op.value} {layer.name!r} has values for each channel"


def _grouped(layer: Layer, found: Families) -> Iterator[tuple[str, str]]:
    """What a grouped convolution reads, where its groups do not fit the layers that write it."""
    (source,) = layer.inputs
    read = [(found.groups.width[group], copies) for group, copies in found.groups.tensors[source]]
    if blocks_read(read, layer.groups) is None:
        yield source, f"the groups of convolution {layer.name!r} read parts of several layers that are not alike"


def _scarce(group: int, found: Families) -> str:
    """That nothing can be spared of what grouped convolutions read and write; empty otherwise."""
    blocks, least = found.groups.blocks_of(group), found.groups.least_of(group)
    if least == 1:
        return ""
    each = least // blocks
    return f"grouped convolutions need {'one channel' if each == 1 else f'{each} channels'} in each of {blocks} groups"
