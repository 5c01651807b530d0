"""Ties: the channel groups of a built network, which may add more tensors than its architecture says."""

from __future__ import annotations

from design.channels import ChannelGroups, channel_groups
from design.layers import elementwise
from networks.network import Network


def tied_groups(network: Network) -> ChannelGroups:
    """The channel groups of a network.

    They are those of its architecture, except that a binary convolution with a shortcut of its own
    (`BuildOptions.shortcut_every_convolution`) must keep the channels of what is added behind it.
    """
    layers = list(network.architecture.layers)
    beside = [(unit.step.layer, unit.step.beside) for unit in network.units() if unit.step.beside is not None]
    sums = [elementwise(f"{layer.name}/sum", (layer.name, other), layer.out_shape) for layer, other in beside]
    return channel_groups([*layers[:-1], *sums, layers[-1]], network.architecture.input_shape[0])
