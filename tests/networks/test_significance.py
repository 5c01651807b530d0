"""Principal components streamed equal those of numpy; the rule picks what the published curves say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from design.errors import UnknownName
from design.precision import BINARY, FULL, PrecisionPolicy, precision
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.covariance import Covariance, components_below
from networks.quantize import quantize_
from networks.significance import (
    Rule,
    SignificanceOptions,
    body_convolutions,
    hybrid_policy,
    judge,
    principal_variances,
    significance,
)

PUBLISHED = {
    0.99: [14, 14, 14, 13, 13, 13, 23, 26, 27, 25, 25, 23, 41, 50, 51, 51, 52, 50],
    0.999: [15, 15, 15, 15, 15, 15, 30, 31, 31, 30, 31, 30, 59, 62, 62, 62, 62, 62],
}
"""Components of ResNet-20's conv2 ... conv19, counted from the curves released with arXiv 1906.01493."""
CHANNELS = [16] * 6 + [32] * 6 + [64] * 6
CONVOLUTIONS = [f"conv{number}" for number in range(2, 20)]
RESNET = find_network("resnet20").design(find_task("cifar10")).architecture


def test_streamed_covariance_is_that_of_numpy() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(5000, 6)) @ random.normal(size=(6, 6)) + 1000 * random.normal(size=6)
    streamed = Covariance(6)
    for piece in np.split(rows, [0, 1, 7, 500, 4999]):
        streamed.add(torch.from_numpy(piece))
    assert streamed.rows == 5000
    np.testing.assert_allclose(streamed.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(streamed.matrix, np.cov(rows, rowvar=False, bias=True), rtol=1e-9, atol=1e-12)
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(streamed.variances(), singular**2 / 5000, rtol=1e-9)


def test_components_are_counted_below_the_share() -> None:
    assert components_below(np.array([90.0, 9.0, 0.5, 0.5]), 0.99) == 1
    assert components_below(np.array([90.0, 8.9, 0.6, 0.5]), 0.99) == 2
    assert components_below(np.ones(10), 0.95) == 9
    assert components_below(np.zeros(4), 0.99) == 0


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.99, {"conv8": 10, "conv9": 3, "conv14": 18, "conv15": 9}), (0.999, {"conv8": 15, "conv14": 29, "conv15": 3})],
)
def test_the_rule_on_the_published_curves(share: float, expected: dict[str, int]) -> None:
    found = judge(PUBLISHED[share], CHANNELS, CONVOLUTIONS, SignificanceOptions(share=share))
    assert found.significant == tuple(expected)
    gains = {layer.name: layer.gain for layer in found.layers if layer.significant}
    assert gains == expected
    assert found.layers[0].gain is None
    assert "26 components after 23: +3 >= 2" in found.layers[7].reason or share == 0.999


def test_widening_alone_does_not_count_when_normalised() -> None:
    found = judge(PUBLISHED[0.99], CHANNELS, CONVOLUTIONS, SignificanceOptions(rule=Rule.NORMALISED))
    assert found.significant == ("conv9", "conv15")
    assert found.layers[6].gain == 23 - 13 * 2
    doubled = judge([10, 20, 40], [16, 32, 64], ["a", "b", "c"], SignificanceOptions(rule=Rule.NORMALISED))
    assert doubled.significant == ()


class LowRank(nn.Module):
    """Two convolutions whose outputs have two and five independent channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        self.head = nn.Linear(12, 2)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            draw = torch.randn(8, 2, generator=generator) @ torch.randn(2, 3, generator=generator)
            self.first.weight.copy_(draw[:, :, None, None])
            wide = torch.randn(12, 5, generator=generator) @ torch.randn(5, 72, generator=generator)
            self.second.weight.copy_(wide.reshape(12, 8, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.second(torch.relu(self.norm(self.first(x)))).mean(dim=(2, 3)))
        return y


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(number, 3, 6, 6, generator=generator) for number in (5, 1, 8)]


def test_any_module_with_named_convolutions() -> None:
    module = LowRank().train()
    variances = principal_variances(module, ["first", "second"], pictures())
    assert [int((own > 1e-9 * own.max()).sum()) for own in variances.values()] == [2, 5]
    assert module.training
    assert module.norm.num_batches_tracked == 0
    module.eval()
    with torch.no_grad():
        whole = torch.cat(pictures())
        outputs = module.first(whole).movedim(1, -1).reshape(-1, 8).double().numpy()
    expected = np.linalg.eigvalsh(np.cov(outputs, rowvar=False, bias=True))[::-1]
    np.testing.assert_allclose(variances["first"], expected, atol=1e-9 * expected[0])
    found = significance(module, ["first", "second"], pictures(), SignificanceOptions(share=0.9999999))
    assert found.significant == ("second",)
    assert not module._forward_hooks
    assert not module.second._forward_hooks


class Embedded(nn.Module):
    """A linear layer on tokens whose features, not its positions, are of low rank."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.narrow, self.wide = nn.Linear(3, 2, bias=False), nn.Linear(2, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.wide(self.narrow(x.flatten(2).transpose(1, 2))).mean(1)
        return found


def test_features_of_tokens_are_on_the_last_axis() -> None:
    module = Embedded()
    found = principal_variances(module, ["wide"], pictures())["wide"]
    assert len(found) == 8
    assert int((found > 1e-9 * found.max()).sum()) == 2
    quantize_(module, PrecisionPolicy(layers={"wide": FULL}))
    np.testing.assert_array_equal(principal_variances(module, ["wide"], pictures())["wide"], found)


def test_layers_of_a_built_network_are_looked_at_before_their_norm() -> None:
    network = build(find_network("resnet20").design(find_task("digits")))
    names = ["stage1.block1.conv1", "stage3.block3.conv2"]
    grey = [torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))]
    by_layer = principal_variances(network, names, grey)
    by_operation = principal_variances(network, [f"{name}.operation" for name in names], grey)
    for one, other in zip(by_layer.values(), by_operation.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_names_that_the_module_does_not_have() -> None:
    module = LowRank()
    with pytest.raises(UnknownName, match="third"):
        principal_variances(module, ["first", "third"], pictures())
    with pytest.raises(UnknownName, match="nothing from first"):
        principal_variances(module, ["first"], [])
    assert not module.first._forward_hooks


def test_the_policy_of_the_paper() -> None:
    names = body_convolutions(RESNET)
    assert len(names) == 18
    chosen = judge(PUBLISHED[0.99], CHANNELS, names, SignificanceOptions()).significant
    assert chosen == tuple(f"stage{stage}.block1.conv{number}" for stage in (2, 3) for number in (1, 2))
    policy = hybrid_policy(RESNET, chosen, 2)
    two = {name for name, own in policy.layers.items() if own == precision(2)}
    assert two == {*chosen, "stage2.block1.shortcut", "stage3.block1.shortcut"}
    assert {name for name, own in policy.layers.items() if own == FULL} == {"stem.conv", "head.fc"}
    assert sum(own == BINARY for own in policy.layers.values()) == 14
    with pytest.raises(UnknownName, match="stem"):
        hybrid_policy(RESNET, ["stem"])
