"""Cut networks compute what the whole network computes without the channels removed, and count as their design says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from design.counts import count
from design.design import Design
from design.errors import TaskTooSmall
from design.policies import full_precision
from design.precision import BINARY
from design.space import Space
from design.spaces.registry import SPACES
from design.task import Task, find_task
from design.zoo import find_network
from networks.build import build, unfilled
from networks.errors import InvalidSelection
from networks.network import Network
from networks.options import DEFAULT, BuildOptions, Order
from networks.packing import pack, unpack
from networks.pruning.selection import Selection
from networks.pruning.surgery import cut, sources_left
from networks.pruning.ties import tied_groups
from networks.quantizers.options import QuantizerOptions
from tests.networks.export.worn import pictures, worn
from tests.networks.pruning.masking import masked, parameters, random_selection

TOLERANCE = 1e-4
"""Relative to the largest logit: sums of other length round otherwise."""


def _cases() -> list[tuple[Space, Task]]:
    found = []
    for space, name in itertools.product(SPACES.values(), ("digits", "cifar10")):
        task = find_task(name)
        try:
            space.genes(task)
        except TaskTooSmall:
            continue
        found.append((space, task))
    return found


each = pytest.mark.parametrize(("space", "task"), _cases(), ids=lambda one: one.name)


def _members(space: Space, task: Task, number: int, seed: int = 5) -> list[Design]:
    """The smallest of 24 random members."""
    rng = np.random.default_rng(seed)
    found = [space.decode(task, values) for values in space.sample(task, 24, rng)]
    return sorted(found, key=lambda design: count(design).macs)[:number]


def _unquantized(design: Design) -> Design:
    return Design(architecture=design.pruned, policy=full_precision(design.architecture))


def _difference(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def _logits(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(images)
    return found


@each
def test_a_cut_network_computes_what_the_masked_one_does(space: Space, task: Task) -> None:
    (member,) = _members(space, task, 1)
    design = _unquantized(member)
    network, images = worn(design), pictures(design)
    for seed in range(2):
        selection = random_selection(network, seed)
        small, smaller = cut(network, design, selection)
        assert small.architecture == smaller.pruned
        assert _difference(_logits(small, images), _logits(masked(network, selection), images)) < TOLERANCE


@each
def test_counts_of_the_plan_are_those_of_the_tensors(space: Space, task: Task) -> None:
    for seed, design in enumerate(_members(space, task, 2)):
        network = unfilled(design, DEFAULT)
        _, small, smaller = _cut(network, design, seed)
        counts = count(smaller)
        assert parameters(small) == counts.parameters
        assert counts.parameters < count(design).parameters
        packed = sum(p.numel() for p in small.state_dict().values() if p.dim() == 4)
        assert packed == sum(layer.weights for layer in smaller.pruned.layers if layer.op in ("conv", "deconv"))


def _cut(network: Network, design: Design, seed: int) -> tuple[Selection, Network, Design]:
    """A random selection that changes no binary block's form, and what is left."""
    for attempt in range(20):
        selection = random_selection(network, seed + 100 * attempt)
        try:
            return (selection, *cut(network, design, selection))
        except InvalidSelection as error:
            assert "form" in str(error)  # noqa: PT017
    raise AssertionError("20 selections change the form of a binary block")


@pytest.mark.parametrize(
    ("name", "order", "learned_shift"),
    [("resnet", Order.CENTRED, True), ("resnet", Order.NORM_FIRST, False), ("vgg", Order.CENTRED, False)],
)
def test_quantized_networks_of_every_order(name: str, order: Order, learned_shift: bool) -> None:
    options = BuildOptions(order=order, quantizers=QuantizerOptions(learned_shift=learned_shift))
    for seed, member in enumerate(_members(SPACES[name], find_task("digits"), 2, seed=11)):
        network, images = worn(member, options), pictures(member)
        selection, small, _ = _cut(network, member, seed)
        wanted = _logits(masked(network, selection), images)
        assert _difference(_logits(small, images), wanted) < 0.02  # values beside a threshold may fall to either side


def _hybrid(shortcut: str = "pad", order: Order = Order.CENTRED) -> tuple[Network, Design]:
    design = _binary(shortcut)
    return worn(design, BuildOptions(order=order)), design


