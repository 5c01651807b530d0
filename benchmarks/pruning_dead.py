"""Removing filters that are exactly dead must change nothing: the largest difference, over all topologies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.pruning_topologies import TOPOLOGIES
from design.design import Design
from networks.build import build
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pruning.choices import IntArray, ranked
from networks.pruning.decision import families_of
from networks.pruning.families import Family
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.surgery import cut
from networks.pruning.ties import tied_groups

IMAGES, COMPARED = 8, 2


def surgery_errors(seed: int = 0) -> dict[str, Any]:
    """Largest relative difference of the outputs of each topology, and of all: `surgery_max_error`.

    In each, a random share of the filters of every family is made dead (weights, norms and biases zero, channels that
    follow them too) and then cut out. Both networks run in double precision, where what differs is the surgery, and as
    they are used (`..._float32`), where sums of fewer terms are also rounded otherwise.
    """
    found = {name: _errors(topology.design, seed) for name, topology in TOPOLOGIES.items()}
    double, single = ({name: own[place] for name, own in found.items()} for place in (0, 1))
    return {
        "surgery_max_error": max(double.values()),
        "surgery_max_error_float32": max(single.values()),
        "surgery_errors": double,
        "surgery_errors_float32": single,
    }


def _errors(design: Design, seed: int) -> tuple[float, float]:
    """In double precision and in float32."""
    random = np.random.default_rng(seed)
    network, images = _new(design, seed)
    families = families_of(network)
    kept = {one.name: _some(one, random) for one in families.families}
    selection = families.selection(kept)
    _kill_(network, selection)
    settle_(network, images)
    small, _ = cut(network, design, selection)
    with torch.no_grad():
        single = _difference(small(images[:COMPARED]), network(images[:COMPARED]))
    return _difference(outputs(small, images), outputs(network, images)), single


def _difference(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def _some(family: Family, random: np.random.Generator) -> IntArray:
    """Places of a random number of choices of a family, each with a random channel of every block."""
    taken = random.permutation(family.size)[: random.integers(family.least, family.size + 1)]
    return np.sort(ranked(family, random.uniform(size=family.width))[taken].reshape(-1))


def outputs(network: Network, images: Tensor) -> Tensor:
    """What it gives out for the first pictures, in double precision: what differs is not the order of sums."""
    with torch.no_grad():
        found: Tensor = network.double()(images[:COMPARED].double())
    return found


def _new(design: Design, seed: int) -> tuple[Network, Tensor]:
    """A network whose norms are not those of a new one, and pictures."""
    generator = torch.Generator().manual_seed(seed)
    network = build(design, seed=seed)
    images = torch.randn(IMAGES, *design.architecture.input_shape, generator=generator)
    for part in network.modules():
        if isinstance(part, Norm):
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(part.bias, -0.5, 0.5, generator=generator)
    return network, images


def settle_(network: Network, images: Tensor) -> None:
    """Let norms count what they read of these pictures, so that these matter behind any number of layers."""
    for part in network.modules():
        if isinstance(part, Norm):
            part.momentum = None
            part.reset_running_stats()
    with torch.no_grad():
        network.train()(images)
    network.eval()


def _kill_(network: Network, selection: Selection) -> None:
    """Make every channel that is removed exactly zero."""
    kept = kept_channels(network.architecture, selection, tied_groups(network))
    with torch.no_grad():
        for unit in network.units():
            layer = unit.step.layer
            removed = np.setdiff1d(np.arange(layer.out_channels), kept.of(layer.name))
            for part in (unit.operation, unit.norm):
                if isinstance(part, Quantized):
                    filters = part.filters_first(part.weight).clone()
                    filters[removed] = 0
                    part.weight.copy_(part.as_stored(filters))
                elif isinstance(part, Norm):
                    part.weight[removed] = 0
                if isinstance(part, Quantized | Norm) and isinstance(part.bias, nn.Parameter):
                    part.bias[removed] = 0
