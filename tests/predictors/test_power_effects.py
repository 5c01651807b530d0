from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile, PerArithmetic
from predictors.call_energy import POWER_TRAITS
from predictors.costs import costs_of
from predictors.descriptor import describe
from predictors.energy import ENERGY_MODELS
from predictors.figures import BASE_LATENCY_SPREAD
from predictors.power import ClosedFormEnergy
from predictors.power_effects import KINDS, learned_energy, load_power_effects, shipped_power_effects
from predictors.storage import InvalidWeights
from tests.predictors.measured_cells import TASK, cells, device

OWN = device()


def test_learned_energy_is_the_closed_form_times_what_was_learned() -> None:
    """Design by design, layer by layer: the slow twin."""
    designs = cells(5)
    costs, prior = costs_of(designs, OWN, "horowitz"), shipped_power_effects().prior(OWN)
    latency = costs.latency_ms
    found = learned_energy(costs.call_energy, prior, replace(latency, median=2 * latency.median), OWN)
    for place, ids in enumerate(designs.row_ids):
        rows = [row for row in ids.tolist() if row]
        static = OWN.static_w * 2 * latency.median[place] / 1e3
        arithmetic = sum(costs.energies.arithmetic[row] for row in rows)
        memory = sum(costs.energies.memory[row] for row in rows)
        total = static + arithmetic + memory
        traits = np.array([1.0, arithmetic / total, memory / total])
        assert found.median[place] == pytest.approx(1e3 * total * np.exp(traits @ prior.mean))
        variance = traits @ prior.covariance @ traits + prior.noise
        variance += (static / total * latency.spread[place]) ** 2
        assert found.spread[place] == pytest.approx(np.sqrt(variance))


def test_energy_follows_time_only_where_power_does_not_rest_on_an_assumed_peak() -> None:
    designs = cells(4)
    bare = describe(DeviceProfile(name="any", kind=DeviceKind.NPU))
    stated = describe(DeviceProfile(name="any", kind=DeviceKind.NPU, peak_gmacs=PerArithmetic(int8=100.0)))
    assert (bare.static_per_call, stated.static_per_call, OWN.static_per_call) == (True, False, False)
    for own in (bare, stated, OWN):
        costs = costs_of(designs, own, "horowitz")
        slower = replace(costs.latency_ms, median=3 * costs.latency_ms.median)
        ratio = costs.energy_mj(slower).median / costs.energy_mj(costs.latency_ms).median
        assert (ratio == 1).all() if own is bare else ((ratio > 1.5) & (ratio <= 3.01)).all()
    costs = costs_of(designs, bare, "horowitz")
    usual = BASE_LATENCY_SPREAD[DeviceKind.NPU] * costs.call_energy.time_share
    assert (costs.energy_mj(costs.latency_ms).spread > usual).all()


@pytest.mark.parametrize("name", sorted(ENERGY_MODELS))
def test_learned_and_closed_form_agree_within_what_power_leaves_open(name: str) -> None:
    designs = cells(20)
    costs = costs_of(designs, OWN, name)
    plain = ClosedFormEnergy(name).predict(designs, OWN, TASK)
    ratio = costs.energy_mj(costs.latency_ms).median / plain.median
    assert ((ratio > 1 / 3) & (ratio < 3)).all()


def test_shipped_effects_are_proper_and_intervals_are_honest_for_every_kind() -> None:
    effects = shipped_power_effects()
    assert effects.means.shape == (len(KINDS), len(POWER_TRAITS))
    for kind in KINDS:
        own = describe(DeviceProfile(name="any", kind=kind, process_nm=28))
        prior = effects.prior(own)
        assert np.linalg.eigvalsh(prior.covariance).min() > 0
        assert 2 < np.exp(1.645 * np.sqrt(prior.covariance[0, 0])) < 5
        assert abs(prior.mean[0]) < np.log(2)
        bare = effects.prior(describe(DeviceProfile(name="any", kind=kind)))
        assert bare.covariance[0, 0] > prior.covariance[0, 0]


def test_stated_power_is_drawn_over_the_time_and_is_trusted_more() -> None:
    designs = cells(6)
    profile = DeviceProfile(name="any", kind=DeviceKind.MCU, clock_ghz=0.1, cores=1)
    plain, stated = (describe(profile.model_copy(update={"active_w": watts})) for watts in (None, 0.03))
    assert stated.static_w == 0.03
    assert "idle_w" not in {item.field for item in stated.assumed}
    before, after = (costs_of(designs, own, "horowitz") for own in (plain, stated))
    watts = after.energy_mj(after.latency_ms).median / after.latency_ms.median
    assert ((watts > 0.02) & (watts < 0.06)).all()
    assert (after.energy_mj(after.latency_ms).spread < before.energy_mj(before.latency_ms).spread).all()


def test_weights_survive_the_disk_and_damage_is_found(tmp_path: Path) -> None:
    effects = shipped_power_effects()
    path = tmp_path / "energy.safetensors"
    effects.save(path, {"seed": "0"})
    again = load_power_effects(path)
    np.testing.assert_allclose(again.covariances, effects.covariances, rtol=1e-6)
    assert again.noise == pytest.approx(effects.noise)
    replace(effects, means=effects.means[:2]).save(path, {})
    with pytest.raises(InvalidWeights, match="means"):
        load_power_effects(path)
