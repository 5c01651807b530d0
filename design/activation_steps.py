"""Learned steps: how many 32-bit values the quantizers of activations store, as networks are built by default.

Tensors that are read at 2, 4 or 8 bits have one learned step for each layer that reads them (Esser et al.,
arXiv 1902.08153); signs, halves and floats have none. Attention has one for each of its four projections, a sum one
for each tensor that it adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from design.bypasses import bypasses
from design.layer import Layer, Op
from design.precision import Precision

LEARNED_BITS = (2, 4, 8)
"""Bits of activations that are read in learned steps."""
PROJECTIONS = 4
"""Parts of attention with weights and a step of their own."""


def own_steps(layer: Layer, precision: Precision | None) -> int:
    """Steps of what a layer with weights reads; 0 without weights."""
    if precision is None or precision.activation_bits not in LEARNED_BITS:
        return 0
    return PROJECTIONS if layer.op is Op.ATTENTION else 1


def activation_steps(layers: Sequence[Layer], precision: Mapping[str, Precision], residual_bits: int) -> dict[str, int]:
    """Steps of each (pruned) layer by its name; those of a shortcut around one convolution are the sum's behind it.

    Args:
        layers: In order.
        precision: Of layers with weights.
        residual_bits: Of what is added.
    """
    found = {layer.name: own_steps(layer, precision.get(layer.name)) for layer in layers}
    if residual_bits not in LEARNED_BITS:
        return found
    found |= {layer.name: len(layer.inputs) for layer in layers if layer.op is Op.ADD}
    channels = {layer.name: layer.out_channels for layer in layers}
    for block in bypasses(layers):
        signs = 1 in (precision[block.first].activation_bits, precision[block.second].activation_bits)
        if signs and channels[block.first] == channels[block.add]:
            found[block.add] *= 2
    return found
