"""The critical step on functions where it is known, on a network against its Hessian, and in few evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, optim

from networks.training.sharpness.critical import find_critical, measure_critical
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.hessian import Hessian
from networks.training.sharpness.surrogate import surrogate
from tests.networks.training.sharpness.small import bowl, cross_entropy_probe, mean_probe, tanh_net


def quadratic(critical: float) -> Callable[[float], float]:
    return lambda t: 3.0 - t + t * t / critical


@pytest.mark.parametrize("critical", [0.01, 0.3, 1.0, 1.7, 20.0, 300.0])
@pytest.mark.parametrize("start", [1.0, 0.5])
def test_on_a_parabola_it_is_exact(critical: float, start: float) -> None:
    asked: list[float] = []

    def loss(t: float) -> float:
        asked.append(t)
        return quadratic(critical)(t)

    found = find_critical(loss, start=start)
    assert found.outcome == "found"
    assert found.stretch == pytest.approx(critical, rel=1e-9)
    assert 0.999 * found.low <= critical <= 1.001 * found.high
    assert len(asked) == found.forwards <= 6
    assert found.sharpness(0.1) == pytest.approx(20 / critical)


def test_near_the_last_value_five_evaluations_do() -> None:
    assert find_critical(quadratic(1.3), start=1.25).forwards <= 5


def test_on_a_curve_it_is_within_its_brackets() -> None:
    """Loss with a wall: -t + t^4 rises again at 1, and is no number beyond 3."""
    found = find_critical(lambda t: -t + t**4 if t < 3 else math.nan, start=4.0, most=9)
    assert found.low <= 1 <= found.high
    assert found.stretch == pytest.approx(1, rel=0.05)


def test_of_several_crossings_the_first_that_is_seen_counts() -> None:
    found = find_critical(lambda t: -math.sin(3 * t), start=0.1, most=12)
    assert found.outcome == "found"
    assert found.stretch == pytest.approx(math.pi / 3, rel=0.1)


def test_losses_that_only_rise_or_only_fall() -> None:
    rising = find_critical(lambda t: t, most=20)
    assert (rising.outcome, rising.stretch, rising.sharpness(0.1)) == ("rises at once", None, None)
    falling = find_critical(lambda t: -t, most=20)
    assert (falling.outcome, falling.stretch) == ("never rises", None)
    assert math.isinf(falling.high)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_at_the_edge_the_step_is_the_critical_one(momentum: float) -> None:
    """On a quadratic at its threshold only the sharpest direction is left, and the ratio is 1 whatever the momentum."""
    own = bowl((4.0, 1.0, 0.5))
    rate = (2 + 2 * momentum) / 4.0
    stepper = optim.SGD([own.w], lr=rate, momentum=momentum)
    before: list[Tensor] = []
    for _ in range(400):
        before = [own.w.detach().clone()]
        stepper.zero_grad()
        own(torch.zeros(1, 1)).sum().backward()
        stepper.step()
    found = measure_critical(own, before, mean_probe())
    assert found.stretch == pytest.approx(1, rel=1e-3)


def test_on_a_network_it_is_the_curvature_along_the_step() -> None:
    module, probe = tanh_net(), cross_entropy_probe()
    hessian = Hessian(surrogate(module), probe)
    slope = hessian.gradient()
    along = float(slope @ hessian.apply(slope[:, None])[:, 0]) / float(slope @ slope)
    before = [one.detach().clone() for one in module.parameters()]
    rate, at = 0.01, 0
    with torch.no_grad():
        for one in module.parameters():
            one.sub_(rate * torch.from_numpy(slope[at : at + one.numel()]).reshape(one.shape))
            at += one.numel()
    stepped = [one.detach().clone() for one in module.parameters()]
    found = measure_critical(module, before, probe, start=100.0, most=10)
    sharpness = found.sharpness(rate)
    assert sharpness is not None
    assert all(torch.equal(one, kept) for one, kept in zip(module.parameters(), stepped, strict=True))
    assert sharpness == pytest.approx(along, rel=0.5)  # the loss is no parabola so far out
    assert sharpness <= 1.2 * measure_sharpness(module, probe).value
