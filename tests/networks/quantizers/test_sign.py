"""Sign and its two gradients, against the written formulas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.quantizers.options import SignGradient
from networks.quantizers.sign import sign, signs

FORMULAS = {
    SignGradient.CLIPPED: lambda x: (x.abs() < 1).to(x.dtype),
    SignGradient.QUADRATIC: lambda x: (2 - 2 * x.abs()).clamp(min=0),
}
values = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=30)


@given(values)
def test_there_are_two_levels_and_zero_is_positive(numbers: list[float]) -> None:
    x = torch.tensor(numbers).abs() * torch.tensor([1.0 if n >= 0 else -1.0 for n in numbers])
    expected = torch.where(x < 0, -1.0, 1.0)
    assert torch.equal(signs(x + 0.0), expected)
    assert torch.equal(signs(signs(x + 0.0)), expected)
    assert float(signs(torch.zeros(()))) == 1


@given(values)
def test_sign_is_odd_but_at_zero(numbers: list[float]) -> None:
    x = torch.tensor([n for n in numbers if n != 0] or [1.0])
    assert torch.equal(signs(-x), -signs(x))


@pytest.mark.parametrize("gradient", SignGradient)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_are_the_written_ones(gradient: SignGradient, dtype: torch.dtype) -> None:
    x = torch.linspace(-2, 2, 81, dtype=torch.float64).to(dtype).requires_grad_()
    outer = torch.linspace(-1, 3, 81, dtype=torch.float64).to(dtype)
    torch.autograd.backward(sign(x, gradient), outer)
    expected = FORMULAS[gradient](x.detach().double()) * outer.double()
    assert x.grad is not None
    torch.testing.assert_close(x.grad.double(), expected, atol=0.02 if dtype is torch.bfloat16 else 1e-6, rtol=0.02)


def test_the_quadratic_gradient_is_the_slope_of_its_curve() -> None:
    """The curve of Bi-Real Net: 2x + x^2 below zero, 2x - x^2 above, -1 and 1 outside."""

    def curve(x: torch.Tensor) -> torch.Tensor:
        inside = torch.where(x < 0, 2 * x + x**2, 2 * x - x**2)
        return torch.where(x.abs() < 1, inside, torch.sign(x))

    x = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)
    slope = (curve(x + 1e-6) - curve(x - 1e-6)) / 2e-6
    own = x.clone().requires_grad_()
    torch.autograd.backward(sign(own, SignGradient.QUADRATIC).sum())
    assert own.grad is not None
    torch.testing.assert_close(own.grad, slope, atol=1e-5, rtol=0)


@settings(max_examples=20)
@given(values)
def test_gradients_treat_both_sides_alike(numbers: list[float]) -> None:
    for gradient in SignGradient:
        x = torch.tensor(numbers).requires_grad_()
        y = (-x.detach()).requires_grad_()
        torch.autograd.backward(sign(x, gradient).sum())
        torch.autograd.backward(sign(y, gradient).sum())
        assert x.grad is not None
        assert y.grad is not None
        assert torch.equal(x.grad, y.grad)
