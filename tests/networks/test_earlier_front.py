"""Packed networks of versions 1 and 2, as earlier releases wrote them, are read to the logits they had then."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
import torch

from design.architecture import Architecture
from design.design import Design
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import policy_by_role
from design.precision import BINARY, precision
from networks.earlier_front import FRONT_BYTES
from networks.errors import InvalidArtefact
from networks.options import DEFAULT, BuildOptions
from networks.packing import unpack
from networks.pad import Pad

FIRST = """
QlNQSwEAJAAAAFABAAAAAAAAUGTYXascDqj8HITA0UxAINrgWT3U7rsItnFhf0Lh57B/map/iejGzFxcr8bdX6uxCxCm2i3yuBzRitxWCahL
n3sic2hvcnRjdXRfZXZlcnlfY29udm9sdXRpb24iOmZhbHNlfXuJlDsobjE7r6OiOzs6cGWyqWwAkgCimpDXcXRBgmSCoWhRAHmqb5sSFj4E
M94/L3mbP0MIqz+FFtY/IW1ev6ndYb8cQiQ+H0k3Pjq8JD5kaRo+hKk6PtnQzhhBXaf5AYMKVtw/Ib4j9gsAQM3HuT/6Mh8/6hexP8mMUD+e
gm6+doq2vXY6gj54WQS9y7Zxv+uAEz57wCU+Na4kPoCXNT7mbCs+LxdLRosaVXlEcQvRkJYGBN8TJlR/4acIdxlTFwHHqMo/RtBVP1ROxz9G
jdc/gUnqP9Yog7+Se2s8evxFPwexqr+1a4q/0ukUPnJWpD1q8yQ/hpu+PmWXZ6mI/JlyPhxLkD8g3Sk/4akxwAoskj9Wu+s9ITi5ua00s7VO
u9Q/ERlSPwuSAUBprTq/sI2ROmM+t73NuEQ8txdmPED+4mH+wAAAAAAAAAAARsVPPQ==
"""
"""Version 1, with options."""
SECOND = """
QlNQSwIAAgAAAGwBAAAAAAAAi6hrAuCBbE5ausNJ0l2RMTOdvvyJ7pO7D4o45xBaagd/map/iejGzFxcr8bdX6uxCxCm2i3yuBzRitxWCahL
n3t9e4mUOyhuMTuvo6I7OzpwZbKpbACSAKKakNdxdEGCZIKhaFEAeapvmxIWPgQz3j8veZs/QwirP4UW1j8hbV6/qd1hvxxCJD4fSTc+Orwk
PmRpGj6EqTo+2dDOGEFdp/kBgwpW3D8hviP2CwBAzce5P/oyHz/qF7E/yYxQP56Cbr52ira9djqCPnhZBL3LtnG/3fQVPnJWpD3rgBM+e8Al
PjWuJD6AlzU+5mwrPi8XS0aLGlV5RHEL0ZCWBgTfEyZUf+GnCHcZUxcBxFfMP0h+VT8hAsg/cEXVP3XD6D9jKoO/yH3kPPeQRz/aq6q/D2+J
v/////8CAAAAAAAAAP////8BAAAA1hMYPh9YRD5q8yQ/hpu+PmWXZ6mIyBegPk81gD8sUik/iMMvwB4ukz9Wu+s9ITi5ua00s7WwH9c/ALJS
PyapAUAVhzi/YA9/ujiNvL3NuEQ8txdmPED+4mH+wAAAAAAAAAAAY+UtPQ==
"""
"""Version 2: the channels that a pad reads."""
WRITTEN = {1: base64.b64decode(FIRST), 2: base64.b64decode(SECOND)}
OPTIONS = {1: BuildOptions(shortcut_every_convolution=False), 2: DEFAULT}
SOURCES = {1: (0, 1, 2, -1, -1), 2: (-1, 2, 0, -1, 1)}
LOGITS = {
    1: ((-0.9592624306678772, -0.5342791080474854), (-1.0743738412857056, -0.5983926057815552)),
    2: ((-3.982215166091919, -2.2179691791534424), (-4.01432991027832, -2.235856056213379)),
}
"""Of `PICTURES`, on the day they were written."""
PICTURES = torch.linspace(-1, 1, 32).reshape(2, 1, 4, 4)
each = pytest.mark.parametrize("version", [1, 2])


def _design() -> Design:
    """Weights of 1, 4, 8 and 16 bits, sums at 8, a pad."""
    pad = Layer(
        name="shortcut",
        op=Op.PAD,
        inputs=("stem",),
        in_channels=3,
        in_height=4,
        in_width=4,
        out_channels=5,
        out_height=2,
        out_width=2,
        stride=2,
        role=Role.SHORTCUT,
    )
    relu = Activation.RELU
    architecture = Architecture(
        name="tiny",
        input_shape=(1, 4, 4),
        layers=(
            conv("stem", "input", (1, 4, 4), 3, activation=relu, role=Role.STEM),
            conv("first", "stem", (3, 4, 4), 5, stride=2, activation=relu),
            conv("second", "first", (5, 2, 2), 5),
            pad,
            elementwise("add", ("second", "shortcut"), (5, 2, 2), activation=relu),
            conv("third", "add", (5, 2, 2), 2, kernel=1, activation=relu),
            conv("fourth", "third", (2, 2, 2), 3, kernel=1, activation=relu),
            global_pool("pool", "fourth", (3, 2, 2)),
            fully_connected("fc", "pool", 3, 2, role=Role.CLASSIFIER),
        ),
    )
    overrides = {"third": precision(4), "fourth": precision(16)}
    policy = policy_by_role(architecture, body=BINARY, edge=precision(8), residual_bits=8, overrides=overrides)
    return Design(architecture=architecture, policy=policy)


@each
def test_earlier_versions_give_the_logits_they_had(version: int) -> None:
    network = unpack(WRITTEN[version], _design())
    assert struct.unpack_from("<4sH", WRITTEN[version]) == (b"BSPK", version)
    assert network.options == OPTIONS[version]
    (pad,) = (unit.operation for unit in network.units() if isinstance(unit.operation, Pad))
    assert pad.channel_sources == SOURCES[version]
    with torch.no_grad():
        torch.testing.assert_close(network(PICTURES), torch.tensor(LOGITS[version]), rtol=1e-4, atol=1e-5)


@each
@pytest.mark.parametrize("place", [4, 7, 12, 20, 60, FRONT_BYTES + 1, -1])
def test_damage_is_noticed(version: int, place: int) -> None:
    data = bytearray(WRITTEN[version])
    data[place] ^= 0x08
    with pytest.raises(InvalidArtefact):
        unpack(bytes(data), _design())


@each
@pytest.mark.parametrize("length", [5, FRONT_BYTES - 1, FRONT_BYTES, 300])
def test_truncated_bytes_are_refused(version: int, length: int) -> None:
    with pytest.raises(InvalidArtefact, match="must have"):
        unpack(WRITTEN[version][:length], _design())


@each
def test_another_design_is_refused_by_name(version: int) -> None:
    """Front and checksum are right: the design alone is another."""
    data = bytearray(WRITTEN[version])
    data[FRONT_BYTES - 32] ^= 1
    data[18:50] = hashlib.sha256(data[:18] + data[50:]).digest()
    with pytest.raises(InvalidArtefact, match="must be of the design 7f99aa7f, but got one of 7e99aa7f"):
        unpack(bytes(data), _design())
