"""The sample size and its error are each other's reverse, and draws of that size err no more than they may."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from design.architecture import INPUT
from design.layers import conv
from networks.pruning.bound import BERNSTEIN, PUBLISHED, epsilon_for, logarithm, samples_for
from networks.pruning.sampling import distribution, draw_samples

LAYER = conv("one", INPUT, (8, 5, 7), 4)


@pytest.mark.parametrize("options", [BERNSTEIN, PUBLISHED])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 3.0])
def test_samples_and_epsilon_are_each_others_reverse(options: object, epsilon: float) -> None:
    log = logarithm(LAYER, options)  # type: ignore[arg-type]
    samples = samples_for(epsilon, 4.0, log, options)  # type: ignore[arg-type]
    assert epsilon_for(samples, 4.0, log, options) == pytest.approx(epsilon)  # type: ignore[arg-type]


def test_constants() -> None:
    assert logarithm(LAYER, BERNSTEIN) == pytest.approx(math.log(2 * 4 * 35 * 2 / 0.1))
    assert samples_for(0.5, 2.0, 3.0, BERNSTEIN) == pytest.approx(2 * 3 * 7 / (3 * 0.25))
    published = 3 * 7 / 0.25 * 2.0 * 2 * 3 * math.log(8 * 36 * 9 / 1e-16)
    assert samples_for(0.5, 2.0, logarithm(LAYER, PUBLISHED), PUBLISHED) == pytest.approx(published)
    assert epsilon_for(0, 2.0, 3.0, BERNSTEIN) == math.inf
    assert epsilon_for(5, 0.0, 3.0, BERNSTEIN) == 0


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
