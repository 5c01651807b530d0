"""What removed channels carried on average goes on as a constant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from design.architecture import Architecture
from design.design import Design
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision
from networks.adoption.module_source import adopt_module
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pruning.compensation import channel_means
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.surgery import cut
from tests.networks.adoption.user_modules import Upsampling, trained
from tests.networks.export.worn import pictures, worn

RELU = Activation.RELU


def _design(*, kernel: int = 1, batch_norm: bool = True) -> Design:
    """Two convolutions, a block with a shortcut that pads channels, a classifier."""
    stem = conv("stem", "input", (3, 6, 6), 8, activation=RELU, role=Role.STEM)
    body = conv(
        "body", "stem", stem.out_shape, 8, kernel=kernel, activation=RELU, batch_norm=batch_norm, bias=not batch_norm
    )
    first = conv("first", "body", body.out_shape, 12, stride=2, activation=RELU)
    second = conv("second", "first", first.out_shape, 12, kernel=1)
    shortcut = _pad(stride=2)
    total = elementwise("sum", ("second", "shortcut"), second.out_shape, activation=RELU)
    layers = (stem, body, first, second, shortcut, total, global_pool("pool", "sum", total.out_shape))
    classes = fully_connected("classes", "pool", 12, 5, role=Role.CLASSIFIER)
    architecture = Architecture(name="small", input_shape=(3, 6, 6), layers=(*layers, classes))
    return Design(architecture=architecture, policy=full_precision(architecture))


def _pad(stride: int) -> Layer:
    """A shortcut from `body` that adds four channels."""
    return Layer(
        name="shortcut",
        op=Op.PAD,
        inputs=("body",),
        in_channels=8,
        in_height=6,
        in_width=6,
        out_channels=12,
        out_height=6 // stride,
        out_width=6 // stride,
        stride=stride,
        role=Role.SHORTCUT,
    )


STREAM = (0, 1, 3, 5, 6, 9)
SELECTION = Selection(kept={"stem": (0, 2, 3, 5), "first": (1, 2, 5, 7, 8, 11), "second": STREAM})


def _hold_(network: Network, name: str, channels: list[int]) -> None:
    """Make channels of a layer constant: its norm, or its filter, gives the shift alone."""
    unit = network.unit(name)
    part = unit.norm if isinstance(unit.norm, Norm) else unit.operation
    assert isinstance(part, Norm | Quantized)
    with torch.no_grad():
        part.weight[channels] = 0
        assert isinstance(part.bias, nn.Parameter)
        part.bias[channels] = torch.linspace(0.5, 2, len(channels))


def _error(small: Network, network: Network, images: Tensor) -> float:
    with torch.no_grad():
        wanted, found = network(images), small(images)
    return float((found - wanted).abs().max() / wanted.abs().max())


def test_a_pad_is_replaced_exactly() -> None:
    design = _design()
    network, images = worn(design), pictures(design, 6)
    removed = [1, 3, 5]
    _hold_(network, "body", removed)
    with torch.no_grad():
        first = network.unit("first").operation
        assert isinstance(first, Quantized)
        first.weight[:, removed] = 0  # `first` pads by zeros, so that its borders would differ
    selection = Selection(kept={"body": (0, 2, 4, 6, 7)})
    plain, _ = cut(network, design, selection)
    own, _ = cut(network, design, selection, means=channel_means(network, [images]))
    assert _error(plain, network, images) > 0.05
    assert _error(own, network, images) < 1e-5


def test_a_layer_without_padding_is_replaced_exactly() -> None:
    for batch_norm in (True, False):
        design = _design(batch_norm=batch_norm)
        network, images = worn(design), pictures(design, 6)
        _hold_(network, "stem", [1, 4, 6, 7])
        selection = Selection(kept={"stem": (0, 2, 3, 5)})
        own, _ = cut(network, design, selection, means=channel_means(network, [images]))
        assert _error(own, network, images) < 1e-5


def test_ordinary_channels_are_replaced_on_average() -> None:
    design = _design()
    network, images = worn(design), pictures(design, 32)
    means = channel_means(network, [images])
    plain, _ = cut(network, design, SELECTION)
    own, _ = cut(network, design, SELECTION, means=means)
    assert _error(own, network, images) < 0.8 * _error(plain, network, images)


def test_means_are_those_of_what_is_read() -> None:
    design = _design()
    network, images = worn(design), pictures(design, 7)
    network.train()
    means = channel_means(network, [images[:3], images[3:]])
    assert network.training
    seen: list[Tensor] = []
    handle = network.eval().unit("first").register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(images)
    handle.remove()
    assert torch.allclose(means["first"], seen[0].double().mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(means["shortcut"], seen[0][:, :, ::2, ::2].double().mean((0, 2, 3)), atol=1e-6)
    kept = kept_channels(network.architecture, SELECTION)
    assert np.array_equal(kept.of("sum"), [0, 1, 3, 5, 6, 9])


def test_no_batch_is_no_mean() -> None:
    design = _design()
    with pytest.raises(ValueError, match="at least one batch"):
        channel_means(worn(design), [])


def test_a_pad_beside_anything_is_left_where_nothing_can_take_its_mean() -> None:
    design = _gated()
    network, images = worn(design), pictures(design, 6)
    means = channel_means(network, [images])
    for kept in ((0, 2, 4, 6, 7), tuple(range(8))):
        small, _ = cut(network, design, Selection(kept={"body": kept}), means=means)
        assert torch.isfinite(small(images)).all()


def _gated() -> Design:
    """A shortcut that pads channels beside a product, and beside the pictures themselves."""
    stem = conv("stem", "input", (3, 6, 6), 8, activation=RELU, role=Role.STEM)
    body = conv("body", "stem", stem.out_shape, 8, kernel=1, activation=RELU)
    first = conv("first", "body", body.out_shape, 12, activation=RELU)
    gate = conv("gate", "first", first.out_shape, 12, kernel=1)
    product = elementwise("product", ("first", "gate"), first.out_shape, op=Op.MULTIPLY)
    shortcut = _pad(stride=1)
    total = elementwise("sum", ("product", "shortcut"), first.out_shape, activation=RELU)
    pooled = global_pool("pool", "sum", total.out_shape)
    classes = fully_connected("classes", "pool", 12, 5, role=Role.CLASSIFIER)
    layers = (stem, body, first, gate, product, shortcut, total, pooled, classes)
    architecture = Architecture(name="gated", input_shape=(3, 6, 6), layers=layers)
    return Design(architecture=architecture, policy=full_precision(architecture))


def test_transposed_convolutions_stay_as_they_are() -> None:
    network, design = _upsampling()
    images = pictures(design, 6)
    selection = Selection(kept={"first": (0, 2, 3)})
    plain, _ = cut(network, design, selection)
    own, _ = cut(network, design, selection, means=channel_means(network, [images]))
    for name, weight in plain.state_dict().items():
        assert torch.equal(own.state_dict()[name], weight), name


def _upsampling() -> tuple[Network, Design]:
    found = adopt_module(trained(Upsampling()), (3, 8, 8))
    names = [layer.name for layer in found.design.architecture.layers]
    assert "first" in names, names
    return found.network, found.design
