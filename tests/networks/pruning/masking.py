"""Slow twin of cutting: the whole network, its removed channels set to zero wherever they are read."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from networks.layers import Quantized
from networks.network import Network
from networks.pruning.selection import KeptChannels, Selection, kept_channels
from networks.pruning.ties import tied_groups
from networks.quantizers.binary import BinaryWeights


def random_selection(network: Network, seed: int, least: float = 0.3) -> Selection:
    """A random share of the filters of every group that may lose some; as many of each of its blocks."""
    rng, groups = np.random.default_rng(seed), tied_groups(network)
    kept = {}
    for group, owners in groups.owners.items():
        width = groups.width[group]
        if group in groups.fixed:
            continue
        blocks, fewest = groups.blocks_of(group), groups.least_of(group)
        number = int(rng.integers(min(max(fewest, int(least * width)), width), width + 1)) // blocks
        chosen = tuple(
            sorted(
                block * width // blocks + own
                for block in range(blocks)
                for own in rng.choice(width // blocks, number, replace=False).tolist()
            )
        )
        kept.update(dict.fromkeys(owners, chosen))
    return Selection(kept=kept)


def masked(network: Network, selection: Selection) -> nn.Module:
    """The network, unchanged in size, that reads the channels removed as zero.

    Every unit's output is multiplied by zero at the channels removed, and so is what a quantizer makes of its input
    (the sign of zero is not zero). The output has all its channels.
    """
    own = copy.deepcopy(network)
    kept = kept_channels(network.architecture, selection, tied_groups(network))
    for unit in own.units():
        name = unit.step.layer.name
        unit.register_forward_hook(_Masked(_mask(kept, name, unit.step.layer.out_channels)))
        part = unit.operation
        if isinstance(part, Quantized):
            mask = _mask(kept, unit.step.inputs[0], part.input_channels)
            if part.activation_quantizer is not None:
                part.activation_quantizer.register_forward_hook(_Masked(mask))
            if part.weight_quantizer is not None and not isinstance(part.weight_quantizer, BinaryWeights):
                _zero_read(part, mask)  # scales that follow from the weights follow from those that remain
    return own


def _mask(kept: KeptChannels, tensor: str, channels: int) -> Tensor:
    mask = torch.zeros(channels)
    mask[torch.from_numpy(kept.of(tensor))] = 1
    return mask


def _zero_read(part: Quantized, mask: Tensor) -> None:
    weight = part.filters_first(part.weight.data)
    if weight.shape[1] > 1 or len(mask) == 1:
        by_group = mask.reshape(-1, weight.shape[1])
        by_filter = by_group.repeat_interleave(len(weight) // len(by_group), dim=0)
        part.weight.data = part.as_stored(weight * by_filter.reshape(*by_filter.shape, *(1,) * (weight.dim() - 2)))


class _Masked:
    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def __call__(self, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output * self.mask.reshape(-1, *(1,) * (output.dim() - 2))


def parameters(network: nn.Module) -> int:
    """Without what quantizers learn."""
    return sum(p.numel() for name, p in network.named_parameters() if "quantizer" not in name)
