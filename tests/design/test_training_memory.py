"""The memory of a training step: the published table, a slow twin, and the largest batch that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from design.architecture import Architecture
from design.binarynet import binarynet, perceptron, published_policy
from design.design import Design
from design.encoding import encode_designs
from design.layer import Op
from design.liveness import stored_bits
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, precision
from design.spaces.registry import SPACES
from design.task import Task, find_task
from design.training_memory import (
    LIFETIMES,
    LOW_MEMORY,
    PUBLISHED,
    STANDARD,
    TrainingMethod,
    TrainingOptim,
    Variable,
    largest_batch,
    training_bytes,
    variable_bytes,
)
from design.zoo import find_network

MIB = 2**20
BATCH = 100
Net = Callable[..., Architecture]


def _published(build: Net, task: Task) -> Design:
    architecture = build(task, binary_edges=True)
    return Design(architecture=architecture, policy=published_policy(architecture))


def _hybrid(name: str = "resnet20") -> Design:
    architecture = find_network(name).design(find_task("cifar10")).architecture
    policy = policy_by_role(architecture, body=BINARY, edge=precision(8), shortcut=precision(32))
    return Design(architecture=architecture, policy=policy)


@pytest.mark.parametrize(
    ("build", "task", "optim", "standard", "low"),
    [
        (binarynet, "cifar10", TrainingOptim.ADAM, 512.81, 138.15),
        (binarynet, "cifar10", TrainingOptim.SGD, 459.4, 111.4),
        (binarynet, "cifar10", TrainingOptim.BOP, 407.5, 86.3),
        (perceptron, "mnist", TrainingOptim.ADAM, 7.40, 2.66),
    ],
)
def test_table_of_the_paper(build: Net, task: str, optim: TrainingOptim, standard: float, low: float) -> None:
    """MiB at a batch of 100, arXiv 2102.04270; Bop by our own sums of the same table."""
    encoded = encode_designs([_published(build, find_task(task))])
    for method, published in ((STANDARD, standard), (PUBLISHED, low)):
        found = training_bytes(encoded, batch_size=BATCH, method=method, optim=optim)[0] / MIB
        assert found == pytest.approx(published, rel=1e-3 if published > 10 else 2e-3)


def test_variables_of_the_table() -> None:
    encoded = encode_designs([_published(binarynet, find_task("cifar10"))])
    found = {name: size[0] / MIB for name, size in variable_bytes(encoded, batch_size=BATCH, method=PUBLISHED).items()}
    table = {
        Variable.INPUTS: 3.48,
        Variable.OUTPUTS: 25.0,
        Variable.OUTPUT_GRADIENTS: 25.0,
        Variable.WEIGHTS: 26.74,
        Variable.WEIGHT_GRADIENTS: 1.67,
        Variable.MOMENTA: 53.49,
        Variable.MASKS: 2.73,
    }
    for name, published in table.items():
        assert found[name] == pytest.approx(published, abs=0.006)
    assert set(LIFETIMES) == set(Variable) == set(found)


def _slowly(design: Design, batch: int, method: TrainingMethod) -> float:
    """Layer by layer, with Adam."""
    layers, policy = design.pruned.layers, design.policy
    stored = stored_bits(layers, policy.layers, policy.residual_bits, 32)
    total, largest = 0.0, 0.0
    for layer in layers:
        gives = stored[layer.name] == 1
        if layer.op is Op.POOL_MAX:
            total += batch * layer.in_elements * (method.mask_bits if gives else 32)
        own = policy.layers.get(layer.name)
        binary = own is not None and (own.weight_bits == 1 or own.activation_bits == 1 or gives)
        normed = layer.out_channels if layer.batch_norm or layer.op is Op.NORM else 0
        total += 4 * normed * (method.norm_bits if binary else 32)
        total += 4 * 32 * (layer.biases + layer.constants)
        if own is None:
            continue
        signs = own.activation_bits == 1 or (own.weight_bits == 1 and not method.real_inputs)
        total += batch * layer.in_elements * (method.input_bits if signs else 32)
        elements = max(layer.in_elements, layer.out_elements)
        largest = max(largest, elements * (method.gradient_bits if binary else 32))
        if own.weight_bits == 1:
            momenta = 2 if method.second_moment else 1
            bits = method.state_bits * (1 + momenta) + min(method.weight_gradient_bits, method.state_bits)
            total += layer.weights * bits
        else:
            total += layer.weights * 32 * 4
    return (total + 2 * batch * largest) / 8


METHODS = [
    STANDARD,
    PUBLISHED,
    LOW_MEMORY,
    replace(STANDARD, input_bits=1),
    replace(STANDARD, gradient_bits=16),
    replace(STANDARD, weight_gradient_bits=1),
    replace(STANDARD, state_bits=16),
    replace(STANDARD, mask_bits=1),
]


@pytest.mark.parametrize("method", METHODS)
def test_as_layer_by_layer(method: TrainingMethod) -> None:
    designs = [_hybrid(), _hybrid("vgg_small"), _published(binarynet, find_task("cifar10"))]
    found = training_bytes(encode_designs(designs), batch_size=17, method=method)
    assert found == pytest.approx([_slowly(design, 17, method) for design in designs], rel=1e-12)


def test_each_approximation_alone_saves_something() -> None:
    encoded = encode_designs([_published(binarynet, find_task("cifar10"))])
    standard = training_bytes(encoded, batch_size=BATCH)[0]
    for method in METHODS[3:]:
        assert training_bytes(encoded, batch_size=BATCH, method=method)[0] < 0.99 * standard


@pytest.mark.parametrize("method", [STANDARD, LOW_MEMORY])
@pytest.mark.parametrize("optim", TrainingOptim)
def test_largest_batch_is_the_last_that_fits(method: TrainingMethod, optim: TrainingOptim) -> None:
    encoded = encode_designs([_hybrid()])
    sizes = [training_bytes(encoded, batch_size=size, method=method, optim=optim)[0] for size in range(1, 200)]
    for limit in (1e3, sizes[0], 1.5 * sizes[0], sizes[40], 3e6, 9.9e6):
        expected = sum(size <= limit for size in sizes)
        assert largest_batch(encoded, limit, method=method, optim=optim)[0] == expected


@pytest.mark.parametrize("space", SPACES)
def test_low_memory_never_takes_more_in_any_space(space: str) -> None:
    task, own = find_task("cifar10"), SPACES[space]
    designs = own.rows(task, own.sample(task, 50, np.random.default_rng(0)))
    standard, low = training_bytes(designs), training_bytes(designs, method=LOW_MEMORY)
    assert np.all(low <= standard)
    parts = variable_bytes(designs, method=LOW_MEMORY)
    assert sum(parts.values()) == pytest.approx(low)


def test_networks_without_binary_layers_stay_as_they_are() -> None:
    architecture = _hybrid().architecture
    encoded = encode_designs([Design(architecture=architecture, policy=full_precision(architecture))])
    assert training_bytes(encoded, method=LOW_MEMORY)[0] == training_bytes(encoded)[0]
