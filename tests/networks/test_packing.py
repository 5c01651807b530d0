"""Packed bytes: as many as the counts say, back to the same logits, refused when they are not intact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from design.architecture import Architecture
from design.counts import count
from design.design import Design
from design.layer import Layer, Op
from design.layers import conv
from design.policies import full_precision, hybrid_full_precision_shortcuts, policy_by_role
from design.precision import BINARY, Precision, precision
from design.spaces.registry import SPACES
from design.task import find_task
from design.zoo import find_network
from networks.build import BuildOptions, Order, build
from networks.errors import InvalidArtefact
from networks.layers import Norm
from networks.network import Network
from networks.packing import pack, pad_bytes, unpack
from networks.packing_front import FRONT_BYTES, Content, opened, with_front
from networks.pad import Pad
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


def _resnet(body: Precision, edge: Precision | None = None, **more: Precision) -> Design:
    architecture = find_network("resnet20").design(CIFAR).architecture
    policy = policy_by_role(architecture, body=body, edge=edge or precision(32), **more)  # type: ignore[arg-type]
    return Design(architecture=architecture, policy=policy)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_resnets_of_all_bits_have_the_counted_size_and_the_same_logits(bits: int) -> None:
    design = _resnet(precision(bits), precision(max(8, bits)))  # type: ignore[arg-type]
    network = _lived_in(design)
    data, counted = _same_logits(network, design), count(design).model_bytes
    assert len(data) == counted + FRONT_BYTES


def test_the_hybrid_of_full_precision_shortcuts_has_the_counted_size() -> None:
    architecture = find_network("vgg_small").design(CIFAR).architecture
    small = find_network("resnet20").design(CIFAR).architecture
    for own in (architecture, small):
        design = Design(architecture=own, policy=hybrid_full_precision_shortcuts(own))
        data = _same_logits(_lived_in(design), design)
        assert len(data) == count(design).model_bytes + FRONT_BYTES


@pytest.mark.parametrize("name", SPACES)
def test_random_members_of_every_space_have_the_counted_size_and_the_same_logits(name: str) -> None:
    space, task = SPACES[name], DIGITS if name != "nasbench201" else CIFAR
    for values in space.sample(task, 2, np.random.default_rng(5)):
        design = space.decode(task, values)
        network = _lived_in(design)
        data = _same_logits(network, design)
        assert len(data) == count(design).model_bytes + FRONT_BYTES


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


@pytest.mark.parametrize("place", [0, 4, 5, FRONT_BYTES - 1, FRONT_BYTES + 5, -1])
def test_a_flipped_bit_anywhere_is_noticed(binary: tuple[bytes, Design], place: int) -> None:
    data = bytearray(binary[0])
    data[place] ^= 0x20
    with pytest.raises(InvalidArtefact):
        unpack(bytes(data), binary[1])


@pytest.mark.parametrize("length", [0, 3, FRONT_BYTES - 1, FRONT_BYTES, 5000])
def test_truncated_bytes_are_refused(binary: tuple[bytes, Design], length: int) -> None:
    with pytest.raises(InvalidArtefact, match="must"):
        unpack(binary[0][:length], binary[1])
    with pytest.raises(InvalidArtefact, match="damaged or incomplete"):
        unpack(binary[0] + b"\0", binary[1])


@pytest.mark.parametrize("form", [4, 0x43, 0x83, 0])
def test_a_later_version_is_refused_by_number(binary: tuple[bytes, Design], form: int) -> None:
    data = binary[0][:4] + bytes([form]) + binary[0][5:]
    with pytest.raises(InvalidArtefact, match=rf"1 to 3, but got {form}.*later release"):
        unpack(data, binary[1])


def test_every_byte_of_the_digest_counts(binary: tuple[bytes, Design]) -> None:
    """Another design whose digest begins alike is noticed too."""
    data, design = binary
    other = _resnet(precision(2))
    own = bytes.fromhex(other.digest)[:4]
    with pytest.raises(InvalidArtefact, match=f"of the design {other.digest[:8]}, but got one of {design.digest[:8]}"):
        unpack(data, other)
    with pytest.raises(InvalidArtefact, match="checksum"):
        unpack(data[:5] + own + data[9:], other)


def test_bytes_with_a_right_checksum_but_wrong_content_are_refused(binary: tuple[bytes, Design]) -> None:
    """The payload is too short for the design, or too long, or the options are unknown."""
    data, design = binary
    rest = data[FRONT_BYTES:]
    assert opened(data, design) == Content(payload=rest)
    assert with_front(Content(payload=rest), design) == data
    for options, payload in (
        (b"", rest[:-4]),
        (b"", rest + b"1234"),
        (b"[]", rest),
        (b'{"a":1}', rest),
        (b"\xff", rest),
        (b'{"order":"norm_first"}', rest),
    ):
        with pytest.raises(InvalidArtefact):
            unpack(with_front(Content(payload=payload, options=options), design), design)


@pytest.mark.parametrize(("read", "size"), [(1, 1), (3, 2), (15, 4), (16, 7), (255, 7), (256, 14), (70_000, 28)])
def test_pads_of_their_own_order_take_few_bits(read: int, size: int) -> None:
    """Seven channels that each read one of `read`, or none."""
    network, design = _padded(read)
    (pad,) = (unit.operation for unit in network.units() if isinstance(unit.operation, Pad))
    usual = len(pack(network, design))
    assert pad_bytes(network) == 0
    pad.set_sources([read - 1, -1, 0, -1, -1, 0, read - 1])
    data = pack(network, design)
    assert pad_bytes(network) == size == len(data) - usual
    (again,) = (unit.operation for unit in unpack(data, design).units() if isinstance(unit.operation, Pad))
    assert again.channel_sources == pad.channel_sources


def test_pads_that_read_channels_that_are_not_there_are_refused() -> None:
    network, design = _padded(2)
    (pad,) = (unit.operation for unit in network.units() if isinstance(unit.operation, Pad))
    pad.set_sources([1, 0, -1, -1, -1, -1, -1])
    content = opened(pack(network, design), design)
    wrong = replace(content, payload=content.payload[:-2] + b"\xff\xff")
    with pytest.raises(InvalidArtefact, match="must read channels that are there"):
        unpack(with_front(wrong, design), design)


def _padded(read: int) -> tuple[Network, Design]:
    """A pad alone, behind a convolution of one value."""
    layers = (
        conv("conv", "input", (1, 1, 1), read, kernel=1, batch_norm=False),
        Layer(
            name="pad",
            op=Op.PAD,
            inputs=("conv",),
            in_channels=read,
            in_height=1,
            in_width=1,
            out_channels=7,
            out_height=1,
            out_width=1,
        ),
    )
    architecture = Architecture(name="padded", input_shape=(1, 1, 1), layers=layers)
    design = Design(architecture=architecture, policy=full_precision(architecture))
    return build(design), design


def test_unpacked_networks_take_no_gradient(binary: tuple[bytes, Design]) -> None:
    network = unpack(*binary)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
