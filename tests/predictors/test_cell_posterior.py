from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from design.spaces.nasbench201 import NasBench201Space
from design.task import find_task
from predictors.adapt import adapt
from predictors.cell_features import cell_features
from predictors.cell_posterior import LEAST_CELLS, MOST_CELLS, cell_posterior, cells_of
from predictors.condensed_space import CondensedSpace
from predictors.costs import costs_of
from predictors.known_weights import shipped
from predictors.measurement import Measurements
from predictors.predict import explain
from tests.predictors.measured_cells import TASK, cells, device, timed
from tests.predictors.small_tables import measured, small_space, small_table

CELLS = NasBench201Space()


def full(count: int, seed: int = 0) -> Measurements:
    """Different cells at full precision on a device that feels convolutions, pools and launches."""
    ops = np.random.default_rng(seed).permutation(5**6)[:count][:, None] // 5 ** np.arange(6) % 5
    features = cell_features(ops)
    latency_ms = 2.0 + 0.4 * features.arithmetic + 0.5 * features.traffic
    designs = CELLS.rows(TASK, np.hstack([ops, np.zeros_like(ops)]))
    return timed(designs, latency_ms)


def test_a_condensed_space_gives_the_same_posterior() -> None:
    known, features, (rows, latency, query) = small_space(), small_table().features, measured(10)
    parts = [features.take(np.arange(700)), features.take(np.arange(700, len(features)))]
    condensed = CondensedSpace.of(known, parts)
    assert condensed.features.structure.shape[1] == len(known.sources)
    one = known.posterior(features, rows, latency, query)
    two = condensed.known.posterior(condensed.features, rows, latency, query)
    assert np.allclose(one.mean_ms, two.mean_ms, rtol=1e-9)
    assert np.allclose(one.variance_ms2, two.variance_ms2, rtol=1e-7)


def test_cells_at_full_precision_on_the_pictures_of_the_table_are_known() -> None:
    ops = np.array([[3, 1, 4, 0, 2, 3]])
    own = CELLS.rows(TASK, np.hstack([ops, np.zeros_like(ops)]))
    assert cells_of(own).tolist() == [CELLS.cell_numbers(ops)[0]]
    low = CELLS.rows(TASK, np.hstack([ops, np.zeros_like(ops) + 1]))
    assert cells_of(low).tolist() == [-1]
    assert cells_of(CELLS.rows(find_task("imagenet"), np.hstack([ops, np.zeros_like(ops)]))).tolist() == [-1]
    assert cells_of(replace(own, space="resnet")).tolist() == [-1]
    assert cells_of(replace(own, genotypes=None)).tolist() == [-1]


def test_the_adaptation_predicts_cells_by_the_known_space() -> None:
    known, own = full(220), device()
    seen = np.arange(12)
    adapted = adapt(own, timed(known.designs.take(seen), known.latency_ms[seen]))
    assert len(adapted.posteriors) == 1
    found = adapted.latency_ms(known.designs, costs_of(known.designs, own, "horowitz"))
    error = np.abs(found.median / known.latency_ms - 1)[12:]
    assert np.median(error) < 0.03
    low, high = found.interval()
    assert ((low <= known.latency_ms) & (known.latency_ms <= high))[12:].mean() > 0.85
    assert adapted.latency_after is not None
    assert adapted.latency_after.mape_median < 0.1


def test_designs_at_other_precisions_are_left_to_the_general_form() -> None:
    known, own, others = full(10), device(), cells(30)
    low = others.take(cells_of(others) < 0)
    with_posterior = adapt(own, known).latency_ms(low, costs_of(low, own, "horowitz"))
    without = replace(adapt(own, known), posteriors=()).latency_ms(low, costs_of(low, own, "horowitz"))
    assert np.array_equal(with_posterior.median, without.median)


def test_too_few_cells_say_nothing() -> None:
    known = full(LEAST_CELLS)
    assert cell_posterior(device(), known) is not None
    repeated = np.zeros(20, dtype=np.int64)
    assert cell_posterior(device(), timed(known.designs.take(repeated), known.latency_ms[repeated])) is None


def test_repeats_count_once_and_order_does_not_matter() -> None:
    known = full(8)
    order = np.array([3, 1, 7, 7, 0, 2, 4, 5, 6, 7])
    one = cell_posterior(device(), known)
    two = cell_posterior(device(), timed(known.designs.take(order), known.latency_ms[order]))
    assert one is not None
    assert two is not None
    assert np.allclose(one.latency_ms(known.designs).median, two.latency_ms(known.designs).median, rtol=1e-9)
    assert np.allclose(one.left_out_ms[order], two.left_out_ms, rtol=1e-9)


def test_hundreds_of_measurements_are_used_in_part_and_all_are_told() -> None:
    known = full(MOST_CELLS + 60)
    found = cell_posterior(device(), known)
    assert found is not None
    assert np.all(np.isfinite(found.left_out_ms))
    assert np.median(np.abs(found.left_out_ms / known.latency_ms - 1)) < 0.02


def test_parts_of_a_layer_add_up_to_the_known_spaces_figure() -> None:
    known, own = full(12), device()
    design = CELLS.decode(TASK, [3, 1, 4, 2, 0, 3, 0, 0, 0, 0, 0, 0])
    found = explain(design, own, TASK, adaptation=adapt(own, known))
    assert sum(layer.latency_ms for layer in found.layers) == pytest.approx(found.latency_ms.value, rel=1e-9)


def test_the_shipped_space_answers_for_every_cell() -> None:
    assert shipped("nb201").sources
    found = cell_posterior(device(), full(10))
    assert found is not None
    some = full(300, seed=3).designs
    assert np.all(found.latency_ms(some).median > 0)
    alone = found.latency_ms(some.take(np.array([7]))).median
    assert alone[0] == pytest.approx(found.latency_ms(some).median[7], rel=1e-9)
