"""Sensitivities streamed over batches are the largest shares; layers that read a stream share its channels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from design.architecture import INPUT, Architecture
from design.design import Design
from design.errors import UnknownName
from design.layer import Activation, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY
from networks.build import build
from networks.network import Network
from networks.pruning.families import families
from networks.pruning.sensitivity import sensitivities, shares_by_picture
from networks.pruning.shares import shares


def architecture() -> Architecture:
    """A residual block between two convolutions."""
    shape = (3, 6, 6)
    first = conv("first", INPUT, shape, 6, activation=Activation.RELU, role=Role.STEM)
    inner = conv("inner", "first", first.out_shape, 5, activation=Activation.RELU)
    outer = conv("outer", "inner", inner.out_shape, 6)
    total = elementwise("sum", ("outer", "first"), outer.out_shape, activation=Activation.RELU)
    last = conv("last", "sum", total.out_shape, 4, stride=2, activation=Activation.RELU)
    pool = global_pool("pool", "last", last.out_shape)
    fc = fully_connected("fc", "pool", 4, 3, role=Role.CLASSIFIER)
    return Architecture(name="block", input_shape=shape, layers=(first, inner, outer, total, last, pool, fc))


def network(*, binary: bool = False) -> Network:
    own = architecture()
    policy = policy_by_role(own, body=BINARY) if binary else full_precision(own)
    module = build(Design(architecture=own, policy=policy), seed=1)
    module(torch.randn(8, 3, 6, 6))
    return module.eval()


def batches(*sizes: int) -> Iterator[Tensor]:
    images = torch.randn(sum(sizes), 3, 6, 6, generator=torch.Generator().manual_seed(3))
    return iter(torch.split(images, list(sizes)))


@pytest.mark.parametrize("binary", [False, True])
def test_streaming_is_one_batch(binary: bool) -> None:
    module, found = network(binary=binary), families(architecture())
    one, several = (sensitivities(module, found, batches(*sizes)) for sizes in ((7,), (1, 4, 2)))
    assert one.pictures == several.pictures == 7
    by_picture = shares_by_picture(module, found, batches(3, 4))
    for name in found.readers:
        np.testing.assert_allclose(one.layers[name][0], several.layers[name][0], atol=2e-6)
        np.testing.assert_allclose(one.layers[name][0], by_picture[name][0].max(0), atol=2e-6)
        assert by_picture[name][0].shape[0] == 7
    assert set(one.layers) == {"inner", "outer", "last", "fc"}


def test_a_family_has_the_largest_sensitivity_of_what_reads_it() -> None:
    module, found = network(), families(architecture())
    seen = sensitivities(module, found, batches(5))
    stream = next(family for family in found.families if family.name == "first")
    assert found.read_by(stream) == ("inner", "last")
    wanted = np.maximum(seen.layers["inner"][0], seen.layers["last"][0])
    np.testing.assert_array_equal(seen.of(stream, found), wanted)


def test_single_weights_are_never_more_sensitive() -> None:
    module, found = network(), families(architecture())
    kernel, single = (sensitivities(module, found, batches(5), per_weight=own) for own in (False, True))
    for name, own in kernel.layers.items():
        assert (single.layers[name][0] <= own[0] + 1e-6).all()
    assert (single.layers["inner"][0] < kernel.layers["inner"][0] - 1e-3).any()
    np.testing.assert_allclose(single.layers["fc"][0], kernel.layers["fc"][0])


def test_mode_weights_and_hooks_are_left_as_they_were() -> None:
    module, found = network().train(), families(architecture())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    sensitivities(module, found, batches(2))
    assert module.training
    assert not any(part._forward_hooks for part in module.modules())
    torch.testing.assert_close(module.state_dict(), before)


def test_any_module_can_be_looked_at() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(self.first(x).relu())
            return out

    shape = (3, 6, 6)
    first = conv("first", INPUT, shape, 6, padding=0, activation=Activation.RELU)
    plain = Architecture(
        name="plain", input_shape=shape, layers=(first, conv("last", "first", first.out_shape, 2, padding=0))
    )
    module, found = Plain(), families(plain)
    seen = sensitivities(module, found, batches(4), parts={"last": module.last})
    whole = torch.cat(list(batches(4)))
    wanted = shares(module.last, module.first(whole).relu(), found.readers["last"])[0].amax(0)
    np.testing.assert_allclose(seen.layers["last"][0], wanted.double().numpy())
    with pytest.raises(UnknownName, match="must have a part"):
        sensitivities(module, found, batches(4), parts={"first": module.first})
    with pytest.raises(UnknownName, match="must compute something"):
        sensitivities(module, found, batches(4), parts={"last": nn.Conv2d(6, 2, 3)})
