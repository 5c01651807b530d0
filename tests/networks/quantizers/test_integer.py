"""8-bit weights against torch's fake quantization, and 16-bit rounding."""

from __future__ import annotations

import pytest
import torch

from networks.quantizers.half import HalfPrecision
from networks.quantizers.integer import IntegerWeights
from networks.quantizers.options import Half


def test_weights_are_those_of_torch() -> None:
    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    scale = weight.abs().flatten(1).amax(1) / 127
    expected = torch.fake_quantize_per_channel_affine(weight, scale, torch.zeros(5, dtype=torch.int32), 0, -127, 127)
    torch.testing.assert_close(IntegerWeights()(weight), expected)


def test_codes_use_the_whole_range_and_are_what_is_computed_with() -> None:
    weight = torch.randn(5, 4, 3, 3).requires_grad_()
    quantizer = IntegerWeights()
    codes, found = quantizer.codes(weight), quantizer(weight)
    assert codes.values.abs().flatten(1).amax(1).tolist() == [127] * 5
    assert torch.equal(codes.dequantized(), found.detach())
    torch.testing.assert_close(quantizer(found), found)
    found.sum().backward()
    assert weight.grad is not None
    assert bool((weight.grad == 1).all())


def test_a_filter_of_zeros_stays() -> None:
    assert not bool(IntegerWeights()(torch.zeros(2, 3, 1, 1)).any())


@pytest.mark.parametrize("half", Half)
def test_halves_round_once_and_pass_the_gradient(half: Half) -> None:
    quantizer = HalfPrecision(half)
    x = torch.tensor([1 / 3, -1e30, 2.0], requires_grad=True)
    found = quantizer(x)
    assert bool(found.isfinite().all())
    assert torch.equal(found, quantizer(found))
    assert found[0] != x[0]
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1]
