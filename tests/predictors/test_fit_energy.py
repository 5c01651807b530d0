from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from design.devices.catalogue import find_device
from predictors.descriptor import describe
from predictors.energy_tables import (
    EnergyTable,
    read_bitfusion,
    read_derived,
    read_jetson,
    read_mlperf_tiny,
    read_pi5,
)
from predictors.fit_energy import START, VARIANCES, deviations, fit_energy, main, read_energy_tables, records
from predictors.power_effects import KINDS, load_power_effects, shipped_power_effects
from tests.predictors.measured_cells import cells

DATA = os.environ.get("BESPOKE_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="BESPOKE_TEST_DATA names no folder of measured tables")
DEVICES = ("raspberry-pi-4", "pixel-3", "jetson-nano", "zc706", "eyeriss", "stm32l4r5", "nrf5340", "samsung-galaxy-s7")


def table(address: str, level: float, count: int = 20) -> EnergyTable:
    """A made-up device that draws exp(level) of the closed form at a time of its own."""
    own = EnergyTable(
        name="made",
        family=address,
        setting="",
        origin="measured",
        rail="device",
        profile=find_device(address),
        designs=cells(count),
        energy_mj=np.ones(count),
        latency_ms=np.random.default_rng(0).uniform(5, 50, count),
    )
    return replace(own, energy_mj=np.exp(level - deviations(own)[0]))


def test_deviations_are_those_of_power_whatever_the_time() -> None:
    made = table("raspberry-pi-4", 0.7)
    np.testing.assert_allclose(deviations(made)[0], 0.7)
    assert records([made, table("nrf5340", 0.1)]).device.tolist() == [1.0] * 20 + [0.0] * 20


def test_levels_are_found_and_shrunk() -> None:
    """A kind with one high device is taken to be high, but by far less than that device."""
    levels = dict.fromkeys(DEVICES, 0.0) | {"eyeriss": 1.5}
    found, variances = fit_energy([table(address, level) for address, level in levels.items()])
    by_kind = dict(zip([kind.value for kind in KINDS], found.means[:, 0], strict=True))
    assert 0.05 < by_kind["asic"] < 0.75
    assert abs(by_kind["cpu"]) < 0.1
    assert by_kind["asic"] == max(by_kind.values())
    assert variances[VARIANCES.index("noise")] < START[VARIANCES.index("noise")]


def test_intervals_of_a_further_device_are_as_wide_as_devices_differ() -> None:
    rng = np.random.default_rng(3)
    wide, _ = fit_energy([table(address, level) for address, level in zip(DEVICES, rng.normal(0, 0.9, 8), strict=True)])
    narrow, _ = fit_energy([table(address, 0.0) for address in DEVICES])
    assert (wide.covariances[:, 0, 0] > 2 * narrow.covariances[:, 0, 0]).all()


@needs_data
def test_tables_say_what_they_are() -> None:
    folder = Path(DATA or "")
    tiny = read_mlperf_tiny(folder)
    assert {one.family for one in tiny} == {"stm32l4r5", "efr32mg24", "ndp9120"}
    assert {one.origin for one in tiny} == {"measured"}
    assert sum(len(one) for one in tiny) == 46  # 58 with energy, 12 submitted again
    fpga, eyeriss = read_derived(folder, np.arange(50))
    assert fpga.origin == eyeriss.origin == "derived"
    np.testing.assert_allclose(fpga.energy_mj, 7 * fpga.latency_ms)
    five = read_pi5(folder)
    assert (five.origin, five.rail, len(five)) == ("measured", "core", 6466)
    watts = five.energy_mj / five.latency_ms
    assert 1.2 < np.quantile(watts, 0.05) < np.quantile(watts, 0.95) < 1.6
    module = read_jetson(folder)
    assert ((module.energy_mj / module.latency_ms > 4.1) & (module.energy_mj / module.latency_ms < 4.7)).all()
    simulated = read_bitfusion(folder, 50)
    assert simulated.origin == "simulated"
    assert set(simulated.designs.rows[1:, 18]) == {4.0, 8.0}


@needs_data
def test_shipped_weights_are_those_of_the_fit(tmp_path: Path) -> None:
    out = tmp_path / "energy.safetensors"
    main(["--data", str(DATA), "--out", str(out)])
    again, shipped = load_power_effects(out), shipped_power_effects()
    np.testing.assert_allclose(again.means, shipped.means, atol=1e-3)
    np.testing.assert_allclose(again.covariances, shipped.covariances, rtol=1e-2, atol=1e-3)
    assert "| nb201_pi5 | bcm2712 | cpu | measured | core |" in out.with_suffix(".md").read_text()


@needs_data
def test_a_family_left_out_lies_inside_the_intervals_of_power() -> None:
    tables = read_energy_tables(Path(DATA or ""), pi5=False)
    for family in ("stm32l4r5", "efr32mg24", "ndp9120", "tegrax2"):
        found, _ = fit_energy([one for one in tables if one.family != family])
        own = [one for one in tables if one.family == family]
        prior = found.prior(describe(own[0].profile.model_copy(update={"active_w": None})))
        scores = []
        for one in own:
            deviation, traits = deviations(one)
            mean, variance = prior.predict(traits)
            scores.append(np.abs(deviation - mean) / np.sqrt(variance))
        assert (np.concatenate(scores) < 1.645).mean() > 0.7, family
