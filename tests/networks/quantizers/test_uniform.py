"""Fixed levels: clipped as the paper says, and unclipped as its released code does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.quantizers.quantizer import per_filter
from networks.quantizers.uniform import StartedUniformActivations, UniformActivations, UniformWeights, uniform


def _levels(bits: int) -> torch.Tensor:
    steps = 2**bits - 1
    return torch.linspace(-1, 1, steps + 1, dtype=torch.float64)


def test_two_bits_have_the_published_levels() -> None:
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    torch.testing.assert_close(torch.unique(uniform(x, 2)), torch.tensor([-1, -1 / 3, 1 / 3, 1], dtype=torch.float64))
    assert len(torch.unique(uniform(x, 2, clipped=False).mul(3).round())) == 13  # the defect: 3.7 bits, not 2


@given(st.sampled_from([2, 4, 8]), st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=30))
def test_each_value_goes_to_the_nearest_level_and_stays(bits: int, numbers: list[float]) -> None:
    x = torch.tensor(numbers, dtype=torch.float64)
    found, levels = uniform(x, bits), _levels(bits)
    distance = (x.clamp(-1, 1)[:, None] - levels).abs().amin(1)
    torch.testing.assert_close((found - x.clamp(-1, 1)).abs(), distance, atol=1e-9, rtol=0)
    torch.testing.assert_close(uniform(found, bits), found)
    ties = (x * (2**bits - 1)).abs() % 2 < 1e-6
    torch.testing.assert_close(uniform(-x, bits)[~ties], -found[~ties])


def test_unsigned_levels_are_those_from_zero_to_one() -> None:
    x = torch.linspace(-1, 2, 301, dtype=torch.float64)
    torch.testing.assert_close(torch.unique(uniform(x, 2, unsigned=True)), torch.arange(4, dtype=torch.float64) / 3)


@pytest.mark.parametrize("clipped", [True, False])
def test_the_gradient_passes_inside_and_outside_only_unclipped(clipped: bool) -> None:
    x = torch.tensor([-1.5, -1.0, -0.2, 0.9, 1.0, 1.1], requires_grad=True)
    UniformActivations(2, clipped=clipped)(x).backward(torch.arange(1.0, 7.0))
    assert x.grad is not None
    assert x.grad.tolist() == ([0, 2, 3, 4, 5, 0] if clipped else [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize("unsigned", [True, False])
def test_the_first_batch_tells_whether_levels_are_unsigned(unsigned: bool, clipped: bool) -> None:
    first, second = StartedUniformActivations(2, clipped=clipped), StartedUniformActivations(2, clipped=clipped)
    known = UniformActivations(2, unsigned=unsigned, clipped=clipped)
    x = torch.rand(8, 3, 4, 4) - (0 if unsigned else 0.5)
    assert torch.equal(first(x), known(x))
    later = torch.randn(8, 3, 4, 4)
    assert torch.equal(first(later), known(later))
    second(-x)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(later), known(later))
    second.reset_parameters()
    assert torch.equal(second(later), uniform(later, 2, clipped=clipped))


def test_states_from_before_there_were_flags_are_signed() -> None:
    quantizer = StartedUniformActivations(2)
    quantizer.load_state_dict({})
    assert quantizer(torch.tensor([[0.0, 0.9]])).tolist() == [[pytest.approx(1 / 3), 1.0]]


@pytest.mark.parametrize("bits", [2, 4])
def test_weights_are_levels_times_the_mean_magnitude(bits: int) -> None:
    weight = torch.randn(3, 4, 3, 3).requires_grad_()
    quantizer = UniformWeights(bits)
    found, alpha = quantizer(weight), weight.detach().abs().flatten(1).mean(1)
    expected = per_filter(alpha, weight) * uniform(weight.detach().double(), bits).float()
    torch.testing.assert_close(found.detach(), expected)
    assert torch.equal(quantizer.codes(weight).dequantized(), found.detach())
    found.sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, (weight.detach().abs() <= 1).float())
