"""Pads say of every channel where it comes from, and keep that in state dictionaries and exported files."""

from __future__ import annotations

import onnx
import pytest
import torch

from design.architecture import Architecture
from design.design import Design
from design.layer import Layer, Op
from design.layers import elementwise
from design.policies import full_precision
from networks.build import build
from networks.errors import InvalidSelection
from networks.export.onnx_model import export_onnx
from networks.network import Network
from networks.pad import Pad
from networks.runtime.session import logits, open_session


def _network(read: int, channels: int) -> tuple[Network, Pad]:
    pad = Layer(
        name="pad",
        op=Op.PAD,
        inputs=("input",),
        in_channels=read,
        in_height=5,
        in_width=5,
        out_channels=channels,
        out_height=3,
        out_width=3,
        stride=2,
    )
    layers = (pad, elementwise("twice", ("pad", "pad"), pad.out_shape))
    architecture = Architecture(name="pad", input_shape=(read, 5, 5), layers=layers)
    network = build(Design(architecture=architecture, policy=full_precision(architecture))).eval()
    operation = network.unit("pad").operation
    assert isinstance(operation, Pad)
    return network, operation


@pytest.mark.parametrize(
    ("read", "sources", "operators"),
    [
        (3, (0, 1, 2, -1, -1), ["Slice", "Pad"]),
        (3, (-1, 0, 1, 2, -1), ["Slice", "Pad"]),
        (4, (1, 2), ["Slice", "Pad"]),
        (4, (3, -1, 0, 2), ["Slice", "Pad", "Gather"]),
        (4, (-1, -1), ["Slice", "Pad", "Gather"]),
    ],
)
def test_channels_stand_where_they_are_said_to(read: int, sources: tuple[int, ...], operators: list[str]) -> None:
    network, pad = _network(read, len(sources))
    pad.set_sources(sources)
    assert pad.channel_sources == sources
    x = torch.randn(2, read, 5, 5)
    wanted = torch.zeros(2, len(sources), 3, 3)
    for place, source in enumerate(sources):
        if source >= 0:
            wanted[:, place] = x[:, source, ::2, ::2]
    assert torch.equal(pad(x), wanted)
    exported = export_onnx(network)
    onnx.checker.check_model(exported.model, full_check=True)
    assert [node.op_type for node in exported.model.graph.node if node.op_type not in ("Add", "Identity")] == operators
    assert (logits(open_session(exported.content), x.numpy()) == 2 * wanted.numpy()).all()


def test_the_state_dictionary_has_sources_only_where_they_are_not_the_usual_ones() -> None:
    network, pad = _network(3, 5)
    usual = network.state_dict()
    assert not usual
    pad.set_sources((-1, 0, 1, 2, -1))
    own = network.state_dict()
    again, other = _network(3, 5)
    again.load_state_dict(own)
    assert other.channel_sources == (-1, 0, 1, 2, -1)
    again.load_state_dict(usual)
    assert other.channel_sources == (0, 1, 2, -1, -1)
    pad.set_sources((0, 1, 2, -1, -1))
    assert not network.state_dict()


def test_sources_that_are_not_there_are_refused() -> None:
    network, pad = _network(3, 5)
    with pytest.raises(InvalidSelection, match="one of 3 channels, or -1, for each of its 5"):
        pad.set_sources((0, 1, 2))
    with pytest.raises(InvalidSelection, match="one of 3 channels"):
        pad.set_sources((0, 1, 2, 3, -1))
    with pytest.raises(RuntimeError, match="one of 3 channels"):
        network.load_state_dict({"pad.operation.source": torch.tensor([0, 1, 2, 3, 4])})
