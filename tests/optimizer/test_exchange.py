"""Sets of changes: what they promise is what adds up, limits are priced, and the batch is varied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from design.device import DeviceProfile
from optimizer.exchange import SIZE_CLASSES, SIZES, Changes, combined, prices
from optimizer.objective import Scores
from optimizer.trials import Trials
from tests.optimizer.asking import ask, trials_of


def trials(**limits: Any) -> Trials:
    return trials_of(ask("raspberry-pi-4", "resnet", task="digits", **limits))


def one_design(own: Trials, seed: int = 0) -> Scores:
    return own.score(own.mask.sample(1, np.random.default_rng(seed)))


@pytest.mark.parametrize("bits", [None, [[8, 8]]])
@pytest.mark.parametrize("seed", range(4))
def test_changes_are_all_single_ones_that_have_an_effect(bits: list[list[int]] | None, seed: int) -> None:
    """A gene that a change gives an effect (the shortcut of a deeper network) has a choice that the device can run."""
    problem = ask("raspberry-pi-4", "resnet", task="digits")
    stated = problem.device.model_dump() | ({} if bits is None else {"supported_bits": bits})
    own = trials_of(replace(problem, device=DeviceProfile.model_validate(stated)))
    genotype = own.allowed(own.mask.sample(1, np.random.default_rng(seed)))[0]
    found = Changes.of(own, genotype)
    expected = {}
    for gene, choices in enumerate(own.mask.choices):
        for choice in choices:
            changed = genotype.copy()
            changed[gene] = choice
            canonical = own.allowed(changed[None])[0]
            if (canonical != genotype).any():
                expected[gene, choice] = canonical.tolist()
    pairs = zip(found.genes.tolist(), found.choices.tolist(), strict=True)
    assert dict(zip(pairs, found.genotypes.tolist(), strict=True)) == expected


def test_the_first_prices_are_nothing_and_each_limit_has_its_own() -> None:
    assert prices(0).shape == (1, 0)
    assert prices(1)[0].tolist() == [0]
    assert (np.diff(prices(1)[:, 0]) > 0).all()
    three = prices(3)
    assert not three[0].any()
    assert ((three > 0).sum(axis=1) == 1).sum() == 3 * (len(prices(1)) - 1)
    assert ((three > 0).sum(axis=1) == 3).any()


def test_sets_are_several_changes_of_different_genes_and_within_the_count() -> None:
    own = trials(model_kb=40.0, latency_ms=2.0)
    here = one_design(own)
    changes = Changes.of(own, here.genotypes[0])
    near = own.score(changes.genotypes)
    found = combined(own.objective, here, changes, near, 64)
    changed = (found != here.genotypes).sum(axis=1)
    assert 8 < len(found) <= 64
    assert changed.min() >= 2
    assert len(np.unique(found, axis=0)) == len(found)
    classes = np.searchsorted(SIZES, changed)
    assert np.bincount(classes).max() <= 64 // SIZE_CLASSES
    assert np.array_equal(found, own.mask.apply(found))


def test_sets_reach_limits_that_single_changes_do_not() -> None:
    """From a design in full precision far beyond a limit on size to one within it, in one step."""
    own = trials(model_kb=60.0)
    here = own.score(np.array([[choices[0] for choices in own.mask.choices]]))
    changes = Changes.of(own, here.genotypes[0])
    near = own.score(changes.genotypes)
    several = own.score(combined(own.objective, here, changes, near, 64))
    assert not own.objective.feasible(here)
    assert own.objective.rank(own.objective.best(several)) < own.objective.rank(own.objective.best(near))
    assert own.objective.feasible(own.objective.best(several))


def test_costs_of_sets_add_up_nearly_as_foretold() -> None:
    """Sizes are sums over layers: two changes in different blocks change them by exactly the sum of both."""
    own = trials(model_kb=40.0)
    here = one_design(own, 5)
    changes = Changes.of(own, here.genotypes[0])
    near = own.score(changes.genotypes)
    bits = [at for at, gene in enumerate(changes.genes) if own.space.genes(own.task)[gene].precisions]
    first, second = bits[0], bits[-1]
    assert changes.genes[first] != changes.genes[second]
    both = here.genotypes[0].copy()
    for at in (first, second):
        both[changes.genes[at]] = changes.choices[at]
    got = own.score(both[None]).model_bytes[0] - here.model_bytes[0]
    assert got == pytest.approx(near.model_bytes[[first, second]].sum() - 2 * here.model_bytes[0])


def test_without_changes_the_design_stays() -> None:
    own = trials()
    here = one_design(own)
    nothing = Changes(
        genes=np.zeros(0, dtype=np.int64),
        choices=np.zeros(0, dtype=np.int64),
        genotypes=np.zeros((0, here.genotypes.shape[1]), dtype=np.int64),
    )
    near = here.take(np.zeros(0, dtype=np.int64))
    assert np.array_equal(combined(own.objective, here, nothing, near, 8), here.genotypes)