def _binary(shortcut: str) -> Design:
    space, task = SPACES["resnet"], find_task("digits")
    genes = {gene.name: gene for gene in space.genes(task)}
    values = [0] * len(genes)
    for place, gene in enumerate(space.genes(task)):
        if gene.name == "depth":
            values[place] = gene.choices.index(20)
        elif gene.name == "width":
            values[place] = gene.choices.index(0.5)
        elif gene.name == "shortcut":
            values[place] = gene.choices.index(shortcut)
    architecture = space.decode(task, np.asarray(values)).architecture
    policy = full_precision(architecture)
    body = {layer.name: BINARY for layer in architecture.weighted if layer.role == "body"}
    return Design(architecture=architecture, policy=policy.model_copy(update={"layers": {**policy.layers, **body}}))


def test_binary_blocks_keep_their_own_shortcuts_aligned() -> None:
    network, design = _hybrid()
    groups = tied_groups(network)
    assert groups.group_of("stage1.block1.conv1") == groups.group_of("stage1.block1.conv2")
    selection = random_selection(network, 3)
    small, smaller = cut(network, design, selection)
    images = pictures(design)
    assert _difference(_logits(small, images), _logits(masked(network, selection), images)) < TOLERANCE
    assert small.unit("stage1.block1.conv1").step.beside == "stem.conv"
    assert parameters(small) == count(smaller).parameters


def test_filters_of_a_binary_block_that_are_added_must_agree() -> None:
    network, design = _hybrid()
    kept = dict(random_selection(network, 3).kept)
    first = kept["stage1.block1.conv1"]
    other = next(one for one in range(8) if one not in first)
    kept["stage1.block1.conv1"] = tuple(sorted((*first[1:], other)))
    with pytest.raises(InvalidSelection, match="same filters as"):
        cut(network, design, Selection(kept=kept))


@pytest.mark.parametrize("shortcut", ["pad", "projection"])
def test_a_design_and_a_state_dictionary_give_the_network_back(shortcut: str) -> None:
    network, design = _hybrid(shortcut)
    small, smaller = cut(network, design, random_selection(network, 1))
    again = build(Design.model_validate_json(smaller.model_dump_json()), seed=9)
    again.load_state_dict(small.state_dict())
    images = pictures(design)
    assert torch.equal(_logits(again.eval(), images), _logits(small, images))
    assert torch.equal(_logits(unpack(pack(small, smaller), smaller), images), _logits(small, images))


def test_cutting_twice_is_cutting_once() -> None:
    design = _unquantized(_binary("pad"))
    network, images = worn(design), pictures(design)
    first = random_selection(network, 4, least=0.6)
    once, design_once = cut(network, design, first)
    second = random_selection(once, 5)
    twice, design_twice = cut(once, design_once, second)
    both = Selection(kept={k: tuple(first.kept[k][place] for place in second.kept[k]) for k in second.kept})
    direct, design_direct = cut(network, design, both)
    assert design_twice.digest == design_direct.digest
    assert torch.equal(_logits(twice, images), _logits(direct, images))


def test_what_is_not_selected_stays_as_it_was() -> None:
    design = find_network("resnet20").design()
    network, images = worn(design), pictures(design)
    small, smaller = cut(network, design, Selection(kept={}))
    assert smaller.digest == design.digest
    assert torch.equal(_logits(small, images), _logits(network, images))


def test_the_network_and_its_mode_stay_as_they_were() -> None:
    network, design = _hybrid()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    small, _ = cut(network, design, random_selection(network, 2))
    assert small.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_of_another_design_or_without_latent_weights_is_refused() -> None:
    network, design = _hybrid()
    other = Design(architecture=design.architecture, policy=full_precision(design.architecture))
    with pytest.raises(InvalidSelection, match="the design it was built from"):
        cut(network, other, Selection(kept={}))
    packed = unpack(pack(network, design), design)
    with pytest.raises(InvalidSelection, match="latent weights"):
        cut(packed, design, Selection(kept={}))


def test_sources_of_a_pad() -> None:
    read, wrote = np.array([0, 2, 3]), np.array([1, 2, 3, 5])
    assert sources_left((0, 1, 2, 3, -1, -1), read, wrote) == [-1, 1, 2, -1]
    assert sources_left((-1, 0, 1, 2, 3, -1), read, wrote) == [0, -1, 1, -1]


def test_a_trained_network_of_other_options_keeps_them() -> None:
    network, design = _hybrid(order=Order.NORM_FIRST)
    small, _ = cut(network, design, random_selection(network, 1))
    assert small.options == network.options != DEFAULT
