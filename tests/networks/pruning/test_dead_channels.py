"""Removing filters that are exactly dead changes nothing, on every topology of the spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.pruning_dead import outputs, settle_
from benchmarks.pruning_topologies import TOPOLOGIES
from design.layer import Op
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pad import Pad
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.surgery import cut
from networks.pruning.ties import tied_groups
from tests.networks.export.worn import pictures, worn
from tests.networks.pruning.masking import random_selection

LARGEST = 1e-9
PICTURES = 8


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


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_on_every_topology(name: str) -> None:
    design = TOPOLOGIES[name].design
    network, images = worn(design), pictures(design, PICTURES)
    selection = with_pads(network, random_selection(network, 1))
    kill_(network, selection)
    settle_(network, images)
    small, smaller = cut(network, design, selection)
    assert smaller.digest != design.digest
    wanted, found = outputs(network, images), outputs(small, images)
    assert wanted.std(0).max() > 0.01 * wanted.abs().max(), "what is given out depends on what is read"
    assert float((found - wanted).abs().max() / wanted.abs().max()) <= LARGEST


def test_the_wrong_channels_of_a_pad_would_be_seen() -> None:
    """The first channels of both sides, as if a pad were no pad: outputs differ, so the test above can fail."""
    design = TOPOLOGIES["resnet20 pad"].design
    network, images = worn(design), pictures(design, PICTURES)
    selection = with_pads(network, random_selection(network, 1))
    kill_(network, selection)
    settle_(network, images)
    small, _ = cut(network, design, selection)
    for unit in small.units():
        if isinstance(unit.operation, Pad):
            unit.operation.source = None
    wanted, found = outputs(network, images), outputs(small, images)
    assert float((found - wanted).abs().max() / wanted.abs().max()) > 1e-2


def test_topologies_are_those_of_the_spaces() -> None:
    """Each has what it is there for."""
    designs = {name: one.design for name, one in TOPOLOGIES.items()}
    ops = {name: {layer.op for layer in own.architecture.layers} for name, own in designs.items()}
    assert len({own.digest for own in designs.values()}) == len(designs)
    for name, own in designs.items():
        layers = own.architecture.layers
        assert (Op.PAD in ops[name]) is (" pad" in name)
        assert (Op.MULTIPLY in ops[name]) is ("gates" in name)
        assert any(layer.grouped for layer in layers) is ("group" in name)
        if name.startswith("vgg"):
            assert (Op.ADD in ops[name]) is ("projection" in name or name == "vgg 11 large")
    assert {Op.POOL_AVERAGE, Op.CONV, Op.ADD} <= ops["cell of all five"]
    assert Op.OTHER in ops["cell with zeros"]
