"""Removing filters that are exactly dead changes nothing, on every topology of the spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from design.counts import count
from design.design import Design
from design.policies import full_precision
from design.spaces.registry import SPACES
from design.task import find_task
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pad import Pad
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.surgery import cut
from networks.pruning.ties import tied_groups
from tests.networks.export.worn import pictures, worn
from tests.networks.pruning.masking import random_selection

LARGEST = 1e-5


def with_pads(network: Network, selection: Selection) -> Selection:
    """A selection that keeps what a pad puts a kept channel into: what is fed is not dead."""
    kept = dict(selection.kept)
    groups = tied_groups(network)
    for unit in network.units():
        if not isinstance(unit.operation, Pad):
            continue
        read = kept_channels(network.architecture, Selection(kept=kept), groups).of(unit.step.inputs[0])
        fed = {place for place, source in enumerate(unit.operation.channel_sources) if source in read}
        group = groups.group_of(unit.step.layer.name)
        assert group is not None
        for owner in groups.owners[group]:
            kept[owner] = tuple(sorted({*kept[owner], *fed}))
    return Selection(kept=kept)


def kill_(network: Network, selection: Selection) -> None:
    """Make every channel that is removed exactly zero."""
    kept = kept_channels(network.architecture, selection, tied_groups(network))
    with torch.no_grad():
        for unit in network.units():
            name = unit.step.layer.name
            removed = np.setdiff1d(np.arange(unit.step.layer.out_channels), kept.of(name))
            for part in (unit.operation, unit.norm):
                if isinstance(part, Quantized | Norm):
                    weight = part.filters_first(part.weight) if isinstance(part, Quantized) else part.weight
                    weight[removed] = 0
                    if isinstance(part, Quantized):
                        part.weight.copy_(part.as_stored(weight))
                    if isinstance(part.bias, nn.Parameter):
                        part.bias[removed] = 0


def _design(space_name: str, shortcut: str = "") -> Design:
    """The smallest of some random members, with the shortcut wanted."""
    space, task = SPACES[space_name], find_task("digits" if space_name != "nasbench201" else "cifar10")
    members = space.sample(task, 16, np.random.default_rng(2))
    for place, gene in enumerate(space.genes(task)):
        if gene.name == "shortcut" and shortcut:
            members[:, place] = gene.choices.index(shortcut)
    small = min((space.decode(task, values) for values in members), key=lambda one: count(one).macs)
    return Design(architecture=small.pruned, policy=full_precision(small.architecture))


CASES = [("resnet", "pad"), ("resnet", "projection"), *((name, "") for name in SPACES if name != "resnet")]


@pytest.mark.parametrize(("space", "shortcut"), CASES)
def test_on_every_space(space: str, shortcut: str) -> None:
    design = _design(space, shortcut)
    network, images = worn(design), pictures(design)
    selection = with_pads(network, random_selection(network, 1))
    kill_(network, selection)
    small, smaller = cut(network, design, selection)
    assert smaller.digest != design.digest
    with torch.no_grad():
        wanted, found = network(images), small(images)
    assert wanted.std() > 0
    assert float((found - wanted).abs().max() / wanted.abs().max()) <= LARGEST


def test_the_wrong_channels_of_a_pad_would_be_seen() -> None:
    """The first channels of both sides, as if a pad were no pad: outputs differ, so the test above can fail."""
    design = _design("resnet", "pad")
    network, images = worn(design), pictures(design)
    selection = with_pads(network, random_selection(network, 1))
    kill_(network, selection)
    small, _ = cut(network, design, selection)
    for unit in small.units():
        if isinstance(unit.operation, Pad):
            unit.operation.source = None
    with torch.no_grad():
        wanted, found = network(images), small(images)
    assert float((found - wanted).abs().max() / wanted.abs().max()) > 1e-2
