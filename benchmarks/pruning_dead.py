"""Removing filters that are exactly dead must change nothing: the largest difference, over all topologies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from design.counts import count
from design.design import Design
from design.policies import full_precision
from design.spaces.registry import SPACES
from design.task import find_task
from networks.build import build
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pruning.decision import families_of
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.surgery import cut
from networks.pruning.ties import tied_groups

TASK = "cifar10"
TRIED = 8
IMAGES = 4


def surgery_errors(seed: int = 0) -> dict[str, Any]:
    """Largest relative difference of the outputs of each topology, and of all: `surgery_max_error`.

    In each, a random share of the filters of every family is made dead (weights, norms and biases zero, channels that
    follow them too) and then cut out.
    """
    found = {f"{space}{shortcut}": _error(space, shortcut, seed) for space, shortcut in _topologies()}
    return {"surgery_max_error": max(found.values()), "surgery_errors": found}


def _topologies() -> list[tuple[str, str]]:
    return [("resnet", "_projection"), ("resnet", "_pad"), *((name, "") for name in SPACES if name != "resnet")]


def _error(space: str, shortcut: str, seed: int) -> float:
    random = np.random.default_rng(seed)
    design = _design(space, shortcut.lstrip("_"), random)
    network, images = _worn(design, seed)
    families = families_of(network)
    kept = {
        one.name: np.sort(random.permutation(one.size)[: random.integers(1, one.size + 1)]) for one in families.families
    }
    selection = families.selection(kept)
    _kill_(network, selection)
    small, _ = cut(network, design, selection)
    with torch.no_grad():
        wanted, left = network(images), small(images)
    return float((left - wanted).abs().max() / wanted.abs().max())


def _design(name: str, shortcut: str, random: np.random.Generator) -> Design:
    """The smallest of some random members, not pruned, in full precision."""
    space, task = SPACES[name], find_task(TASK)
    members = space.sample(task, TRIED, random)
    for place, gene in enumerate(space.genes(task)):
        if gene.name == "shortcut" and shortcut:
            members[:, place] = gene.choices.index(shortcut)
    small = min((space.decode(task, values) for values in members), key=lambda one: count(one).macs)
    return Design(architecture=small.architecture, policy=full_precision(small.architecture))


def _worn(design: Design, seed: int) -> tuple[Network, Tensor]:
    """A network whose norms are those of a trained one, and pictures."""
    generator = torch.Generator().manual_seed(seed)
    network = build(design, seed=seed)
    images = torch.randn(IMAGES, *design.architecture.input_shape, generator=generator)
    for part in network.modules():
        if isinstance(part, Norm):
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(part.bias, -0.5, 0.5, generator=generator)
    with torch.no_grad():
        for _ in range(3):
            network(images)
    return network.eval(), images


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
