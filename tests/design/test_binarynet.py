"""BinaryNet and the perceptron: sizes, roles, and the published order."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.binarynet import binarynet, perceptron, published_policy
from design.counts import count
from design.design import Design
from design.errors import TaskTooSmall
from design.layer import Op, Role
from design.task import find_task
from design.zoo import find_network


def test_sizes_of_the_literature() -> None:
    assert count(find_network("binarynet").design()).parameters == 14_022_016 + 2 * 3850
    weights = 784 * 256 + 3 * 256 * 256 + 256 * 10
    assert count(find_network("mlp").design()).parameters == weights + 2 * (4 * 256 + 10)


def test_convolution_then_pool_and_norms_throughout() -> None:
    layers = binarynet(find_task("cifar10")).layers
    ops = [layer.op for layer in layers]
    assert ops == [Op.CONV, Op.CONV, Op.POOL_MAX] * 3 + [Op.FLATTEN] + [Op.FC] * 3
    assert all(layer.batch_norm for layer in layers if layer.weighted)


def test_width_is_a_factor() -> None:
    narrow = binarynet(find_task("cifar10"), width=0.25)
    assert [layer.out_channels for layer in narrow.weighted] == [32, 32, 64, 64, 128, 128, 256, 256, 10]


def test_edges_are_binary_where_asked_for() -> None:
    for build in (binarynet, perceptron):
        whole = build(find_task("mnist"), binary_edges=True)
        policy = published_policy(whole)
        assert Design(architecture=whole, policy=policy).policy.layers["fc2"].weight_bits == 1
        first = policy.layers[whole.weighted[0].name]
        assert (first.weight_bits, first.activation_bits) == (1, 32)
        usual = build(find_task("mnist"))
        assert usual.weighted[0].role is Role.STEM
        assert usual.weighted[-1].role is Role.CLASSIFIER
        with pytest.raises(ValidationError, match="must have at least 8 bits"):
            Design(architecture=usual, policy=published_policy(usual))


def test_small_pictures_are_refused() -> None:
    task = find_task("digits").model_copy(update={"input_height": 4, "input_width": 4})
    with pytest.raises(TaskTooSmall, match="at least 8 x 8"):
        find_network("binarynet").design(task)
