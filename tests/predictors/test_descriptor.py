from __future__ import annotations

import time

import pytest

from design.device import DeviceKind, DeviceProfile, PerArithmetic
from design.devices.catalogue import catalogue, find_device
from predictors.descriptor import describe, process_factor

BOARD = DeviceProfile(
    name="board",
    kind=DeviceKind.CPU,
    core="Cortex-A72",
    isa="armv8.0-a neon",
    cores=4,
    clock_ghz=1.5,
    simd_bits=128,
    fp32_macs_per_cycle=4,
    fp16_arithmetic=False,
    peak_gmacs=PerArithmetic(fp32=24, int8=48, binary=288),
    memory_bandwidth_gbps=12.8,
    last_level_cache_kb=1024,
    launch_overhead_us=5,
    batch_size=1,
    threads=1,
    runtime="onnxruntime",
    process_nm=28,
    idle_w=1.0,
    supported_bits=((32, 32), (8, 8), (1, 1)),
)


def test_nothing_is_assumed_of_a_complete_profile() -> None:
    found = describe(BOARD)
    assert found.assumed == ()
    assert found.macs_per_second[32] == pytest.approx(6e9)
    assert found.macs_per_second[8] == pytest.approx(12e9)
    assert found.cache_bytes == 1024 * 1024
    assert found.supported_bits == ((32, 32), (8, 8), (1, 1))


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_a_name_and_a_kind_are_enough_and_all_else_is_listed(kind: DeviceKind) -> None:
    found = describe(DeviceProfile(name="nothing known", kind=kind))
    listed = {assumption.field for assumption in found.assumed}
    assert {"supported_bits", "launch_overhead_us", "batch_size", "runtime", "process_nm", "idle_w"} <= listed
    assert all(rate > 0 for rate in found.macs_per_second.values())
    assert min(found.memory_bytes_per_second, found.cache_bytes_per_second, found.cache_bytes, found.static_w) > 0
    assert found.latency_spread > 0.6


@pytest.mark.parametrize("address", sorted(catalogue()))
def test_every_catalogue_device_has_finite_figures_that_narrower_arithmetic_never_slows(address: str) -> None:
    found = describe(find_device(address))
    rates = [found.macs_per_second[bits] for bits in (32, 16, 8, 4, 2, 1)]
    assert rates == sorted(rates)
    assert rates[0] > 0
    assert rates[-1] < 1e18
    assert 0.4 < found.latency_spread < 2


@pytest.mark.parametrize(
    "dropped",
    ["memory_bandwidth_gbps", "last_level_cache_kb", "launch_overhead_us", "process_nm", "threads", "runtime"],
)
def test_a_figure_left_out_is_assumed_and_widens_the_spread(dropped: str) -> None:
    less = describe(BOARD.model_copy(update={dropped: None}))
    assert [assumption.field for assumption in less.assumed] == [dropped]
    assert less.energy_spread > describe(BOARD).energy_spread


def test_figures_are_inferred_from_devices_with_the_same_core() -> None:
    bare = BOARD.model_copy(update={"peak_gmacs": PerArithmetic(), "fp32_macs_per_cycle": None})
    assumed = {assumption.field: assumption for assumption in describe(bare).assumed}
    assert assumed["fp32_macs_per_cycle"].value == 4
    assert "same core" in assumed["fp32_macs_per_cycle"].reason
    assert assumed["peak_gmacs.fp32"].value == pytest.approx(24)
    assert assumed["peak_gmacs.fp32"].reason.startswith("derived")


def test_a_catalogue_device_is_never_its_own_neighbour() -> None:
    known = find_device("raspberry-pi-4")
    blank = known.model_copy(update={"memory_bandwidth_gbps": None})
    reasons = {a.field: a.reason for a in describe(blank).assumed}
    named = reasons["memory_bandwidth_gbps"].split(": ")[1].split(", ")
    assert len(named) == 3
    assert "raspberry-pi-4" not in named


def test_threads_share_the_peak_and_gain_less_than_their_number() -> None:
    one, four = (describe(BOARD.model_copy(update={"threads": n})).macs_per_second[32] for n in (1, 4))
    assert 2 < four / one < 4


def test_half_precision_runtimes_move_floats_at_half_width() -> None:
    assert describe(find_device("raspberry-pi-5")).float_bits == 16
    assert describe(find_device("raspberry-pi-4")).float_bits == 32


def test_wider_products_than_an_accelerator_has_are_put_together() -> None:
    rates = describe(find_device("coral-edge-tpu")).macs_per_second
    assert rates[8] == pytest.approx(4 * rates[16])
    assert rates[16] == pytest.approx(4 * rates[32])


def test_energy_falls_with_the_process_node() -> None:
    factors = [process_factor(nm) for nm in (7, 16, 28, 45, 90, 180)]
    assert factors == sorted(factors)
    assert process_factor(45) == 1
    assert process_factor(7) == pytest.approx(1 / 2.6, rel=0.05)


def test_describing_a_new_profile_takes_milliseconds() -> None:
    describe(BOARD)
    profiles = [DeviceProfile(name=f"new {n}", kind=DeviceKind.CPU, clock_ghz=1 + n / 100) for n in range(20)]
    times = []
    for profile in profiles:
        start = time.perf_counter()
        describe(profile)
        times.append(time.perf_counter() - start)
    assert min(times) < 5e-3  # 1 ms on an idle core


def test_an_accelerator_beside_the_core_of_a_microcontroller_counts_in_its_power() -> None:
    plain = DeviceProfile(name="any", kind=DeviceKind.MCU, isa="armv8-m dsp", cores=1, clock_ghz=0.1, process_nm=40)
    fast, own, vector = (
        describe(plain.model_copy(update={"peak_gmacs": PerArithmetic(int8=peak), "isa": isa}))
        for peak, isa in ((10.0, "armv8-m dsp"), (0.2, "armv8-m dsp"), (10.0, "armv8.1-m mve"))
    )
    assert own.static_w == vector.static_w == describe(plain).static_w
    extra = fast.static_w - 0.5 * own.static_w
    assert extra == pytest.approx(10.0 * 2e-3 * process_factor(40))
    assert any("accelerator" in item.reason for item in fast.assumed if item.field == "idle_w")
