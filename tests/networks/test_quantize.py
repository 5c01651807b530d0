"""Policies put on modules in place: users' own and built ones."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from design.design import Design
from design.policies import policy_by_role
from design.precision import BINARY, FULL, PrecisionPolicy, precision
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.errors import InvalidPolicy
from networks.layers import Quantized, QuantizedConv2d, QuantizedLinear
from networks.quantize import clip_latent_, quantize_
from networks.quantizers.binary import BinaryActivations
from networks.quantizers.options import QuantizerOptions, UniformQuantizer
from networks.tracing.module import trace_module


class _Own(nn.Module):
    """A user's network with nested, named and shared layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding="same", padding_mode="reflect"), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1, groups=2)
        )
        self.again = self.features[2]
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return found


def _policy(**layers: int) -> PrecisionPolicy:
    own = {name.replace("_", "."): precision(bits) for name, bits in layers.items()}  # type: ignore[arg-type]
    return PrecisionPolicy(layers=own)


def test_full_precision_changes_nothing() -> None:
    module, x = _Own(), torch.randn(2, 3, 8, 8)
    expected = module(x)
    quantize_(module, _policy(features_0=32, features_2=32, head=32))
    assert torch.equal(module(x), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_users_layers_are_replaced_wherever_they_stand_and_keep_their_parameters(bits: int) -> None:
    module = _Own()
    weights = dict(module.named_parameters())
    quantize_(module, _policy(features_2=bits, head=bits))
    assert type(module.features[0]) is nn.Conv2d
    assert isinstance(module.features[2], QuantizedConv2d)
    assert module.again is module.features[2]
    assert isinstance(module.head, QuantizedLinear)
    own = dict(module.named_parameters())
    assert all(own[name] is parameter for name, parameter in weights.items())
    module(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []
    if bits == 1:
        assert len(torch.unique(module.head.quantized_weight()[0].detach().abs())) == 1


class _Twice(nn.Module):
    """One convolution under two names of one parent."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.b = self.a

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.b(torch.relu(self.a(x)))
        return found


@pytest.mark.parametrize("names", ["a", "b", "ab", "ba"])
def test_a_layer_under_two_names_of_one_parent_is_one_quantized_layer(names: str) -> None:
    module = _Twice()
    weight = module.a.weight
    quantize_(module, _policy(**dict.fromkeys(names, 2)))
    assert isinstance(module.a, QuantizedConv2d)
    assert module.b is module.a
    assert module.a.weight is weight
    assert module.a.precision == precision(2)


def test_a_layer_under_two_names_has_one_precision() -> None:
    module = _Twice()
    with pytest.raises(InvalidPolicy, match=r"one precision.*W4A4 of 'b', and W2A2"):
        quantize_(module, _policy(a=2, b=4))
    assert type(module.a) is nn.Conv2d


@pytest.mark.parametrize("uniform", UniformQuantizer)
def test_levels_behind_a_relu_are_those_of_values_that_are_never_negative(uniform: UniformQuantizer) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    quantize_(module, _policy(**{"0": 2, "2": 2}), options=QuantizerOptions(uniform=uniform))
    read: dict[int, torch.Tensor] = {}
    for place in (0, 2):
        quantizer = module[place].activation_quantizer
        assert isinstance(quantizer, nn.Module)
        quantizer.register_forward_hook(lambda _m, _i, output, place=place: read.update({place: output.detach()}))
    module(torch.randn(8, 3, 4, 4))
    assert float(read[0].min()) < 0
    assert float(read[2].min()) == 0


def test_eight_bits_are_close_to_full_precision() -> None:
    module, x = _Own().eval(), torch.randn(16, 3, 8, 8)
    expected = module(x).detach()
    quantize_(module, _policy(features_0=8, features_2=8, head=8))
    found = module(x).detach()
    assert float((found - expected).abs().max()) < 0.05 * float(expected.std()) + 0.02


def test_quantizing_twice_is_quantizing_once() -> None:
    module, policy = _Own(), _policy(features_0=4, features_2=2, head=8)
    quantize_(module, policy)
    x = torch.randn(2, 3, 8, 8)
    expected = module(x)
    quantizer = module.features[2].activation_quantizer
    quantize_(module, policy)
    assert module.features[2].activation_quantizer is quantizer
    assert torch.equal(module(x), expected)
    quantize_(module, _policy(features_2=4))
    assert module.features[2].activation_quantizer is not quantizer
    assert module.head.precision == precision(8)


@pytest.mark.parametrize("name", ["nothing", "features", "features.1", ""])
def test_names_that_are_no_layers_are_refused_and_nothing_changes(name: str) -> None:
    module = _Own()
    policy = PrecisionPolicy(layers={"head": precision(1), name: precision(1)})
    with pytest.raises(InvalidPolicy, match=r"nn.Conv2d and nn.Linear.*'features.0'"):
        quantize_(module, policy)
    assert type(module.head) is nn.Linear


def test_sums_of_users_modules_cannot_be_quantized() -> None:
    with pytest.raises(InvalidPolicy, match="residual_bits must be 32"):
        quantize_(_Own(), PrecisionPolicy(layers={}, residual_bits=8))


def test_binary_layers_of_users_modules_see_more_than_ones_behind_a_relu() -> None:
    module = _Own()
    quantize_(module, _policy(features_2=1))
    read: list[torch.Tensor] = []
    quantizer = module.again.activation_quantizer
    assert isinstance(quantizer, nn.Module)
    quantizer.register_forward_hook(lambda _m, _i, output: read.append(output.detach()))
    module(torch.randn(8, 3, 8, 8))
    assert 0.1 < float((read[0] < 0).float().mean()) < 0.9


def test_a_built_network_takes_another_policy_as_if_built_with_it() -> None:
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    first = policy_by_role(architecture)
    second = policy_by_role(architecture, body=BINARY, shortcut=FULL, residual_bits=8)
    network = build(Design(architecture=architecture, policy=first), seed=2)
    expected = build(Design(architecture=architecture, policy=second), seed=2)
    quantize_(network, second)
    x = torch.randn(4, 1, 8, 8)
    assert torch.equal(network(x), expected(x))
    assert {name for name, _ in network.named_parameters()} == {name for name, _ in expected.named_parameters()}
    before = copy.deepcopy(network.state_dict())
    quantize_(network, second)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    quantize_(network, first)
    back = build(Design(architecture=architecture, policy=first), seed=2)
    assert network.state_dict().keys() == back.state_dict().keys()


def test_a_built_network_refuses_a_policy_of_other_layers() -> None:
    design = find_network("resnet20").design(find_task("digits"))
    network = build(design)
    with pytest.raises(InvalidPolicy, match="exactly its layers"):
        quantize_(network, PrecisionPolicy(layers={"stem.conv": precision(8)}))


def test_latent_weights_of_binary_layers_alone_are_clipped() -> None:
    module = _Own()
    quantize_(module, _policy(features_2=1, head=4))
    names = ("features.0.weight", "features.2.weight", "head.weight")
    for name in names:
        nn.init.constant_(module.get_parameter(name), 3)
    clip_latent_(module)
    assert [float(module.get_parameter(name).detach().max()) for name in names] == [3, 1, 3]


class _Tokens(nn.Module):
    """Linear layers on tokens, and a transformer layer that has a fused kernel of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.block(torch.relu(self.first(torch.relu(x)))).mean(1))
        return found


@pytest.mark.parametrize("number", [1, 7, 12])
def test_binary_linear_layers_have_a_shift_for_each_feature_of_tokens(number: int) -> None:
    module = _Tokens()
    quantize_(module, _policy(first=1))
    x = torch.randn(3, number, 12, generator=torch.Generator().manual_seed(0))
    module(x)
    quantizer = module.first.activation_quantizer
    assert isinstance(quantizer, BinaryActivations)
    assert quantizer.shift is not None
    mean = torch.relu(x).mean((0, 1))
    torch.testing.assert_close(quantizer.shift.detach(), mean)
    signs = torch.where(torch.relu(x) - quantizer.shift.detach() >= 0, 1.0, -1.0)
    assert torch.equal(quantizer(torch.relu(x)), signs)
    assert torch.equal(quantizer(torch.relu(x[0, 0])), signs[0, 0])


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_transformer_layers_compute_quantized_in_evaluation_too(bits: int) -> None:
    module, x = _Tokens(), torch.randn(3, 7, 12, generator=torch.Generator().manual_seed(0))
    quantize_(module, _policy(block_linear1=bits, block_linear2=bits))
    trained = module(x).detach()
    module.eval()
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            torch.testing.assert_close(module(x), trained)


def test_single_pictures_are_read_as_by_the_plain_layer() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.Conv2d(4, 2, 3))
    whole = copy.deepcopy(module)
    quantize_(module, PrecisionPolicy(layers={"0": precision(32), "1": precision(1)}))
    x = torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module[0](x), whole[0](x))
    torch.testing.assert_close(module(x), module(x[None])[0])


