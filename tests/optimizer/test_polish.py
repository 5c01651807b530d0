"""Polishing never makes a design worse, keeps within its budget, and its two batches hold what they say."""

from __future__ import annotations

import numpy as np

from optimizer import polish as polish_module
from optimizer.exchange import Changes
from optimizer.polish import HILLS, TRIED, climbed, polish
from optimizer.trials import Trials
from tests.optimizer.asking import ask, trials_of


def trials(seed: int = 0) -> Trials:
    found = trials_of(ask("raspberry-pi-4", "vgg", task="digits", latency_ms=0.5, model_kb=20))
    found.score(found.mask.sample(8, np.random.default_rng(seed)))
    return found


def test_never_worse_and_within_its_budget() -> None:
    for seed in range(3):
        own = trials(seed)
        before, asked = own.objective.rank(own.best()), own.evaluations
        single = max(len(Changes.of(own, one)) for one in own.scores.genotypes)
        found = polish(own, 2)
        assert own.objective.rank(found) == own.objective.rank(own.best()) < before
        assert own.evaluations <= asked + (HILLS + 1) * (2 * single + TRIED)


def test_a_step_is_at_least_as_good_as_every_single_change() -> None:
    own = trials()
    place = own.best()
    changes = Changes.of(own, place.genotypes[0])
    near = own.score(changes.genotypes)
    (reached,) = climbed(own, [place])
    assert own.objective.rank(reached) <= min(own.objective.rank(place), own.objective.rank(own.objective.best(near)))


def test_places_are_climbed_from_apart() -> None:
    own = trials()
    places = [own.scores.take(np.array([number])) for number in range(3)]
    together = climbed(own, places)
    alone = [climbed(own, [place])[0] for place in places]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.genotypes, other.genotypes)


def test_what_stays_encoded_serves_other_limits_too() -> None:
    polish_module._encoded.cache_clear()
    first, other = trials(), trials_of(ask("raspberry-pi-4", "vgg", task="digits", model_kb=5))
    place = first.best()
    climbed(first, [place])
    (again,) = climbed(other, [other.score(place.genotypes)])
    assert polish_module._encoded.cache_info().hits == 1
    polish_module._encoded.cache_clear()
    fresh = trials_of(ask("raspberry-pi-4", "vgg", task="digits", model_kb=5))
    (alone,) = climbed(fresh, [fresh.score(place.genotypes)])
    assert np.array_equal(again.genotypes, alone.genotypes)
    assert np.array_equal(again.at_risk, alone.at_risk)


def test_where_nothing_helps_it_stops() -> None:
    own = trials()
    top = polish(own, 30)
    asked = own.evaluations
    again = polish(own, 30)
    assert own.objective.rank(again) <= own.objective.rank(top)
    assert polish(own, 0).genotypes.tolist() == own.best().genotypes.tolist()
    assert asked < own.evaluations < 2 * asked + 30 * (TRIED + 200)
