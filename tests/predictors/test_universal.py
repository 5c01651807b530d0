from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.encoding import Column, encode_designs
from design.task import find_task
from design.zoo import find_network
from predictors.descriptor import describe
from predictors.ncnn_likeness import KNOWN_MACS, Likeness, ncnn_latency
from predictors.price_model import RUNTIMES, runtime_class
from predictors.roofline import executed_width, layer_times
from predictors.universal import UniversalLatency
from predictors.universal_weights import shipped_weights
from tests.predictors.measured_cells import cells

MODEL = UniversalLatency()
IMAGENET = find_task("imagenet")


def test_a_layer_is_the_mean_of_price_model_and_roofline_in_logs() -> None:
    device, designs = describe(find_device("pixel-2")), cells(3)
    times = layer_times(designs.rows, device)
    both = MODEL.row_seconds(designs.rows, device, times)
    share = shipped_weights().shares[runtime_class(device)]
    priced, closed = (
        UniversalLatency(replace(shipped_weights(), shares=np.full(len(RUNTIMES), own))).row_seconds(
            designs.rows, device, times
        )
        for own in (1.0, 0.0)
    )
    here = times.total > 0
    np.testing.assert_allclose(np.log(both[here]), np.log(priced[here] ** share * closed[here] ** (1 - share)))
    np.testing.assert_allclose(closed[here], times.total[here])


@pytest.mark.parametrize("address", ["raspberry-pi-4", "pixel-2", "stm32l4r5", "titan-rtx@batch_32", "eyeriss"])
def test_every_prediction_is_finite_positive_and_grows_with_the_network(address: str) -> None:
    device = describe(find_device(address))
    names = ("resnet20", "resnet18")
    small, large = (encode_designs([find_network(name).design(find_task("cifar10"))]) for name in names)
    times = [MODEL.predict(designs, device, None).median[0] for designs in (small, large)]
    assert 0 < times[0] < times[1] < 1e7


def test_all_catalogue_devices_are_within_two_orders_of_the_roofline() -> None:
    designs = cells(4)
    for entry in catalogue().values():
        device = describe(entry.profile())
        closed = designs.total(layer_times(designs.rows, device).total)
        ratio = MODEL.predict(designs, device, None).median / (1e3 * closed)
        assert (ratio > 0.01).all(), entry.id
        assert (ratio < 100).all(), entry.id


def test_thin_profiles_have_wider_intervals() -> None:
    full = find_device("pixel-2")
    thin = DeviceProfile(name="phone", kind=DeviceKind.CPU, runtime=full.runtime)
    designs = cells(4)
    wide, narrow = (MODEL.predict(designs, describe(own), None).spread for own in (thin, full))
    assert (wide > 1.2 * narrow).all()


def test_real_networks_under_ncnn_follow_the_model_of_its_timings() -> None:
    device = describe(find_device("raspberry-pi-4"))
    designs = encode_designs([find_network("resnet18").design(IMAGENET)])
    likeness = Likeness.of(designs, executed_width(designs.rows, device))
    assert likeness.weight[0] > 0.5
    found = likeness.found(device)
    plain = MODEL.mean_parts(designs, device).estimates.median[0]
    both = MODEL.predict(designs, device, None).median[0]
    assert min(plain, found.median[0]) <= both <= max(plain, found.median[0])
    assert abs(np.log(both / found.median[0])) < 0.5 * abs(np.log(plain / found.median[0])) + 1e-9
    assert ncnn_latency().supports(device)


def test_small_networks_and_other_runtimes_do_not() -> None:
    cell = cells(50)
    macs = cell.total(cell.column(Column.MACS))
    tiny = cell.take(macs < KNOWN_MACS[0])
    assert len(tiny) > 0
    for designs, address in ((tiny, "raspberry-pi-4"), (cell, "raspberry-pi-4@tflite")):
        device = describe(find_device(address))
        plain = MODEL.mean_parts(designs, device).estimates.median
        np.testing.assert_array_equal(MODEL.predict(designs, device, None).median, plain)
    width = executed_width(cell.rows, describe(find_device("raspberry-pi-4")))
    assert Likeness.of(cell, width).weight.max() < 0.5


def test_binary_layers_run_faster_where_the_device_has_fast_binary_products() -> None:
    device = describe(find_device("pixel-1"))
    designs = cells(3)
    rows = designs.rows.copy()
    body = (rows[:, Column.WEIGHT_BITS] == 32) & (rows[:, Column.IN_CHANNELS] >= 16)
    rows[body, Column.WEIGHT_BITS] = rows[body, Column.ACTIVATION_BITS] = 1
    binary = replace(designs, rows=rows)
    times = [MODEL.predict(own, device, None).median for own in (designs, binary)]
    assert (times[1] <= times[0]).all()


def test_fifty_thousand_pairs_a_second() -> None:
    """About 0.7 ms for a thousand cells on an idle core; the limit leaves room for a busy one."""
    designs, device = cells(1000), describe(find_device("pixel-2"))
    taken = []
    for _ in range(8):
        begun = time.perf_counter()
        MODEL.predict(designs, device, None)
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.02
