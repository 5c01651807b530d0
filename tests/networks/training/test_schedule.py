"""The learning rate rises, peaks and ends at nothing."""

from __future__ import annotations

import pytest
from torch import nn

from networks.training.averaging import WeightAverage
from networks.training.schedule import learning_rate


def test_warm_up_then_half_a_cosine() -> None:
    rates = [learning_rate(step, steps=110, warmup=10, peak=0.2) for step in range(110)]
    assert rates[:10] == pytest.approx([0.02 * (step + 1) for step in range(10)])
    assert max(rates) == rates[10] == 0.2
    assert rates[60] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3
    assert learning_rate(0, steps=1, warmup=0, peak=0.1) == 0.1


def test_an_average_is_the_weighted_sum_of_what_was() -> None:
    linear = nn.Linear(1, 1, bias=False)
    module = nn.Sequential(linear, nn.BatchNorm1d(1))
    nn.init.zeros_(linear.weight)
    average = WeightAverage(module, 0.5)
    expected = 0.0
    for step in range(1, 30):
        nn.init.constant_(linear.weight, float(step))
        average.update(module)
        own = min(0.5, (1 + step) / (10 + step))
        expected = own * expected + (1 - own) * step
    assert float(average.state["0.weight"]) == pytest.approx(expected)
    assert average.state["1.num_batches_tracked"] == 0
