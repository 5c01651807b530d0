"""Draws are repeated until they fit, always the same ones, and what is said of them counts the tries."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from networks.errors import InvalidSelection
from networks.pruning.allocation import bounds
from networks.pruning.bound import BERNSTEIN, epsilon_for, logarithm
from networks.pruning.budget import AMOUNTS, Allotment, planned
from networks.pruning.drawing import TRIES, draw_within
from networks.pruning.sampling import Variant
from tests.networks.pruning.test_budget import FOUND, SCORES, WHOLE

PARAMETERS = AMOUNTS["parameters"]
DRAWN = (Variant.RANDOM, Variant.PARTIAL)


def halves(target: float) -> Allotment:
    """Half of every family, whatever that needs."""
    counts = tuple(one.size // 2 for one in FOUND.families)
    amount = float(PARAMETERS([planned(WHOLE, FOUND.plan(counts))])[0])
    return Allotment(counts=counts, amount=amount, target=target * amount, position=0.5)


@pytest.mark.parametrize(
    ("variant", "target"),
    [(Variant.RANDOM, 1.0), (Variant.PARTIAL, 1.0), (Variant.RANDOM, 0.6), (Variant.RANDOM, 0.1)],
)
def test_less_is_drawn_until_it_fits(variant: Variant, target: float) -> None:
    asked = halves(target)
    drawn = [draw_within(WHOLE, FOUND, SCORES, asked, PARAMETERS, variant, np.random.default_rng(3)) for _ in range(2)]
    (chosen, found), (again, _) = drawn
    assert found.counts == tuple(len(chosen[one.name].kept) for one in FOUND.families)
    assert found.amount == float(PARAMETERS([planned(WHOLE, FOUND.plan(found.counts))])[0]) <= asked.target
    assert all(np.array_equal(chosen[name].kept, again[name].kept) for name in chosen)
    tries = {own.draws.tries for own in chosen.values() if own.draws}
    assert len(tries) == 1
    assert target == 1.0 or min(tries) > 5


@pytest.mark.parametrize("variant", DRAWN)
def test_the_last_try_draws_one_filter_of_each_family(variant: Variant) -> None:
    tried: list[int] = []

    def amount(designs: object) -> np.ndarray:
        tried.append(len(tried))
        return np.array([0.0 if len(tried) == TRIES else 9.0])

    chosen, found = draw_within(
        WHOLE, FOUND, SCORES, halves(1e-9), amount, variant, np.random.default_rng(0)
    )  # fmt: skip
    assert all(own.draws is not None and own.draws.samples == 1 for own in chosen.values())
    if variant is Variant.RANDOM:
        assert set(found.counts) == {1}
    with pytest.raises(InvalidSelection, match="deterministic"):
        draw_within(
            WHOLE, FOUND, SCORES, halves(1.0), lambda designs: np.full(len(designs), 1e9), variant,
            np.random.default_rng(0),
        )  # fmt: skip


@pytest.mark.parametrize("variant", DRAWN)
def test_bounds_are_those_of_the_draws_and_of_all_tries(variant: Variant) -> None:
    chosen, _ = draw_within(WHOLE, FOUND, SCORES, halves(1.0), PARAMETERS, variant, np.random.default_rng(4))
    kept = {name: own.kept for name, own in chosen.items()}
    draws = {name: own.draws for name, own in chosen.items() if own.draws}
    told = {one.layer: one for one in bounds(WHOLE.architecture, FOUND, SCORES, FOUND.left(kept), drawn=draws)}
    name, reader = "stage3.block1.conv1", "stage3.block1.conv2"
    own, layer = draws[name], WHOLE.architecture.layer(reader)
    failing = replace(BERNSTEIN, delta=BERNSTEIN.delta / (own.tries * (own.tries + 1)))
    log = logarithm(layer, failing, unsigned=True)
    assert told[reader].epsilon == pytest.approx(epsilon_for(own.samples, own.total, log, BERNSTEIN))
    assert told[reader].samples == own.samples
    assert told[reader].distinct == len(kept[name])
    assert told[reader].removed_share is None
    if variant is Variant.RANDOM:
        assert own.total == pytest.approx(SCORES[name].sum())
    else:
        assert own.total < SCORES[name].sum()
    chances = [math.exp(-replace(own, tries=tries).log_tries) for tries in range(1, TRIES + 1)]
    assert 0.9 < sum(chances) < 1
    assert math.isfinite(told["head.fc"].epsilon)
