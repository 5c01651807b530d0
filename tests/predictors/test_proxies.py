from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.encoding import EncodedDesigns
from design.task import Task, find_task
from predictors.adapt import OtherDevice, adapt
from predictors.adapted_latency import AdaptedLatency
from predictors.descriptor import Descriptor, describe
from predictors.measurement import Measurements
from predictors.predict import predict
from predictors.predictor import Estimates
from predictors.proxies import LEAST_MEASURED, KnownDevice, Proxy, proxies
from predictors.proxy_reference import SPACES, bound_shares, reference_designs
from predictors.universal import UniversalLatency

TARGET = "raspberry-pi-4"


@pytest.fixture(scope="module")
def found() -> list[Proxy]:
    return proxies(find_device(TARGET), limit_ms=20.0)


def test_every_other_catalogue_device_is_compared_in_every_space(found: list[Proxy]) -> None:
    assert {one.id for one in found} == set(catalogue()) - {TARGET}
    for one in found:
        assert [rank.space for rank in one.spaces] == list(SPACES)
        for rank in one.spaces:
            assert rank.basis == "predicted"
            assert -1 <= rank.rank.low <= rank.rank.rho <= rank.rank.high <= 1
            assert rank.expected.low < rank.expected.rho < rank.expected.high
            assert 0 < rank.reuse_chance < 1


def test_the_best_comes_first_by_its_weakest_space(found: list[Proxy]) -> None:
    lows = [min(rank.expected.low for rank in one.spaces) for one in found]
    assert lows == sorted(lows, reverse=True)
    assert found[0].weakest.rank.rho > 0.95 > 0.6 > found[-1].weakest.rank.rho


def test_predictions_alone_never_earn_reuse(found: list[Proxy]) -> None:
    assert {one.verdict for one in found} == {"adapt", "no"}
    assert not any(one.front_reusable for one in found)
    for one in found:
        assert "a prediction, not a measurement" in one.explanation


def test_the_explanation_names_what_bounds_both(found: list[Proxy]) -> None:
    own = bound_shares(find_device(TARGET))
    for one in found:
        assert sum(one.bounds.values()) == pytest.approx(1.0)
        same = max(own, key=lambda bound: own[bound]) == max(one.bounds, key=lambda bound: one.bounds[bound])
        assert one.explanation.startswith("Both are limited by" if same else "They are limited by different things")
        assert f"{max(one.bounds.values()):.0%}" in one.explanation


def test_a_limit_is_said_in_the_proxys_milliseconds(found: list[Proxy]) -> None:
    limits = [rank.limit for rank in found[0].spaces]
    assert all(limit is not None and limit.agreement > 0.97 for limit in limits)
    assert all(rank.limit is None for rank in proxies(find_device(TARGET))[0].spaces)


def test_the_same_figures_under_another_name_are_the_same_device() -> None:
    first = proxies(find_device(TARGET).model_copy(update={"name": "mine"}))[0]
    assert (first.id, first.verdict) == (TARGET, "reuse")
    assert "no measurement was compared" in first.explanation


def test_a_thin_profile_is_enough() -> None:
    assert len(proxies(DeviceProfile(name="unknown", kind=DeviceKind.MCU))) == len(catalogue())


def test_answers_come_at_once_when_the_catalogue_is_warm(found: list[Proxy]) -> None:
    del found
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        proxies(find_device("jetson-nano"))
        best = min(best, time.perf_counter() - started)
    assert best < 0.25


def test_reference_designs_are_drawn_once_and_unpruned() -> None:
    assert {name: len(one) for name, one in reference_designs().items()} == SPACES
    assert reference_designs() is reference_designs()


class Reversed:
    """Predicts that what is slow elsewhere is fast here."""

    name, version = "reversed", "1"

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        plain = UniversalLatency().predict(designs, device, task)
        return Estimates(median=1 / plain.median, spread=plain.spread, scale="log")


def test_a_predictor_of_the_target_alone_counts(found: list[Proxy]) -> None:
    turned = {one.id: one for one in proxies(find_device(TARGET), target_predictor=Reversed())}
    for one in found:
        for rank, other in zip(one.spaces, turned[one.id].spaces, strict=True):
            assert other.rank.rho == pytest.approx(-rank.rank.rho)


