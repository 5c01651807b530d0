"""Binary weights: the best scale, both gradients; binary activations with a learned shift."""

from __future__ import annotations

import pytest
import torch

from networks.quantizers.binary import BinaryActivations, BinaryWeights, StartedBinaryActivations, filter_scale
from networks.quantizers.options import ScaleGradient, SignGradient
from networks.quantizers.quantizer import per_filter


def _weight(seed: int = 0) -> torch.Tensor:
    return torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_scale_is_the_best_in_least_squares() -> None:
    weight = _weight()
    sign = torch.sign(weight)
    best = (weight * sign).flatten(1).sum(1) / (sign * sign).flatten(1).sum(1)  # argmin of ||W - a B||^2
    torch.testing.assert_close(filter_scale(weight), best)
    error = (weight - BinaryWeights()(weight)).flatten(1).square().sum(1)
    for change in (0.99, 1.01):
        other = (weight - per_filter(best * change, weight) * sign).flatten(1).square().sum(1)
        assert bool((other > error).all())


@pytest.mark.parametrize("gradient", ScaleGradient)
def test_each_filter_has_two_levels_and_quantizing_twice_changes_nothing(gradient: ScaleGradient) -> None:
    quantizer = BinaryWeights(gradient)
    once = quantizer(_weight())
    assert all(len(torch.unique(levels)) == 2 for levels in once)
    torch.testing.assert_close(quantizer(once), once)


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("gradient", ScaleGradient)
def test_the_gradient_is_the_written_one(gradient: ScaleGradient, clipped: bool) -> None:
    weight = (_weight().clamp(-1, 1) if clipped else 0.8 * _weight()).requires_grad_()
    outer = _weight(1)
    BinaryWeights(gradient)(weight).backward(outer)
    own = weight.detach()
    inside = (own.abs() <= 1).double()
    expected = inside * outer
    if gradient is ScaleGradient.XNOR:
        number, sign = own[0].numel(), torch.sign(own)
        alpha = per_filter(own.abs().flatten(1).sum(1) / number, own)
        along = per_filter((sign * outer).flatten(1).sum(1), own)
        expected = alpha * inside * outer + sign / number * along
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, expected)
    assert not clipped or bool((own.abs() == 1).any())  # where clipping puts weights


def test_weights_at_the_ends_have_the_gradient_of_those_inside() -> None:
    weight = torch.tensor([[1.0, -1.0, 0.5, -0.5]], requires_grad=True)
    BinaryWeights(ScaleGradient.XNOR)(weight).backward(torch.ones(1, 4))
    assert weight.grad is not None
    assert weight.grad.tolist() == [[0.75] * 4]


@pytest.mark.parametrize("gradient", ScaleGradient)
def test_codes_are_what_is_computed_with(gradient: ScaleGradient) -> None:
    weight = _weight().float()
    codes = BinaryWeights(gradient).codes(weight)
    assert torch.unique(codes.values).tolist() == [-1, 1]
    assert torch.equal(codes.dequantized(), BinaryWeights(gradient)(weight))


def test_a_shift_moves_the_threshold_of_its_channel_and_is_learned() -> None:
    quantizer = BinaryActivations(2, SignGradient.CLIPPED)
    assert quantizer.shift is not None
    with torch.no_grad():
        quantizer.shift.copy_(torch.tensor([0.5, -0.5]))
    x = torch.full((1, 2, 1, 2), 0.25)
    found = quantizer(x)
    assert found.flatten().tolist() == [-1, -1, 1, 1]
    found.sum().backward()
    assert quantizer.shift.grad is not None
    assert quantizer.shift.grad.tolist() == [-2, -2]  # minus the straight-through gradient of two positions each


def test_a_shift_starts_at_the_mean_only_where_nothing_is_negative() -> None:
    quantizer = StartedBinaryActivations(3)
    x = torch.rand(8, 3, 4, 4)
    found = quantizer(x)
    assert quantizer.shift is not None
    torch.testing.assert_close(quantizer.shift.detach(), x.mean((0, 2, 3)))
    assert -0.5 < float(found.detach().mean()) < 0.5
    centred = StartedBinaryActivations(3)
    centred(x - 0.5)
    assert centred.shift is not None
    assert not bool(centred.shift.any())
    quantizer(10 + x)
    torch.testing.assert_close(quantizer.shift.detach(), x.mean((0, 2, 3)))


def test_a_started_shift_is_loaded_and_not_started_again() -> None:
    first, second = StartedBinaryActivations(3), StartedBinaryActivations(3)
    x = torch.rand(8, 3, 4, 4)
    first(x)
    second.load_state_dict(first.state_dict())
    second(x + 5)
    assert first.shift is not None
    assert second.shift is not None
    assert torch.equal(first.shift, second.shift)
