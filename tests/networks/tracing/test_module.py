"""PyTorch modules: networks of the literature against their published layers, and the ways users write models."""

from __future__ import annotations

import csv
import gzip
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from design.counts import count
from design.layer import Activation, Op, Role
from networks.tracing.errors import InvalidModel, UnsupportedModel
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from networks.tracing.trace import Traced
from tests.networks.tracing.known_networks import NETWORKS, Encoder, Residual, Squeeze, VisionTransformer, conv

WEIGHTED = ("conv", "dwconv", "groupconv", "fc", "attention", "deconv")
Sizes = list[tuple[int, ...]]
MACS = {"resnet50": 3_857_973_248, "shufflenet_v2": 144_907_992, "vision_transformer": 13_043_564_544}
"""Published totals (millions: 3,858, 145, 13,044)."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sizes(traced: Traced) -> Sizes:
    """MACs, parameters with a bias each, and output shape of every layer with weights, sorted."""
    found = []
    for layer in traced.architecture.weighted:
        biases = layer.biases or (layer.out_channels if layer.batch_norm else 0)
        found.append((layer.macs, layer.weights + biases, *layer.out_shape))
    return sorted(found)


def published(name: str) -> Sizes:
    folder = os.environ.get("BESPOKE_TEST_DATA")
    if not folder:
        pytest.skip("BESPOKE_TEST_DATA does not name the folder of measurement tables")
    with gzip.open(Path(folder) / "ncnn_network_layers.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["network"] == name and row["op"] in WEIGHTED]
    return sorted(tuple(int(row[key]) for key in ("macs", "params", "out_c", "out_h", "out_w")) for row in rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_of_known_networks_are_as_published(name: str) -> None:
    wanted = published(name)
    make, side = NETWORKS[name]
    with torch.device("meta"):
        module = make()
    traced = trace_module(module, (3, side, side), name=name)
    assert sizes(traced) == wanted
    counts = count(traced.design)
    assert counts.parameters == sum(one.numel() for one in module.parameters())
    assert counts.macs == MACS.get(name, sum(row[0] for row in wanted))
    assert traced.notes == ()
    roles = [layer.role for layer in traced.architecture.weighted]
    assert (roles[0], roles[-1]) == (Role.STEM, Role.CLASSIFIER)
    assert len(traced.architecture.shortcuts) == (4 if name.startswith("resnet") else 0)


class Mixed(nn.Module):
    """A little of everything, with a batch of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3, 2, act=nn.Hardswish())
        self.gate = Squeeze(16, 4)
        self.block = Residual(nn.Sequential(conv(16, 32, 3, 2, act=nn.ReLU()), conv(32, 32, 3)), conv(16, 32, 1, 2))
        self.up = nn.ConvTranspose2d(32, 64, 2, 2)
        self.encoder = Encoder(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.block(self.gate(self.stem(x))))
        tokens = self.encoder(x.flatten(2).transpose(1, 2))
        return functional.softmax(self.head(tokens.mean(1)), -1)


def exported(module: nn.Module, *, optimize: bool = True, dynamo: bool = True) -> bytes:
    picture = torch.zeros(1, 3, 32, 32)
    if dynamo:
        program = torch.onnx.export(module.eval(), (picture,), dynamo=True, optimize=optimize, verbose=False)
        assert program is not None
        return bytes(program.model_proto.SerializeToString())
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        torch.onnx.export(module.eval(), (picture,), file.name, dynamo=False, opset_version=17)
        return Path(file.name).read_bytes()


def steps(traced: Traced) -> list[tuple[Op, tuple[int, int, int], Activation, Role, int, int]]:
    return [
        (one.op, one.out_shape, one.activation, one.role, one.macs, one.weights) for one in traced.architecture.layers
    ]


@pytest.fixture(scope="module")
def mixed() -> Mixed:
    torch.manual_seed(0)
    return Mixed()


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_module_and_its_onnx_export_are_the_same(mixed: Mixed, dynamo: bool) -> None:
    own = trace_module(mixed, (3, 32, 32))
    other = trace_onnx(exported(mixed, dynamo=dynamo))
    assert steps(other) == steps(own)
    assert Op.ATTENTION in [layer.op for layer in own.architecture.layers]
    assert [layer.name for layer in other.architecture.weighted][-1] == "head"
    assert own.architecture.layer("encoder.attention").heads == 1
    assert len(own.architecture.shortcuts) == 1


def test_tracing_leaves_the_module_as_it_was(mixed: Mixed) -> None:
    mixed.train()
    before = {name: one.clone() for name, one in mixed.state_dict().items()}
    trace_module(mixed, (3, 32, 32))
    assert all(one.training for one in mixed.modules())
    assert all(torch.equal(one, before[name]) for name, one in mixed.state_dict().items())
    assert count(trace_module(mixed, (3, 32, 32)).design).parameters == sum(p.numel() for p in mixed.parameters())


class Fused(nn.Module):
    """Attention from one projection, as vision transformers are often written."""

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(32, 96, bias=False), nn.Linear(32, 32), heads

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, features = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q @ k.transpose(-2, -1)) * (features // self.heads) ** -0.5).softmax(-1)
        mixed: Tensor = self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, features))
        return mixed


def test_attention_of_one_projection_written_out() -> None:
    (layer,) = trace_module(Fused(), (7, 32)).architecture.layers
    assert (layer.op, layer.heads, layer.in_shape, layer.bias) == (Op.ATTENTION, 4, (32, 7, 1), False)
    assert layer.parameters == 4 * 32 * 32 + 32
    assert layer.macs == 7 * 4 * 32 * 32 + 2 * 7 * 7 * 32


class Cross(nn.Module):
    """Keys and values of fewer tokens: not what an attention layer counts."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(32, 32) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        few = x[:, :3]
        q, k, v = (
            one(y).unflatten(-1, (4, 8)).transpose(1, 2) for one, y in ((self.q, x), (self.k, few), (self.v, few))
        )
        mixed: Tensor = functional.scaled_dot_product_attention(q, k, v)
        return torch.flatten(mixed.transpose(1, 2), 2)


def test_other_attention_is_priced_by_its_parts() -> None:
    layers = trace_module(Cross(), (7, 32)).architecture.layers
    products = [layer.macs for layer in layers if layer.op is Op.MATMUL]
    assert products == [4 * 7 * 8 * 3, 4 * 7 * 3 * 8]
    assert sum(layer.macs for layer in layers if layer.op is Op.FC) == (7 + 3 + 3) * 32 * 32


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Sorts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -torch.as_tensor(torch.linalg.inv(x.sort(-1).values))


@pytest.mark.parametrize(
    ("module", "kind", "told"),
    [
        (Branches(), InvalidModel, "conditions on values"),
        (Sorts(), UnsupportedModel, r"sort \(sort\).*linalg_inv"),
        (nn.Linear(5, 2), InvalidModel, "exportable"),
        (nn.Bilinear(4, 4, 2), InvalidModel, "exportable"),
    ],
    ids=["branches", "sorts", "shapes", "two-inputs"],
)
def test_modules_that_cannot_be_read(module: nn.Module, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        trace_module(module, (4, 4))


def test_a_small_vision_transformer_has_all_its_parameters() -> None:
    module = VisionTransformer(side=32, patch=16, features=64, depth=1)
    traced = trace_module(module, (3, 32, 32))
    assert count(traced.design).parameters == sum(one.numel() for one in module.parameters())
