"""LSQ: levels, start, and gradients against the formulas and against autograd of the detached form."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.quantizers.learned_step import (
    LearnedStepActivations,
    LearnedStepWeights,
    learned_step,
    limits,
)

bits_of_layers = st.sampled_from([2, 4, 8])


def _slow(x: torch.Tensor, step: torch.Tensor, low: int, high: int, factor: float) -> torch.Tensor:
    """The pseudocode of the paper: gradient scaling and rounding by detaching."""
    scaled = step * factor
    step = (step - scaled).detach() + scaled
    v = torch.clamp(x / step, low, high)
    return ((v.round() - v).detach() + v) * step


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("filters", [False, True])
def test_gradients_are_those_of_the_paper(bits: int, unsigned: bool, filters: bool) -> None:
    generator = torch.Generator().manual_seed(bits)
    x = torch.randn(5, 3, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()
    step = torch.rand(5 if filters else 1, 1, 1, 1, generator=generator, dtype=torch.float64).add(0.1).requires_grad_()
    outer = torch.randn(5, 3, 4, 4, generator=generator, dtype=torch.float64)
    low, high = limits(bits, unsigned=unsigned)
    expected = _slow(x, step, low, high, 0.3)
    slow = torch.autograd.grad(expected, [x, step], outer)
    found = learned_step(x, step, low, high, 0.3, filters=filters)
    fast = torch.autograd.grad(found, [x, step], outer)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(fast[0], slow[0])
    torch.testing.assert_close(fast[1], slow[1], atol=1e-6, rtol=1e-6)


def test_the_gradient_of_the_step_is_the_written_one() -> None:
    """round(v) - v inside, Qn and Qp outside."""
    for v, expected in ((0.3, -0.3), (0.7, 0.3), (-0.6, -0.4), (9.0, 1.0), (-9.0, -2.0)):
        step = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        x = torch.tensor([v * 0.5], dtype=torch.float64)
        torch.autograd.backward(learned_step(x, step, -2, 1, 1.0).sum())
        assert step.grad is not None
        assert float(step.grad) == pytest.approx(expected)


@given(bits_of_layers, st.booleans(), st.floats(0.01, 3), st.integers(0, 1000))
def test_levels_are_whole_steps_within_the_limits_and_stay(bits: int, unsigned: bool, step: float, seed: int) -> None:
    low, high = limits(bits, unsigned=unsigned)
    assert high - low + 1 == 2**bits
    x = 3 * torch.randn(50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    own = torch.tensor(step, dtype=torch.float64)
    once = learned_step(x, own, low, high, 1.0)
    numbers = once / own
    torch.testing.assert_close(numbers, numbers.round())
    assert low <= float(numbers.round().min()) <= float(numbers.round().max()) <= high
    torch.testing.assert_close(learned_step(once, own, low, high, 1.0), once)
    inside = (x / own > low) & (x / own < high)
    assert bool(((once - x).abs()[inside] <= own / 2 + 1e-12).all())


def test_weights_start_as_published_and_codes_are_what_is_computed_with() -> None:
    weight = torch.randn(4, 3, 3, 3)
    for bits in (2, 4, 8):
        quantizer = LearnedStepWeights(4, bits)
        quantizer.start_from(weight)
        expected = 2 * weight.abs().flatten(1).mean(1) / math.sqrt(2 ** (bits - 1) - 1)
        torch.testing.assert_close(quantizer.step.detach(), expected)
        codes = quantizer.codes(weight)
        assert torch.equal(codes.dequantized(), quantizer(weight).detach())


def test_the_step_of_weights_is_scaled_by_filter_size() -> None:
    weight = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    quantizer = LearnedStepWeights(2, 4).double()
    quantizer.start_from(weight)
    quantizer(weight).sum().backward()
    own = quantizer.step.detach().reshape(2, 1, 1, 1).requires_grad_()
    torch.autograd.backward(_slow(weight, own, -8, 7, 1 / math.sqrt(8 * 9 * 7)).sum())
    assert quantizer.step.grad is not None
    assert own.grad is not None
    torch.testing.assert_close(quantizer.step.grad, own.grad.flatten())


@pytest.mark.parametrize("unsigned", [False, True, None])
def test_activations_start_from_the_first_batch_alone(unsigned: bool | None) -> None:
    quantizer = LearnedStepActivations(4, unsigned=unsigned)
    x = torch.rand(4, 3, 5, 5)
    quantizer(x)
    high = 7 if unsigned is False else 15
    expected = 2 * float(x.mean()) / math.sqrt(high)
    assert float(quantizer.step.detach()) == pytest.approx(expected, rel=1e-5)
    assert bool(quantizer.unsigned) is (unsigned is not False)
    quantizer(100 * x)
    assert float(quantizer.step.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_loaded_step_is_not_started_again_and_keeps_its_sign() -> None:
    first, second = LearnedStepActivations(4, unsigned=None), LearnedStepActivations(4, unsigned=None)
    x = torch.rand(4, 3, 5, 5)
    expected = first(x)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(x), expected)
    signed = LearnedStepActivations(4, unsigned=None)
    assert float(signed(x - 0.5).detach().min()) < 0


def test_bf16_activations_stay_bf16_and_near() -> None:
    quantizer = LearnedStepActivations(4, unsigned=False)
    x = torch.randn(4, 3, 5, 5)
    quantizer(x)
    low = x.bfloat16().requires_grad_()
    found = quantizer(low)
    found.sum().backward()
    assert found.dtype is torch.bfloat16
    assert low.grad is not None
    step = float(quantizer.step.detach())
    assert float((found.float() - quantizer(x)).detach().abs().max()) <= 1.05 * step


def test_the_slope_of_the_step_adds_up_in_more_than_bf16() -> None:
    """A running sum in bf16 would stop growing at 256."""
    step = torch.tensor(1.0, requires_grad=True)
    x = torch.full((64, 64), 9.0, dtype=torch.bfloat16)
    torch.autograd.backward(learned_step(x, step, -2, 1, 1.0).sum())
    assert step.grad is not None
    assert float(step.grad) == 64 * 64
