"""PyTorch modules: the ways users write models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from design.counts import count
from design.layer import Op
from networks.tracing.errors import InvalidModel, UnsupportedModel
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from tests.networks.tracing.exports import exported, steps
from tests.networks.tracing.known_networks import Encoder, Residual, Squeeze, VisionTransformer, conv


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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


class Refused(nn.Module):
    """Operators that are not known, one that is but cannot be read as it is used, and what hangs on them."""

    def forward(self, x: Tensor) -> Tensor:
        values, places = x.topk(2, 1)
        pooled = functional.adaptive_avg_pool2d(x, 3)
        return values.relu().sum() + places.sum() + pooled.cumsum(1).sum()


def test_every_operator_of_a_module_that_cannot_be_read_is_named_at_once() -> None:
    with pytest.raises(UnsupportedModel, match="3 that are not") as found:
        trace_module(Refused(), (4, 8, 8))
    assert [one.partition(" (")[0] for one in found.value.operators] == ["topk", "adaptive_avg_pool2d", "cumsum"]


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


class Gated(nn.Module):
    """Squeeze and excite as in the first implementations: the gate is repeated before it is multiplied."""

    def __init__(self, *, repeats: bool) -> None:
        super().__init__()
        self.stem, self.gate, self.repeats = conv(3, 16, 3), nn.Linear(16, 16), repeats

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = functional.hardsigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        gated: Tensor = x * (gate.expand_as(x) if self.repeats else gate)
        return gated


def test_a_gate_that_is_repeated_before_the_product_is_a_gate() -> None:
    plain = trace_module(Gated(repeats=False), (3, 16, 16))
    repeated = Gated(repeats=True)
    traced = trace_module(repeated, (3, 16, 16))
    assert steps(traced) == steps(plain)
    assert [layer.op for layer in traced.architecture.layers] == [Op.CONV, Op.POOL_AVERAGE, Op.FC, Op.MULTIPLY]
    assert steps(trace_onnx(exported(repeated, side=16, dynamo=False))) == steps(plain)


class Between(nn.Module):
    """Something between two convolutions."""

    def __init__(self, within: nn.Module, wrote: int = 8) -> None:
        super().__init__()
        self.stem, self.within, self.head = nn.Conv2d(3, 8, 3), within, nn.Conv2d(wrote, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.within(functional.relu(self.stem(x))))
        return y


@pytest.mark.parametrize(
    "norm", [nn.LocalResponseNorm(5), nn.LocalResponseNorm(2, 1e-3, 0.5, 2.0)], ids=["odd", "even"]
)
def test_a_local_response_norm_is_one_layer(norm: nn.Module) -> None:
    traced = trace_module(Between(norm), (3, 16, 16))
    assert [layer.op for layer in traced.architecture.layers] == [Op.CONV, Op.OTHER, Op.CONV]
    assert (traced.architecture.layers[1].out_shape, traced.notes) == ((8, 14, 14), ())


class Volume(nn.Module):
    """A mean over three dimensions that is no local response norm."""

    def forward(self, x: Tensor) -> Tensor:
        return x / functional.avg_pool3d(x[:, None], 3, 1, 1)[:, 0]


def test_pools_over_three_dimensions_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="one picture of one or two spatial dimensions"):
        trace_module(Volume(), (3, 8, 8))


class Unit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x, dim=1)


@pytest.mark.parametrize(("within", "wrote"), [(nn.GLU(1), 4), (Unit(), 8)], ids=["glu", "normalize"])
def test_functions_of_several_operators(within: nn.Module, wrote: int) -> None:
    """A gated linear unit; features of length 1."""
    module = Between(within, wrote)
    traced = trace_module(module, (3, 16, 16))
    other = trace_onnx(exported(module, side=16, dynamo=False))
    assert sorted(steps(traced), key=str) == sorted(steps(other), key=str)
    assert traced.architecture.layers[-1].in_shape == (wrote, 14, 14)


class Tied(nn.Module):
    """One head for two maps, and one projection for tokens twice."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.project = nn.Conv2d(3, 4, 1), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.head(x).flatten(2), self.head(functional.max_pool2d(x, 2)).flatten(2)], 2)
        y: Tensor = self.project(self.project(x.transpose(1, 2)).relu())
        return y


def test_weights_of_several_layers_are_noted() -> None:
    traced = trace_module(Tied(), (3, 8, 8))
    assert traced.notes == (
        "head, head.2: their weights are the same, and counted for each",
        "project.weight, project.2.weight: their weights are the same, and counted for each",
    )
    (note,) = trace_onnx(exported(Tied(), side=8, dynamo=False)).notes[:1]
    assert note.endswith("their weights are the same, and counted for each")