def test_rows_of_a_measured_table_take_the_place_of_predictions(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(1, 10, 200)
    path = tmp_path / "nb201.npz"
    devices = ("gold_6240", "silver_4210r", "eyeriss", "raspi4")
    latency = np.stack([base, base**1.2, rng.permutation(base), np.where(np.arange(200) < 150, base, np.nan)])
    np.savez(path, devices=np.array(devices), latency_ms=latency)
    ranked = proxies(find_device("xeon-gold-6240"), tables=[path], limit_ms=5.0)
    by_id = {one.id: one for one in ranked}
    near, far, other = by_id["xeon-silver-4210r"], by_id["eyeriss"], by_id["raspberry-pi-4@tflite"]
    assert (near.weakest.basis, near.weakest.space, near.verdict) == ("measured", "nasbench201", "reuse")
    assert near.front_reusable
    assert near.weakest.limit is not None
    assert near.weakest.limit.proxy_ms == pytest.approx(5.0**1.2, rel=0.02)
    assert near.explanation.count("Measured rank correlation in nasbench201") == 1
    assert "prediction" not in near.explanation.replace("predicted time", "")
    assert far.verdict == "no"
    assert other.weakest.rank.designs == 150
    assert [one.basis for one in near.spaces] == ["predicted", "predicted", "measured"]
    assert by_id["gtx-1080-ti"].weakest.basis == "predicted"
    unknown = find_device("xeon-gold-6240").model_copy(update={"name": "mine", "cores": 3})
    assert all(rank.basis == "predicted" for one in proxies(unknown, tables=[path]) for rank in one.spaces)


def test_real_pairs_of_a_measured_table() -> None:
    folder = os.environ.get("BESPOKE_TEST_DATA")
    if folder is None:
        pytest.skip("BESPOKE_TEST_DATA is not set")
    tables = [Path(folder) / "nb201.npz"]
    by_id = {one.id: one for one in proxies(find_device("xeon-gold-6240"), tables=tables)}
    assert by_id["xeon-silver-4210r"].verdict == "reuse"
    by_id = {one.id: one for one in proxies(find_device("eyeriss"), tables=tables)}
    assert by_id["pixel-3"].weakest.basis == "measured"
    assert by_id["pixel-3"].verdict != "reuse"


def test_networks_measured_on_both_take_the_place_of_predictions() -> None:
    profile = find_device("raspberry-pi-4")
    own = {f"network {place}": float(place + 1) for place in range(LEAST_MEASURED)}
    same = KnownDevice(id="same", profile=profile, latency_ms={key: 2 * value for key, value in own.items()})
    turned = KnownDevice(id="turned", profile=profile, latency_ms={key: 1 / value for key, value in own.items()})
    few = KnownDevice(id="few", profile=profile, latency_ms=dict(list(own.items())[:-1]))
    found = {one.id: one for one in proxies(profile, known=(same, turned, few), latency_ms=own, limit_ms=3.0)}
    for name, rho in (("same", 1.0), ("turned", -1.0)):
        assert found[name].weakest.basis == "measured"
        assert found[name].weakest.rank.rho == pytest.approx(rho)
        assert found[name].weakest.rank.designs == LEAST_MEASURED
    limit = found["same"].weakest.limit
    assert limit is not None
    assert limit.proxy_ms == pytest.approx(6.0)
    assert found["turned"].verdict == "no"
    assert {one.basis for one in found["few"].spaces} == {"predicted"}


def test_an_adapted_predictor_says_what_adapted_predictions_say() -> None:
    device, designs = describe(find_device("raspberry-pi-4")), reference_designs()["nasbench201"]
    task = find_task("cifar10")
    few = designs.take(np.arange(12))
    latency = 2 * predict(few, device, task).latency_ms.median
    adaptation = adapt(device, Measurements(designs=few, latency_ms=latency, energy_mj=np.full(12, np.nan)))
    own = AdaptedLatency(adaptation)
    found = own.predict(designs, device, task)
    expected = predict(designs, device, task, adaptation=adaptation).latency_ms
    np.testing.assert_array_equal(found.median, expected.median)
    np.testing.assert_array_equal(found.spread, expected.spread)
    with pytest.raises(OtherDevice):
        own.predict(designs, describe(find_device("raspberry-pi-5")), task)
