"""Second looks of a fleet: what devices whose limits are broken are offered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from design.constraints import Constraints
from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer import fleet as fleet_module
from optimizer.fleet import FleetMember, optimize_fleet
from optimizer.fleet_looks import Offer, adapted_look, offered, second_look
from optimizer.objective import Objective
from optimizer.observation import PROBES, observe, observe_all, probes_together
from optimizer.problem import Problem
from optimizer.repair import usable_spaces
from optimizer.synthetic_profiles import synthetic_profiles
from predictors.descriptor import describe
from predictors.predict import own_figures, predict

TASK = find_task("cifar10")
Bits = tuple[tuple[int, int], ...]


def microcontroller(bits: Bits) -> DeviceProfile:
    return DeviceProfile.model_validate(find_device("stm32f746").model_dump() | {"supported_bits": bits})


def look(at: Callable[..., Offer | None], profile: DeviceProfile) -> Offer | None:
    limits = Constraints(latency_ms=500.0, model_kb=100.0)
    problem, device = Problem(device=profile, task=TASK, constraints=limits), describe(profile)
    return at(problem, device, Objective.of(problem, device), usable_spaces((), SPACES, TASK, device))


def test_nobody_loses_and_more_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Constraints(latency_ms=20.0, energy_mj=5.0, min_accuracy=0.85)
    problems = [Problem(device=profile, task=TASK, constraints=limits) for profile in synthetic_profiles(60, 5)]
    found = [one for one in optimize_fleet(problems).members if isinstance(one, FleetMember)]
    monkeypatch.setattr(fleet_module, "_look_again", lambda *_: None)
    before = [one for one in optimize_fleet(problems).members if isinstance(one, FleetMember)]
    for old, new in zip(before, found, strict=True):
        assert new.objective.rank(new.scores) <= old.objective.rank(old.scores)
        assert not old.feasible or (new.genotype == old.genotype).all()
    assert sum(one.feasible for one in found) > sum(one.feasible for one in before)


@pytest.mark.parametrize("at", [second_look, adapted_look])
def test_offers_run_on_the_device_and_are_what_predictions_of_them_alone_say(at: Callable[..., Offer | None]) -> None:
    profile = microcontroller(((16, 16), (8, 8), (4, 8)))
    offer, device = look(at, profile), describe(profile)
    assert offer is not None
    mask = {space.name: own for space, own in usable_spaces((), SPACES, TASK, device)}[offer.space.name]
    assert (mask.apply(offer.scores.genotypes) == offer.scores.genotypes).all()
    alone = predict(offer.space.rows(TASK, offer.scores.genotypes), device, TASK)
    for name in ("latency_ms", "energy_mj", "accuracy"):
        own, again = getattr(offer.predictions, name), getattr(alone, name)
        assert own.median == pytest.approx(again.median, rel=1e-6)
        assert own.spread == pytest.approx(again.spread, rel=1e-6)
    for name in ("model_bytes", "peak_memory_bytes", "training_memory_bytes"):
        assert getattr(offer.predictions, name) == pytest.approx(getattr(alone, name))


def test_precisions_that_no_uniform_design_has_are_served_by_adapted_ones() -> None:
    """Without 8 bits, what offers run first layers at cannot be run as it stands."""
    profile = microcontroller(((16, 16), (1, 1)))
    offer = look(adapted_look, profile)
    assert offer is not None
    bits = {own.weight_bits for own in offer.space.decode(TASK, offer.scores.genotypes[0]).policy.layers.values()}
    assert bits <= {16, 1}


def test_offers_are_few_and_distinct() -> None:
    for space in SPACES.values():
        found = offered(space, TASK)  # type: ignore[arg-type]  # by identity
        assert found.genotypes is not None
        assert 10 < len({own.tobytes() for own in found.genotypes}) == len(found) <= 120


def test_spaces_observed_together_are_observed_as_each_alone() -> None:
    spaces, device = tuple(SPACES.values()), describe(find_device("raspberry-pi-4"))
    together = observe_all(spaces, TASK, device, "horowitz")
    for space, found in zip(spaces, together, strict=True):
        alone = observe(space, TASK, device, "horowitz")
        assert found.costs.shape == (PROBES, 2)
        for name in ("costs", "spreads", "accuracy", "accuracy_spread", "memory"):
            assert getattr(found, name) == pytest.approx(getattr(alone, name), rel=1e-6, abs=1e-6)


def test_sets_put_together_keep_what_each_is_on_any_device() -> None:
    """Accuracy of measured cells comes from a table that a set of several spaces could not be looked up in."""
    found = own_figures(probes_together(tuple(SPACES.values()), TASK), TASK)
    at = list(SPACES).index("nasbench201") * PROBES
    own = own_figures(probes_together((SPACES["nasbench201"],), TASK), TASK)
    assert found.accuracy.median[at : at + PROBES].tolist() == own.accuracy.median.tolist()
    assert found.model_bytes[at : at + PROBES] == pytest.approx(own.model_bytes)
