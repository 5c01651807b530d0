"""Many devices in one pass: no device gets another figure than it gets alone."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from design.device import DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.encoding import EncodedDesigns, encode_designs
from design.errors import UnknownName
from design.joined import joined
from design.spaces.registry import SPACES
from design.task import find_task
from design.zoo import find_network
from predictors import descriptors, latency_prior
from predictors.descriptor import Descriptor, describe
from predictors.descriptors import Descriptors, alike
from predictors.layer_sums import LayerSums
from predictors.ncnn_likeness import Likeness, runs_ncnn
from predictors.peaks import BitPairs
from predictors.predict import predict
from predictors.predict_each import predict_each
from predictors.roofline import executed_width

TASK = find_task("cifar10")


def offered() -> EncodedDesigns:
    """Designs of every space, and networks like those of the ncnn timings."""
    random = np.random.default_rng(0)
    parts = []
    for space in SPACES.values():
        sizes = [len(gene.choices) for gene in space.genes(TASK)]
        genotypes = np.stack([random.integers(0, size, 12) for size in sizes], axis=1)
        parts.append(space.rows(TASK, space.canonical(TASK, genotypes)))
    known = encode_designs([find_network(name).design() for name in ("resnet18", "mobilenet_v2", "mobilenet_v1")])
    return joined([*parts, known])


def fleets() -> dict[BitPairs, list[Descriptor]]:
    """The catalogue in every setting, and profiles that state rare figures, by what they run."""
    profiles = [device.profile(setting) for device in catalogue().values() for setting in device.settings]
    for one, more in (
        ("eyeriss", {"pooling_on_mac_array": True}),
        ("eyeriss", {"pooling_on_mac_array": False}),
        ("raspberry-pi-4", {"energy_pj_per_mac": {"int8": 3.0}, "energy_pj_per_byte_dram": 90.0}),
        ("raspberry-pi-4", {"energy_pj_per_byte_sram": 9.0, "batch_size": 4}),
    ):
        profiles.append(DeviceProfile.model_validate(find_device(one).model_dump() | more))
    found: dict[BitPairs, list[Descriptor]] = defaultdict(list)
    for profile in profiles:
        device = describe(profile)
        found[device.supported_bits].append(device)
    return found


@pytest.mark.parametrize("held", [1, 60_000, 10**7])
def test_each_device_gets_what_it_gets_alone(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictors.predict_each.HELD", held)
    monkeypatch.setattr(latency_prior, "HELD", held)
    designs, groups = offered(), fleets()
    assert max(map(len, groups.values())) > 20
    kinds = {device.profile.kind for own in groups.values() for device in own}
    assert len(kinds) == 6
    for own in groups.values():
        for device, found in zip(own, predict_each(designs, own, TASK, energy_model="bit_dependent"), strict=True):
            alone = predict(designs, device, TASK, energy_model="bit_dependent")
            for figure in ("latency_ms", "energy_mj", "accuracy"):
                mine, other = getattr(found, figure), getattr(alone, figure)
                np.testing.assert_allclose(mine.median, other.median, rtol=1e-12, err_msg=device.profile.name)
                np.testing.assert_allclose(mine.spread, other.spread, rtol=1e-12, err_msg=device.profile.name)
            np.testing.assert_array_equal(found.peak_memory_bytes, alone.peak_memory_bytes)
            assert found.sources == alone.sources
            assert (found.energy_model, found.accuracy_basis) == (alone.energy_model, alone.accuracy_basis)


def test_who_else_is_in_the_fleet_changes_no_digit() -> None:
    designs = offered()
    own = max(fleets().values(), key=len)
    assert any(runs_ncnn(device) for device in own)
    together = predict_each(designs, own, TASK)
    for at in range(0, len(own), 5):
        (alone,) = predict_each(designs, [own[at]], TASK)
        np.testing.assert_array_equal(alone.latency_ms.median, together[at].latency_ms.median)
        np.testing.assert_array_equal(alone.energy_mj.median, together[at].energy_mj.median)
        np.testing.assert_array_equal(alone.latency_ms.spread, together[at].latency_ms.spread)


def test_a_microcontroller_beside_a_cpu_changes_no_digit_of_it() -> None:
    designs = offered()
    for own in fleets().values():
        controllers = [device for device in own if device.weights_in_flash]
        for device in [device for device in own if not device.weights_in_flash and controllers][::4]:
            (alone,), (beside, _) = (predict_each(designs, few, TASK) for few in ([device], [device, controllers[0]]))
            np.testing.assert_array_equal(alone.latency_ms.median, beside.latency_ms.median)
            np.testing.assert_array_equal(alone.energy_mj.median, beside.energy_mj.median)


def test_networks_of_one_length_are_summed_over_all_their_layers() -> None:
    devices = [device for device in max(fleets().values(), key=len) if runs_ncnn(device)]
    designs = encode_designs([find_network("resnet18").design()])
    assert (designs.row_ids > 0).all()
    likeness = Likeness.of(designs, executed_width(designs.rows, devices[0]))
    for device, found in zip(devices, likeness.found_each(devices), strict=True):
        np.testing.assert_allclose(found.median, likeness.found(device).median, rtol=1e-12)
        np.testing.assert_allclose(found.spread, likeness.found(device).spread, rtol=1e-12)


def test_sums_equal_their_slow_twin() -> None:
    designs = offered()
    figures = np.random.default_rng(1).random((3, len(designs.rows)))
    sums, shared = LayerSums(designs).of(figures, figures[0], number=3)
    for row, own in zip(sums, figures, strict=True):
        np.testing.assert_allclose(row, designs.total(own), rtol=1e-12)
    np.testing.assert_array_equal(shared, np.broadcast_to(sums[0], shared.shape))


def test_figures_that_agree_are_numbers_and_others_columns() -> None:
    profile = find_device("raspberry-pi-4")
    one, other = describe(profile), describe(profile.model_copy(update={"memory_bandwidth_gbps": 3.0}))
    mixed = Descriptors.of([one, other])
    assert (mixed.cache_bytes, mixed.winograd) == (one.cache_bytes, one.winograd)
    memory = [device.memory_bytes_per_second for device in (one, other)]
    assert np.asarray(mixed.memory_bytes_per_second).tolist() == [[memory[0]], [memory[1]]]
    assert sorted(alike([other, one, other])) == [0, 1, 2]
    assert descriptors.anywhere(np.array([[False], [True]]))
    assert not descriptors.anywhere(False)


@pytest.mark.parametrize("held", [1, 60_000])
def test_unlike_devices_and_unknown_models_are_refused(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictors.predict_each.HELD", held)
    designs, groups = offered(), list(fleets().values())
    assert predict_each(designs, [], TASK) == []
    with pytest.raises(ValueError, match="same precisions"):
        predict_each(designs, [groups[0][0], groups[1][0]], TASK)
    with pytest.raises(UnknownName):
        predict_each(designs, groups[0][:1], TASK, energy_model="guess")
