"""Packed bytes: as many as the counts say, back to the same logits, refused when they are not intact."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
import torch

from design.counts import count
from design.design import Design
from design.policies import hybrid_full_precision_shortcuts, policy_by_role
from design.precision import BINARY, Precision, precision
from design.spaces.registry import SPACES
from design.task import find_task
from design.zoo import find_network
from networks.build import BuildOptions, Order, build
from networks.errors import InvalidArtefact
from networks.layers import Norm
from networks.network import Network
from networks.packing import FRONT_BYTES, pack, payload_bytes, unpack
from networks.quantizers.options import Half, QuantizerOptions, ScaleGradient, UniformQuantizer

DIGITS, CIFAR = find_task("digits"), find_task("cifar10")


def _lived_in(design: Design, options: BuildOptions | None = None) -> Network:
    """A network whose norms and steps are no longer as built."""
    network = build(design, options=options or BuildOptions())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network(torch.randn(4, *design.architecture.input_shape, generator=generator))
        for module in network.modules():
            if isinstance(module, Norm):
                module.weight.uniform_(-1, 2, generator=generator)
                module.bias.normal_(generator=generator)
    return network.eval()


def _same_logits(network: Network, design: Design) -> bytes:
    data = pack(network, design)
    x = torch.randn(3, *design.architecture.input_shape)
    found = unpack(data, design)
    with torch.no_grad():
        assert torch.equal(network(x), found(x))
    return data


def _learned_steps(network: Network) -> int:
    return sum(
        p.numel() for name, p in network.named_parameters() if "weight_quantizer" not in name and "quantizer" in name
    )


def _resnet(body: Precision, edge: Precision | None = None, **more: Precision) -> Design:
    architecture = find_network("resnet20").design(CIFAR).architecture
    policy = policy_by_role(architecture, body=body, edge=edge or precision(32), **more)  # type: ignore[arg-type]
    return Design(architecture=architecture, policy=policy)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_resnets_of_all_bits_have_the_counted_size_and_the_same_logits(bits: int) -> None:
    design = _resnet(precision(bits), precision(max(8, bits)))  # type: ignore[arg-type]
    network = _lived_in(design)
    data, counted = _same_logits(network, design), count(design).model_bytes
    assert payload_bytes(data) == counted + 4 * _learned_steps(network)
    assert abs(len(data) / counted - 1) < 0.01


def test_the_hybrid_of_full_precision_shortcuts_has_the_counted_size() -> None:
    architecture = find_network("vgg_small").design(CIFAR).architecture
    small = find_network("resnet20").design(CIFAR).architecture
    for own in (architecture, small):
        design = Design(architecture=own, policy=hybrid_full_precision_shortcuts(own))
        data = _same_logits(_lived_in(design), design)
        assert abs(len(data) / count(design).model_bytes - 1) < 0.01


@pytest.mark.parametrize("name", SPACES)
def test_random_members_of_every_space_have_the_counted_size_and_the_same_logits(name: str) -> None:
    space, task = SPACES[name], DIGITS if name != "nasbench201" else CIFAR
    for values in space.sample(task, 2, np.random.default_rng(5)):
        design = space.decode(task, values)
        network = _lived_in(design)
        data = _same_logits(network, design)
        assert payload_bytes(data) == count(design).model_bytes + 4 * _learned_steps(network)


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(order=Order.NORM_FIRST),
        BuildOptions(shortcut_every_convolution=False, quantizers=QuantizerOptions(learned_shift=True)),
        BuildOptions(quantizers=QuantizerOptions(scale_gradient=ScaleGradient.XNOR, half=Half.BFLOAT16)),
        BuildOptions(quantizers=QuantizerOptions(uniform=UniformQuantizer.UNIFORM)),
    ],
    ids=["norm_first", "shift", "xnor-bfloat16", "uniform"],
)
def test_options_travel_with_the_bytes(options: BuildOptions) -> None:
    architecture = find_network("resnet20").design(DIGITS).architecture
    mixed = {
        "stage2.block1.conv1": precision(2),
        "stage2.block1.conv2": precision(4),
        "stage3.block3.conv1": precision(16),
    }
    policy = policy_by_role(architecture, body=BINARY, overrides=mixed, residual_bits=8)
    design = Design(architecture=architecture, policy=policy)
    network = _lived_in(design, options)
    assert unpack(_same_logits(network, design), design).options == options


def test_a_network_that_has_seen_nothing_is_not_packed() -> None:
    design = _resnet(precision(4))
    with pytest.raises(InvalidArtefact, match=r"must have started.*Run one batch"):
        pack(build(design), design)


def test_a_network_is_packed_with_its_own_design_alone() -> None:
    design = _resnet(BINARY)
    with pytest.raises(InvalidArtefact, match="built from"):
        pack(build(design), _resnet(precision(2)))
    with pytest.raises(InvalidArtefact, match="must be of the design"):
        unpack(pack(build(design), design), _resnet(precision(2)))


@pytest.fixture(scope="module")
def binary() -> tuple[bytes, Design]:
    design = _resnet(BINARY)
    return pack(build(design), design), design


@pytest.mark.parametrize("place", [0, 4, FRONT_BYTES - 40, FRONT_BYTES - 10, FRONT_BYTES + 5, -1])
def test_a_flipped_bit_anywhere_is_noticed(binary: tuple[bytes, Design], place: int) -> None:
    data = bytearray(binary[0])
    data[place] ^= 0x20
    with pytest.raises(InvalidArtefact):
        unpack(bytes(data), binary[1])


@pytest.mark.parametrize("length", [0, 3, FRONT_BYTES - 1, FRONT_BYTES, 5000])
def test_truncated_bytes_are_refused(binary: tuple[bytes, Design], length: int) -> None:
    with pytest.raises(InvalidArtefact, match="must"):
        unpack(binary[0][:length], binary[1])
    with pytest.raises(InvalidArtefact, match="must have"):
        unpack(binary[0] + b"\0", binary[1])


def test_a_later_version_is_refused_by_name(binary: tuple[bytes, Design]) -> None:
    data = binary[0][:4] + struct.pack("<H", 3) + binary[0][6:]
    with pytest.raises(InvalidArtefact, match=r"at most 2, but got 3.*later release"):
        unpack(data, binary[1])


def test_bytes_with_a_right_checksum_but_wrong_content_are_refused(binary: tuple[bytes, Design]) -> None:
    """Written by hand: the payload is too short for the design, or too long, or the options are unknown."""
    data, design = binary
    front, digest, rest = data[:18], data[50:82], data[84:]

    def written(options: bytes, payload: bytes) -> bytes:
        own = struct.pack("<4sHIQ", b"BSPK", 1, len(options), len(payload))
        return own + hashlib.sha256(own + digest + options + payload).digest() + digest + options + payload

    assert written(b"{}", rest) == data
    assert front == data[:18]
    for options, payload in (
        (b"{}", rest[:-4]),
        (b"{}", rest + b"1234"),
        (b"[]", rest),
        (b'{"a":1}', rest),
        (b"\xff", rest),
    ):
        with pytest.raises(InvalidArtefact):
            unpack(written(options, payload), design)


def test_unpacked_networks_take_no_gradient(binary: tuple[bytes, Design]) -> None:
    network = unpack(*binary)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
