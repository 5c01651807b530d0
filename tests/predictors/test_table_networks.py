from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from design.encoding import Column
from predictors.block_features import FBNET_OPERATIONS, SKIP
from predictors.table_networks import cell_networks, fbnet_networks, ofa_networks, single_layers
from predictors.timed_tables import read_timed_devices

DATA = os.environ.get("BESPOKE_TEST_DATA")


def test_a_network_of_skips_has_the_stem_the_changes_of_shape_and_the_head() -> None:
    found = fbnet_networks(np.full((1, 22), SKIP))
    weighted = (found.rows[found.row_ids[0], Column.WEIGHT_BITS] > 0).sum()
    assert weighted == 1 + 6 + 1 + 1  # stem, six changes of shape, head, classifier
    assert found.total(found.rows[:, Column.MACS])[0] > 0


def test_more_expansion_and_larger_kernels_cost_more() -> None:
    operations = np.array([[index] * 22 for index in range(len(FBNET_OPERATIONS) - 1)])
    found = fbnet_networks(operations)
    macs = dict(zip(FBNET_OPERATIONS, found.total(found.rows[:, Column.MACS]), strict=False))
    assert macs[3, 1, 2] < macs[3, 1, 1] < macs[3, 3, 1] < macs[3, 6, 1] < macs[5, 6, 1]


def test_ofa_networks_grow_with_depth_and_resolution() -> None:
    kernel, expansion = np.full((3, 20), 5), np.full((3, 20), 4)
    depth = np.array([[2] * 5, [4] * 5, [4] * 5])
    found = ofa_networks(kernel, expansion, depth, np.array([128, 128, 224]))
    macs = found.total(found.rows[:, Column.MACS])
    assert macs[0] < macs[1] < macs[2]
    assert macs[2] == pytest.approx((224 / 128) ** 2 * macs[1], rel=0.05)


def test_cells_are_in_float32() -> None:
    found = cell_networks(np.array([[3] * 6, [0] * 6]))
    assert set(np.unique(found.rows[:, Column.WEIGHT_BITS])) == {0, 32}
    macs = found.total(found.rows[:, Column.MACS]) / 1e6
    np.testing.assert_allclose(macs, [7.78305 + 6 * 35.38944, 7.78305], rtol=1e-5)


def test_single_layers_keep_their_bits() -> None:
    found = single_layers(np.array([[16, 32, 8, 3, 1, 1], [32, 32, 8, 1, 2, 32]]), np.array([[4, 8], [8, 8]]))
    rows = found.rows[found.row_ids[:, 0]]
    assert rows[:, Column.WEIGHT_BITS].tolist() == [4, 8]
    assert rows[:, Column.MACS].tolist() == [16 * 32 * 9 * 64, 32 * 16]


@pytest.mark.skipif(DATA is None, reason="BESPOKE_TEST_DATA is not set")
def test_parameters_of_the_fbnet_table_are_met_exactly() -> None:
    folder = Path(DATA or "")
    with np.load(folder / "fbnet.npz", allow_pickle=False) as stored:
        found = fbnet_networks(stored["ops"][:200].astype(np.int64))
    with np.load(folder / "fbnet_zero_cost_proxies.npz", allow_pickle=False) as stored:
        place = [str(name) for name in stored["proxy_names"]].index("params")
        truth = stored["values"][place, :200]
    own = found.rows[:, Column.WEIGHTS] + found.rows[:, Column.BIASES] + 2 * found.rows[:, Column.BATCH_NORM_CHANNELS]
    np.testing.assert_allclose(found.total(own), truth)


@pytest.mark.skipif(DATA is None, reason="BESPOKE_TEST_DATA is not set")
def test_every_table_is_read_with_a_described_device() -> None:
    found = read_timed_devices(Path(DATA or ""))
    groups = {one.group for one in found}
    assert groups == {"ncnn_cpu", "ncnn_gpu", "nb201", "nb201_pi5", "fbnet", "ofa", "mlperf_tiny", "bitfusion"}
    assert all(len(one.designs) == len(one.latency_ms) and (one.latency_ms > 0).all() for one in found)
    assert len({one.family for one in found}) > 60
    titans = {one.family for one in found if one.row.startswith(("titan_rtx", "2080ti"))}
    assert titans == {"tu102"}
