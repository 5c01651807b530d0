from __future__ import annotations

import numpy as np
import pytest

from design.devices.catalogue import find_device
from design.encoding import Column
from design.spaces.registry import find_space
from design.task import find_task
from predictors.descriptor import describe
from predictors.layer_terms import PARTS
from predictors.table_networks import cell_networks
from predictors.work_terms import (
    COMPUTE,
    OVERHEAD,
    SERIAL,
    TERMS,
    design_terms,
    part_of_terms,
    priced_seconds,
    work_terms,
)
from tests.predictors.measured_cells import cells

ADDRESSES = ["raspberry-pi-4", "stm32l4r5", "titan-rtx@batch_32", "xeon-gold-6226", "eyeriss", "coral-edge-tpu"]


@pytest.mark.parametrize("space", ["resnet", "mobilenet", "nasbench201"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_priced_seconds_equal_amounts_times_prices(space: str, address: str) -> None:
    device, task = describe(find_device(address)), find_task("cifar10")
    own, rng = find_space(space), np.random.default_rng(0)
    rows = own.rows(task, own.sample(task, 30, rng)).rows
    prices = np.exp(rng.normal(size=TERMS))
    np.testing.assert_allclose(priced_seconds(rows, device, prices), work_terms(rows, device) @ prices, rtol=1e-9)


def test_amounts_of_a_design_are_the_sum_over_its_layers() -> None:
    designs, device = cells(5), describe(find_device("raspberry-pi-4"))
    terms = work_terms(designs.rows, device)
    np.testing.assert_allclose(design_terms(designs, device)[3], terms[designs.row_ids[3]].sum(axis=0))
    assert (terms >= 0).all()
    assert (terms[0] == 0).all()


def test_compute_is_nominal_time_at_the_peak() -> None:
    designs = cell_networks(np.array([[3, 2, 4, 1, 0, 3]]))
    device, rows = describe(find_device("titan-rtx@batch_32")), designs.rows
    plain = work_terms(rows, device)[:, :SERIAL].reshape(len(rows), -1, 4)[:, :, 0].sum(axis=1)
    expected = 32 * rows[:, Column.MACS] / device.macs_per_second[32]
    np.testing.assert_allclose(plain, expected)


def test_only_layer_by_layer_runtimes_launch_norms_apart() -> None:
    rows = cells(5).rows
    assert work_terms(rows, describe(find_device("xeon-gold-6226")))[:, OVERHEAD + 2].sum() > 0
    assert work_terms(rows, describe(find_device("raspberry-pi-4")))[:, OVERHEAD + 2].sum() == 0


def test_every_term_belongs_to_a_part() -> None:
    parts = part_of_terms()
    assert parts.shape == (TERMS,)
    assert set(parts.tolist()) == set(range(len(PARTS)))
    assert (parts[COMPUTE:SERIAL] == PARTS.index("int8")).all()
