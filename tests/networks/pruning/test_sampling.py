"""Draws keep as many channels as expected and leave weighted sums right in the mean."""

from __future__ import annotations

import numpy as np
import pytest

from networks.pruning.sampling import (
    Variant,
    choose,
    distribution,
    draw_samples,
    expected_distinct,
    samples_to_keep,
)

SCORES = np.array([0.9, 0.5, 0.3, 0.2, 0.05, 0.05, 0.0, 0.02])


def test_expected_distinct_is_the_mean_of_draws() -> None:
    probabilities, random = distribution(SCORES), np.random.default_rng(0)
    hits = random.multinomial(6, probabilities, size=20000)
    assert expected_distinct(probabilities, 6) == pytest.approx((hits > 0).sum(1).mean(), abs=0.02)


def test_samples_to_keep_is_its_reverse() -> None:
    probabilities = distribution(SCORES)
    for count in (1, 2.5, 6):
        assert expected_distinct(probabilities, samples_to_keep(probabilities, count)) == pytest.approx(count)
    assert np.isfinite(samples_to_keep(probabilities, 8))
    assert samples_to_keep(np.array([1.0]), 1) > 0


@pytest.mark.parametrize("variant", [Variant.RANDOM, Variant.PARTIAL])
def test_what_is_drawn_stands_for_the_rest(variant: Variant) -> None:
    random, values = np.random.default_rng(1), np.arange(1.0, 9.0) * SCORES
    sums, kept = [], []
    for _ in range(600):
        chosen = choose(SCORES, 4, variant, random)
        assert chosen.factors is not None
        assert (np.diff(chosen.kept) > 0).all()
        sums.append(float(chosen.factors @ values[chosen.kept]))
        kept.append(len(chosen.kept))
    assert np.mean(sums) == pytest.approx(values.sum(), rel=0.07)
    assert np.mean(kept) == pytest.approx(4, abs=0.3)


def test_partial_draws_spread_less() -> None:
    random, values = np.random.default_rng(2), SCORES + 0.01
    spread = {}
    for variant in (Variant.RANDOM, Variant.PARTIAL):
        drawn = [choose(SCORES, 4, variant, random) for _ in range(300)]
        spread[variant] = np.std([float(own.factors @ values[own.kept]) for own in drawn if own.factors is not None])
    assert spread[Variant.PARTIAL] < spread[Variant.RANDOM]


def test_deterministic_keeps_the_largest() -> None:
    chosen = choose(SCORES, 3, Variant.DETERMINISTIC, np.random.default_rng(0))
    assert chosen.kept.tolist() == [0, 1, 2]
    assert chosen.factors is None
    assert choose(SCORES, 8, Variant.RANDOM, np.random.default_rng(0)).kept.tolist() == list(range(8))


def test_without_any_score_all_are_alike() -> None:
    np.testing.assert_allclose(distribution(np.zeros(4)), 0.25)
    assert draw_samples(distribution(np.zeros(4)), 3, np.random.default_rng(0)).sum() == pytest.approx(4)


def test_equal_scores_are_told_apart_by_what_breaks_ties() -> None:
    scores, random = np.array([0.5, 1.0, 1.00001, 0.99999, 0.2]), np.random.default_rng(0)
    ties = np.array([9.0, 1.0, 2.0, 3.0, 9.0])
    assert choose(scores, 2, Variant.DETERMINISTIC, random, ties=ties).kept.tolist() == [2, 3]
    assert choose(scores, 4, Variant.DETERMINISTIC, random, ties=ties).kept.tolist() == [0, 1, 2, 3]
    assert choose(scores, 2, Variant.DETERMINISTIC, random).kept.tolist() == [1, 2]


def test_of_a_layer_of_one_channel_nothing_is_expected_without_draws() -> None:
    assert expected_distinct(np.ones(1), 0.0) == 0.0
    assert expected_distinct(np.ones(1), 1.0) == 1.0