def test_the_policy_of_a_traced_module_names_its_layers() -> None:
    features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1, groups=2))
    module = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    policy = policy_by_role(trace_module(module, (3, 8, 8)).design.architecture, body=BINARY)
    quantize_(module, policy)
    assert [name for name, part in module.named_modules() if isinstance(part, Quantized)] == list(policy.layers)
    body = features[2]
    assert isinstance(body, QuantizedConv2d)
    assert body.precision == BINARY
    module(torch.randn(2, 3, 8, 8))


def _pruned(layer: nn.Module) -> nn.Module:
    prune.l1_unstructured(layer, "weight", 0.5)  # type: ignore[no-untyped-call]
    return layer


@pytest.mark.parametrize("wrap", [_pruned, nn.utils.spectral_norm])
def test_weights_that_are_computed_anew_each_time_are_refused(wrap: Callable[[nn.Module], nn.Module]) -> None:
    module = nn.Sequential(wrap(nn.Conv2d(3, 4, 3)))
    with pytest.raises(InvalidPolicy, match="must have its weight as a parameter"):
        quantize_(module, _policy(**{"0": 2}))
    assert type(module[0]) is nn.Conv2d


def test_biases_that_are_computed_anew_each_time_are_refused() -> None:
    module = nn.Sequential(nn.Linear(6, 4))
    prune.l1_unstructured(module[0], "bias", 0.5)  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidPolicy, match="must have its bias as a parameter"):
        quantize_(module, _policy(**{"0": 2}))
    assert type(module[0]) is nn.Linear


def test_hooks_on_layers_go_on_being_called_and_can_be_removed() -> None:
    module, seen = _Own(), list[str]()
    first = module.features[0]
    assert isinstance(first, nn.Conv2d)
    handles = [
        first.register_forward_pre_hook(lambda layer, given: seen.append("before")),
        first.register_forward_hook(lambda layer, given, found, **named: seen.append("after"), with_kwargs=False),
        first.register_full_backward_hook(lambda layer, given, found: seen.append("back")),
    ]
    quantize_(module, PrecisionPolicy(layers={"features.0": precision(4)}))
    assert isinstance(module.features[0], QuantizedConv2d)
    module(torch.rand(2, 3, 8, 8).requires_grad_()).sum().backward()
    assert seen == ["before", "after", "back"]
    for handle in handles:
        handle.remove()
    module(torch.rand(2, 3, 8, 8).requires_grad_()).sum().backward()
    assert seen == ["before", "after", "back"]
