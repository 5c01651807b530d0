from __future__ import annotations

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile, PerArithmetic
from predictors.amounts import CELL_MACS, FBNET_SKELETON, Amount, ofa_skeleton
from predictors.cell_features import CONV_1X1, CONV_3X3, NONE, POOL, cell_features
from predictors.descriptor import Descriptor, describe
from predictors.physics import physical_ms, running_bits
from predictors.roofline import OPTIONS
from predictors.tables import TABLES, reference_features

GPU = DeviceProfile(name="g", kind=DeviceKind.GPU, peak_gmacs=PerArithmetic(fp32=5000.0), memory_bandwidth_gbps=500.0)
CPU = DeviceProfile(
    name="c", kind=DeviceKind.CPU, runtime="tflite", peak_gmacs=PerArithmetic(fp32=10.0), memory_bandwidth_gbps=10.0
)
ASIC = DeviceProfile(
    name="a",
    kind=DeviceKind.ASIC,
    peak_gmacs=PerArithmetic(int8=30.0, fp16=30.0),
    supported_bits=((16, 16), (8, 8)),
    pooling_on_mac_array=True,
)


def _slow(amounts: np.ndarray, device: Descriptor) -> float:
    """Slow twin: one network in plain numbers, ms."""
    options, batch = OPTIONS[device.profile.kind], device.batch_size
    stated = device.profile.supported_bits
    bits = min(32, max(min(pair) for pair in stated)) if stated else device.float_bits
    dense, grouped, depthwise, pools, pool_macs, read, other, convs, others = amounts.tolist()
    macs, kernels = dense + grouped + depthwise, 3 if device.eager else 1
    if device.pooling_on_mac_array:
        macs, pools = macs + pool_macs, 0.0
    outputs = (read + other) / (convs + others) / 2
    macs *= 1 + options.lanes / (batch * outputs)
    compute = batch * (macs + pools) / (device.macs_per_second[bits] * options.efficiency)
    held = batch * 2 * outputs * bits / 8 / device.cache_bytes
    share = held**2 / (1 + held**2)
    moved = batch * (kernels * read + other) * bits / 8 / options.bandwidth
    moving = moved * share / device.memory_bytes_per_second + moved * (1 - share) / device.cache_bytes_per_second
    launch = (kernels * convs + others) * device.launch_overhead_s
    busy = compute + moving
    return float(1e3 * (max(busy, launch) if device.profile.kind is DeviceKind.GPU else busy + launch))


@pytest.mark.parametrize("space", TABLES)
@pytest.mark.parametrize("profile", [GPU, GPU.model_copy(update={"batch_size": 64}), CPU, ASIC])
def test_totals_equal_a_slow_twin(space: str, profile: DeviceProfile) -> None:
    amounts = reference_features(space).amounts[:7]
    fast = physical_ms(amounts, describe(profile))
    assert np.allclose(fast, [_slow(row, describe(profile)) for row in amounts], rtol=1e-9)


def test_cells_have_the_published_multiply_adds() -> None:
    cells = cell_features(np.array([[NONE] * 6, [CONV_3X3] * 6, [CONV_1X1] * 6, [POOL] * 6]))
    macs = cells.amounts[:, Amount.DENSE_MACS] / 1e6
    assert macs.tolist() == pytest.approx([7.78305, 7.78305 + 6 * 35.38944, 7.78305 + 6 * 3.93216, 7.78305])
    assert cells.pool_macs.tolist() == [0, 0, 0, 6 * 9 * CELL_MACS]


def test_fbnet_and_ofa_totals_are_those_of_the_literature() -> None:
    fbnet = reference_features("fbnet").amounts
    macs = fbnet[:, [Amount.DENSE_MACS, Amount.GROUPED_MACS, Amount.DEPTHWISE_MACS]].sum(axis=1)
    assert 25e6 < macs.min() < macs.max() < 120e6  # 31.1-112.3 M in the table
    ofa = reference_features("ofa").amounts
    assert 4e7 < ofa[:, Amount.DENSE_MACS].min() < ofa[:, Amount.DENSE_MACS].max() < 8e8
    assert np.all(fbnet >= 0)
    assert FBNET_SKELETON[Amount.DENSE_MACS] < ofa_skeleton(np.array([224.0]))[0, Amount.DENSE_MACS]


def test_accelerators_run_floats_at_the_widest_they_state() -> None:
    assert running_bits(describe(ASIC)) == 16
    assert running_bits(describe(ASIC.model_copy(update={"supported_bits": None}))) == 32
    assert running_bits(describe(CPU)) == 32


def test_small_batches_on_gpus_are_bound_by_launches() -> None:
    amounts = reference_features("nb201").amounts
    one, two = (physical_ms(amounts, describe(GPU.model_copy(update={"batch_size": size}))) for size in (1, 2))
    assert np.allclose(one, two)
    many = physical_ms(amounts, describe(GPU.model_copy(update={"batch_size": 512})))
    assert np.all(many > one)
