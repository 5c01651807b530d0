"""Compensation: what removed channels carry on average becomes a constant of the filters that read them.

A filter o that loses the channels R of those that it reads (in a grouped convolution those of its group) has, on
average over positions and pictures, sum_{j in R} m_j sum_k w[o, j, k] less. That is put into its bias, or subtracted
from the running mean of the norm right behind it. Exact for channels that are constant, except within reach of padding,
where a filter sees zeros and not the channel. A channel that a pad lacks goes into the shift of the other summand
(exact for constant channels, everywhere). Filters without a bias whose norm stands behind their activation have no
place for a constant and stay as they are, and so do transposed convolutions: each position of what they write sees
other parts of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from design.architecture import INPUT
from design.layer import Activation, Op
from networks.layers import Norm, Quantized
from networks.looking import look_at
from networks.network import Network, Unit
from networks.pad import Pad
from networks.pruning.selection import KeptChannels

Means = Mapping[str, Tensor]
"""Layer with weights, or pad -> mean of each channel that it reads, as it computes with it (C, float64)."""


def channel_means(network: Network, batches: Iterable[Tensor]) -> Means:
    """Mean of what every layer with weights and every pad reads, in evaluation mode.

    Args:
        network: Its mode is put back.
        batches: N x C x H x W each, at least one.
    """
    sums: dict[str, Tensor] = {}
    positions: dict[str, int] = {}

    def look(name: str, part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        del output
        x = given[0]
        if isinstance(part, Quantized):
            x = part.quantized_input(x)
        elif isinstance(part, Pad):
            x = x[:, :, :: part.stride, :: part.stride]
        own = x.double().transpose(0, 1).flatten(1)
        sums[name] = sums[name] + own.sum(1) if name in sums else own.sum(1)
        positions[name] = positions.get(name, 0) + own.shape[1]

    parts = {unit.step.layer.name: unit.operation for unit in network.units()}
    watched = {name: part for name, part in parts.items() if isinstance(part, Quantized | Pad)}
    look_at(network, batches, [(part, partial(look, name)) for name, part in watched.items()])
    if not sums:
        raise ValueError("channel_means must be given at least one batch")
    return {name: total / positions[name] for name, total in sums.items()}


def compensate_(network: Network, small: Network, kept: KeptChannels, means: Means) -> None:
    """Put the means of the channels removed into the small network.

    Args:
        network: Before they were removed.
        small: Without them; changed.
        kept: What it has of the network.
        means: Of the network.
    """
    for unit in network.units():
        name, part = unit.step.layer.name, unit.operation
        if name not in means:
            continue
        mean = means[name]
        if isinstance(part, Quantized) and unit.step.layer.op is not Op.DECONV:
            gone = mean.clone()
            gone[kept.of(unit.step.inputs[0])] = 0
            weight = part.filters_first(part.quantized_weight().detach()).double()
            by_channel = weight.flatten(2).sum(2) if weight.dim() > 2 else weight
            groups = unit.step.layer.groups
            lost = torch.bmm(by_channel.reshape(groups, -1, by_channel.shape[1]), gone.view(groups, -1, 1))
            _add_before_norm(small.unit(name), lost.flatten()[kept.of(name)])
        elif isinstance(part, Pad):
            _add_beside(small, unit, _lost(part, kept, unit, mean))


def _lost(part: Pad, kept: KeptChannels, unit: Unit, mean: Tensor) -> Tensor:
    """What each channel left of a pad lacks on average."""
    there = set(kept.of(unit.step.inputs[0]).tolist())
    sources = [part.channel_sources[channel] for channel in kept.of(unit.step.layer.name).tolist()]
    lost = [float(mean[one]) if one >= 0 and one not in there else 0.0 for one in sources]
    return mean.new_tensor(lost)


def _add_before_norm(unit: Unit, lost: Tensor) -> None:
    """A constant (one a filter) to what the operation computes."""
    bias = unit.operation.bias
    if isinstance(bias, Tensor):
        bias += lost.to(bias)
    elif isinstance(unit.norm, Norm) and (unit.activation is None or not unit.step.norm_last):
        mean = unit.norm.running_mean
        assert mean is not None
        mean -= lost.to(mean)


def _add_beside(small: Network, pad: Unit, lost: Tensor) -> None:
    """A constant to the sum that alone reads a pad, by way of the other summand if nothing else reads that."""
    if not lost.any():
        return
    name = pad.step.layer.name
    readers = [unit for unit in small.units() if name in unit.step.inputs or unit.step.beside == name]
    if len(readers) != 1 or readers[0].step.layer.op is not Op.ADD or readers[0].step.beside == name:
        return
    for other in readers[0].step.inputs:
        if other in (name, INPUT) or sum(other in (*unit.step.inputs, unit.step.beside) for unit in small.units()) != 1:
            continue
        unit = small.unit(other)
        end = unit.sum is None and (unit.step.activation is Activation.NONE or unit.step.norm_last)
        shift = unit.norm.bias if unit.norm is not None else getattr(unit.operation, "bias", None)
        if end and isinstance(shift, Tensor):
            shift += lost.to(shift)
            return
