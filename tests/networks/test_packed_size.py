"""A packed file is as large as the counts say, within 1 %, down to the smallest networks of every space."""

from __future__ import annotations

import numpy as np
import pytest

from design.architecture import Architecture
from design.constraints import Constraints
from design.counts import count, model_bytes
from design.design import Design
from design.devices.catalogue import find_device
from design.encoding import IntArray
from design.genes import GeneKind
from design.layer import Layer, Op
from design.policies import policy_by_role
from design.precision import Bits, precision
from design.space import Space
from design.spaces.registry import SPACES
from design.task import find_task
from networks.build import build
from networks.network import Network
from networks.packing import pack, pad_bytes
from networks.packing_front import FRONT_BYTES
from networks.pruning.surgery import cut
from networks.quantizers.start import StartsFromData
from optimizer.optimize import optimize
from optimizer.problem import Problem
from service.tour import FIRST_JOB
from tests.networks.pruning.masking import random_selection

TASK = find_task("digits")
WITHIN = 0.01


def started(design: Design) -> Network:
    """Built, with steps that need not see a batch: sizes do not depend on values."""
    network = build(design)
    for module in network.modules():
        if isinstance(module, StartsFromData):
            module.started.fill_(True)
    return network


def _members(space: Space) -> IntArray:
    """Any; the fewest filters and bits; signs with sums at 8 bits; any with sums at 8 bits."""
    genes = space.genes(TASK)
    drawn = space.sample(TASK, 4, np.random.default_rng(3))
    for index, gene in enumerate(genes):
        last = len(gene.choices) - 1
        if gene.kind is GeneKind.FILTERS:
            drawn[1:3, index] = (last, 0)
        if gene.kind is GeneKind.PRECISION:
            drawn[1:3, index] = last
        if gene.name == "residual_bits":
            drawn[1:, index] = last
        if gene.name in ("depth", "width"):
            drawn[1, index] = last
    return space.canonical(TASK, drawn)


@pytest.mark.parametrize("name", SPACES)
def test_members_of_every_space(name: str) -> None:
    space = SPACES[name]
    genotypes = _members(space)
    counted = model_bytes(space.rows(TASK, genotypes))
    for genotype, own in zip(genotypes, counted.tolist(), strict=True):
        design = space.decode(TASK, genotype)
        size = len(pack(started(design), design))
        assert size == own + FRONT_BYTES == count(design).model_bytes + FRONT_BYTES
        assert size / own - 1 < WITHIN


def _small_resnet(share: int, bits: str, **chosen: object) -> Design:
    """ResNet-20 x0.5 on digits, sums and edges at 8 bits.

    Args:
        share: Which share of the filters is kept.
        bits: Of all other layers.
        chosen: Other choices of genes.
    """
    space = SPACES["resnet"]
    genes = space.genes(TASK)
    values = np.zeros((1, len(genes)), dtype=np.int64)
    for index, gene in enumerate(genes):
        if gene.name in chosen:
            values[0, index] = gene.choices.index(chosen[gene.name])
        elif gene.kind is GeneKind.FILTERS:
            values[0, index] = share
        elif gene.name in ("depth", "width", "residual_bits", "edge_precision"):
            values[0, index] = len(gene.choices) - 1
        elif gene.kind is GeneKind.PRECISION:
            values[0, index] = gene.choices.index(bits)
    return space.decode(TASK, space.canonical(TASK, values)[0])


@pytest.mark.parametrize("bits", ["W8A8", "W4A4", "W2A2", "W1A1"])
def test_small_resnets(bits: str) -> None:
    """From 2 to 73 kB."""
    for share in (6, 4, 0):
        design = _small_resnet(share, bits)
        counted = count(design).model_bytes
        size = len(pack(started(design), design))
        assert size == counted + FRONT_BYTES
        assert size / counted - 1 < WITHIN


def test_the_smallest_network_of_all() -> None:
    """Signs, a quarter of the filters, shortcuts without weights and sums without steps."""
    design = _small_resnet(6, "W1A1", shortcut="pad", residual_bits=32)
    counted = count(design).model_bytes
    size = len(pack(started(design), design))
    assert (counted, size) == (1743, 1743 + FRONT_BYTES)
    assert size / counted - 1 < WITHIN


@pytest.mark.parametrize("seed", range(3))
def test_cut_networks_whose_pads_have_an_order_of_their_own(seed: int) -> None:
    """What the pads read is in no count: from 3 kB on it is within the same 1 %."""
    space = SPACES["resnet"]
    genes = space.genes(TASK)
    whole = {"shortcut": "pad", "depth": 20, "width": 0.5, "residual_bits": 8}
    values = [gene.choices.index(whole[gene.name]) if gene.name in whole else 0 for gene in genes]
    for index, gene in enumerate(genes):
        if gene.name.endswith((".conv1", ".conv2")):
            values[index] = len(gene.choices) - 1 - index % 3 * 4 // 3
    design = space.decode(TASK, space.canonical(TASK, np.array([values]))[0])
    network, smaller = cut(started(design), design, random_selection(started(design), seed))
    counted, pads = count(smaller).model_bytes, pad_bytes(network)
    size = len(pack(network, smaller))
    assert pads > 0
    assert size == counted + FRONT_BYTES + pads
    assert counted > 3_000
    assert size / counted - 1 < WITHIN


def test_the_design_of_the_first_job() -> None:
    """The one that `make run` names, about 6 kB."""
    problem = Problem(
        device=find_device(FIRST_JOB["device"]),
        task=find_task(FIRST_JOB["task"]),
        spaces=tuple(FIRST_JOB["spaces"]),
        constraints=Constraints(**FIRST_JOB["limits"]),
    )
    answer = optimize(problem)
    size = len(pack(started(answer.design), answer.design))
    assert answer.feasible
    assert answer.prediction.model_bytes <= 6_000
    assert size == answer.prediction.model_bytes + FRONT_BYTES
    assert size / answer.prediction.model_bytes - 1 < WITHIN


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_attention_and_linear_layers(bits: Bits) -> None:
    """Four projections, each with scales and a step of its own, each filled up to whole bytes."""
    shape = {"in_channels": 6, "in_height": 3, "in_width": 1, "out_channels": 6, "out_height": 3, "out_width": 1}
    attention = Layer(name="attention", op=Op.ATTENTION, inputs=("input",), heads=2, bias=True, **shape)
    linear = Layer(name="linear", op=Op.FC, inputs=("attention",), bias=True, **shape)
    architecture = Architecture(name="attention", input_shape=(6, 3, 1), layers=(attention, linear))
    policy = policy_by_role(architecture, body=precision(bits), edge=precision(8))
    design = Design(architecture=architecture, policy=policy)
    assert len(pack(started(design), design)) == count(design).model_bytes + FRONT_BYTES
