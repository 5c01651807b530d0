"""The sample size and its error are each other's reverse, and draws of that size err no more than they may."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from design.architecture import INPUT
from design.layers import conv
from networks.layers import QuantizedConv2d
from networks.pruning.bound import BERNSTEIN, PUBLISHED, epsilon_for, logarithm, samples_for
from networks.pruning.sampling import distribution, draw_samples
from networks.pruning.shares import columns, signed_weights, signs

LAYER = conv("one", INPUT, (8, 5, 7), 4)


@pytest.mark.parametrize("options", [BERNSTEIN, PUBLISHED])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 3.0])
def test_samples_and_epsilon_are_each_others_reverse(options: object, epsilon: float) -> None:
    log = logarithm(LAYER, options)  # type: ignore[arg-type]
    samples = samples_for(epsilon, 4.0, log, options)  # type: ignore[arg-type]
    assert epsilon_for(samples, 4.0, log, options) == pytest.approx(epsilon)  # type: ignore[arg-type]


def test_constants() -> None:
    outputs, patches, delta = 4, 35, 0.1
    assert logarithm(LAYER, BERNSTEIN) == pytest.approx(math.log(2 * outputs * patches * 4 / delta))
    assert logarithm(LAYER, BERNSTEIN, unsigned=True) == pytest.approx(math.log(2 * outputs * patches * 2 / delta))
    assert samples_for(0.5, 2.0, 3.0, BERNSTEIN) == pytest.approx(2 * 3 * 7 / (3 * 0.25))
    published = 3 * 7 / 0.25 * 2.0 * 2 * 3 * math.log(8 * 36 * 9 / 1e-16)
    assert samples_for(0.5, 2.0, logarithm(LAYER, PUBLISHED), PUBLISHED) == pytest.approx(published)
    assert epsilon_for(0, 2.0, 3.0, BERNSTEIN) == math.inf
    assert epsilon_for(5, 0.0, 3.0, BERNSTEIN) == 0


@pytest.mark.parametrize("unsigned", [False, True])
def test_as_many_sums_as_are_computed_must_hold_at_once(unsigned: bool) -> None:
    part, x = QuantizedConv2d(8, 4, 3, padding=1), torch.randn(1, 8, 5, 7)
    x = x.abs() if unsigned else x
    weights, _ = signed_weights(part)
    sums = sum((weights[0] @ columns(part, one).flatten(1)).numel() for one in signs(x))
    assert logarithm(LAYER, BERNSTEIN, unsigned=unsigned) == pytest.approx(math.log(2 * sums / BERNSTEIN.delta))


@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_draws_err_no_more_than_they_may(delta: float) -> None:
    random = np.random.default_rng(0)
    parts = random.exponential(size=(6, 20)) ** 2  # sums by channels
    shares = parts / parts.sum(1, keepdims=True)
    scores = shares.max(0)
    log = math.log(2 * 6 / delta)
    samples = math.ceil(samples_for(0.4, float(scores.sum()), log, replace(BERNSTEIN, delta=delta)))
    draws = [draw_samples(distribution(scores), samples, random) for _ in range(1000)]
    errors = np.array([np.abs(shares @ own - 1).max() for own in draws])
    assert (errors > 0.4).mean() <= delta
    assert errors.mean() > 0.05
