"""Significance of traced networks: layers of any name, and branches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from design.architecture import Architecture
from design.design import Design
from design.policies import policy_by_role
from design.precision import BINARY
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.network import Network
from networks.plain import without_shortcuts
from networks.significance import (
    Rule,
    SignificanceOptions,
    body_convolutions,
    judge,
    layers_before,
    significance,
)
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from tests.networks.tracing.small_models import content, floats, node

RESNET = find_network("resnet20").design(find_task("cifar10")).architecture
COMPONENTS = [14, 14, 14, 13, 13, 13, 23, 26, 27, 25, 25, 23, 41, 50, 51, 51, 52, 50]
CHANNELS = [16] * 6 + [32] * 6 + [64] * 6


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(number, 3, 6, 6, generator=generator) for number in (5, 1, 8)]


class Awkward(nn.Module):
    """Layers called as attributes of a built network are."""

    def __init__(self) -> None:
        super().__init__()
        self.path = nn.Conv2d(3, 6, 3, padding=1)
        self.unit = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1))
        self.policy = nn.Conv2d(8, 8, 3, padding=1)
        self.options = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.options(self.policy(self.unit(torch.relu(self.path(x))).relu()).mean(dim=(2, 3)))
        return y


def awkward_onnx() -> bytes:
    nodes = [
        node("Conv", "x units.weight", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b train.weight", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "d"),
        node("Conv", "d architecture.weight", "e", pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "e", "f"),
        node("Flatten", "f", "g"),
        node("Gemm", "g forward.weight", "y"),
    ]
    weights = {"units": (6, 3, 3, 3), "train": (6, 6, 3, 3), "architecture": (8, 6, 3, 3), "forward": (8, 4)}
    return content(nodes, {f"{name}.weight": floats(*shape) for name, shape in weights.items()}, shape=(1, 3, 6, 6))


def plain_network(architecture: Architecture) -> Network:
    """The binary network without shortcuts."""
    plain = without_shortcuts(architecture)
    return build(Design(architecture=plain, policy=policy_by_role(plain, body=BINARY)))


@pytest.mark.parametrize(
    ("source", "expected"), [("module", ("unit.0", "unit.2", "policy")), ("onnx", ("train", "architecture"))]
)
def test_traced_layers_are_found_by_their_names_whatever_those_are(source: str, expected: tuple[str, ...]) -> None:
    traced = trace_module(Awkward(), (3, 6, 6)) if source == "module" else trace_onnx(awkward_onnx())
    names = body_convolutions(traced.architecture)
    assert names == expected
    network = plain_network(traced.architecture)
    found = significance(network, names, pictures())
    assert tuple(layer.name for layer in found.layers) == names
    by_path = significance(network, [network.path(name) for name in names], pictures())
    assert [layer.gain for layer in by_path.layers] == [layer.gain for layer in found.layers]
    assert by_path.layers[0].name != names[0]  # the module has another name


class Branched(nn.Module):
    """Two branches, of three and of two convolutions, that are added or concatenated."""

    def __init__(self, *, added: bool) -> None:
        super().__init__()
        self.added = added
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.a1, self.a2, self.a3, self.b1, self.b2 = (nn.Conv2d(6, 6, 3, padding=1) for _ in range(5))
        self.last = nn.Conv2d(6 if added else 12, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        a = torch.relu(self.a3(torch.relu(self.a2(torch.relu(self.a1(x))))))
        b = torch.relu(self.b2(torch.relu(self.b1(x))))
        y: Tensor = self.head(torch.relu(self.last(a + b if self.added else torch.cat([a, b], 1))).mean(dim=(2, 3)))
        return y


def test_every_layer_of_the_plain_form_is_trained() -> None:
    network = plain_network(trace_module(Branched(added=True), (3, 6, 6)).architecture)
    assert body_convolutions(network.architecture) == ("a1", "a2", "a3", "last")
    network(pictures()[0]).square().sum().backward()
    assert [name for name, own in network.named_parameters() if own.grad is None] == []


def test_branches_are_compared_with_what_they_read() -> None:
    architecture = trace_module(Branched(added=False), (3, 6, 6)).architecture
    names = body_convolutions(architecture)
    assert names == ("a1", "a2", "a3", "b1", "b2", "last")
    before = layers_before(architecture, names)
    assert before == {"a1": None, "a2": "a1", "a3": "a2", "b1": None, "b2": "b1", "last": "b2"}
    found = judge([3, 4, 6, 3, 4, 4], [6] * 6, names, SignificanceOptions(), before)
    assert [layer.gain for layer in found.layers] == [None, 1, 2, None, 1, 0]
    assert found.layers[3].reason == "first of its branch: nothing to compare with"
    network = build(Design(architecture=architecture, policy=policy_by_role(architecture)))
    looked_at = significance(network, names, pictures()).layers
    assert [layer.name for layer in looked_at if layer.gain is None] == ["a1", "b1"]
    ends = judge([3, 5], [6, 6], ["a1", "last"], SignificanceOptions(), layers_before(architecture, ["a1", "last"]))
    assert ends.significant == ("last",)


@pytest.mark.parametrize("architecture", [RESNET, without_shortcuts(RESNET)])
def test_residual_networks_are_compared_along_their_main_path(architecture: Architecture) -> None:
    names = body_convolutions(architecture)
    before = layers_before(architecture, names)
    assert list(before.items()) == list(zip(names, (None, *names[:-1]), strict=True))
    options = SignificanceOptions(rule=Rule.NORMALISED)
    assert judge(COMPONENTS, CHANNELS, names, options, before) == judge(COMPONENTS, CHANNELS, names, options)
