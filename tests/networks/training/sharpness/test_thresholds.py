"""Each threshold on a quadratic: just under it the steps of torch's own optimizers shrink, just over it they grow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim

from networks.training.errors import InvalidOptions
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.thresholds import Threshold, threshold_of
from tests.networks.training.sharpness.small import Bowl, bowl, mean_probe

CURVATURES = (4.0, 2.5, 1.0, 0.3)
SQUARES = (0.25, 4.0, 1.0, 9.0)
"""Frozen second moments, so that what Adam and RMSprop precondition with stays."""


def sgd(**options: object) -> Callable[[list[Tensor], float], optim.Optimizer]:
    return lambda own, rate: optim.SGD(own, lr=rate, **options)  # type: ignore[arg-type]


def adam(kind: type[optim.Adam], **options: object) -> Callable[[list[Tensor], float], optim.Optimizer]:
    def made(own: list[Tensor], rate: float) -> optim.Optimizer:
        stepper = kind(own, lr=rate, betas=(0.8, 1 - 1e-9), eps=1e-8, **options)  # type: ignore[arg-type]
        squares = torch.tensor(SQUARES, dtype=torch.float64)
        stepper.state[own[0]] = {"step": torch.tensor(1e11), "exp_avg": torch.zeros(4).double(), "exp_avg_sq": squares}
        return stepper

    return made


def rmsprop(**options: object) -> Callable[[list[Tensor], float], optim.Optimizer]:
    def made(own: list[Tensor], rate: float) -> optim.Optimizer:
        stepper = optim.RMSprop(own, lr=rate, alpha=1.0, **options)  # type: ignore[arg-type]
        squares = torch.tensor(SQUARES, dtype=torch.float64)
        state = {"step": torch.tensor(0.0), "square_avg": squares, "momentum_buffer": torch.zeros(4).double()}
        stepper.state[own[0]] = state | {"grad_avg": torch.zeros(4).double()}
        return stepper

    return made


STEPPERS = {
    "descent": sgd(),
    "descent with decay": sgd(weight_decay=0.7),
    "polyak": sgd(momentum=0.9),
    "polyak with decay and dampening": sgd(momentum=0.6, weight_decay=0.5, dampening=0.3),
    "nesterov": sgd(momentum=0.9, nesterov=True),
    "nesterov with decay": sgd(momentum=0.5, nesterov=True, weight_decay=0.4),
    "adam": adam(optim.Adam),
    "adam with decay": adam(optim.Adam, weight_decay=0.5),
    "adamw": adam(optim.AdamW, weight_decay=0.3),
    "rmsprop": rmsprop(),
    "rmsprop with momentum and decay": rmsprop(momentum=0.7, weight_decay=0.5),
}


def measured(own: Bowl, stepper: optim.Optimizer) -> float:
    return measure_sharpness(own, mean_probe(), stepper=stepper).value


def edge_rate(made: Callable[[list[Tensor], float], optim.Optimizer]) -> float:
    """The largest stable rate; with decoupled decay the product with the curvature depends on the rate itself."""
    own, rate = bowl(CURVATURES), 0.1
    for _ in range(10):
        stepper = made([own.w], rate)
        rate = threshold_of(stepper).largest_rate(measured(own, stepper))
    return rate


def growth(made: Callable[[list[Tensor], float], optim.Optimizer], rate: float, steps: int) -> float:
    own = bowl(CURVATURES)
    stepper = made([own.w], rate)
    begin = float(own.w.detach().norm())
    for _ in range(steps):
        stepper.zero_grad()
        own(torch.zeros(1, 1)).sum().backward()
        stepper.step()
        size = float(own.w.detach().norm())
        if size > 100 * begin:
            break
    return size / begin


@pytest.mark.parametrize("made", STEPPERS.values(), ids=STEPPERS)
def test_just_under_it_converges_and_just_over_it_diverges(
    made: Callable[[list[Tensor], float], optim.Optimizer],
) -> None:
    edge = edge_rate(made)
    assert growth(made, 0.98 * edge, 700) < 0.05
    assert growth(made, 1.02 * edge, 700) > 50


def test_the_published_figures() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    cases = [
        (optim.SGD([parameter], lr=0.1), 20.0),
        (optim.SGD([parameter], lr=0.1, momentum=0.9), 38.0),
        (optim.SGD([parameter], lr=0.1, momentum=0.9, nesterov=True), 38 / 2.8),
        (optim.Adam([parameter], lr=0.1), 380.0),
        (optim.RMSprop([parameter], lr=0.1), 20.0),
    ]
    for stepper, expected in cases:
        assert threshold_of(stepper).sharpness == pytest.approx(expected)
    assert threshold_of(cases[0][0]).largest_rate(40.0) == pytest.approx(0.05)
    assert Threshold(rule="nesterov", rate=0.1, momentum=0.9).words == "(2 + 2 x 0.9) / (0.1 x (1 + 2 x 0.9))"


def test_of_several_groups_the_lowest_counts() -> None:
    one, other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    stepper = optim.SGD([{"params": [one], "lr": 0.1}, {"params": [other], "lr": 0.5}])
    assert threshold_of(stepper).sharpness == pytest.approx(4.0)


def test_rules_that_are_not_known_are_refused() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    with pytest.raises(InvalidOptions, match="Adagrad"):
        threshold_of(optim.Adagrad([parameter], lr=0.1))
    with pytest.raises(InvalidOptions, match="over 0"):
        threshold_of(optim.SGD([parameter], lr=0.0))
