"""Chains: distinct states, sums by blocks, and answers that depend on nothing that was asked before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from design.chains import Chain
from design.encoding import Column
from design.populations import distinct, of_blocks
from design.spaces.registry import SPACES
from design.task import find_task
from design.templates import TemplateSpace

CHAINED = ("resnet", "vgg", "mobilenet")


def test_distinct_states_are_numbered_as_they_first_stand() -> None:
    rng = np.random.default_rng(0)
    states = rng.integers(0, 40, size=(50, 7))
    states[10:20] = states[9]
    first, ids = distinct(states)
    flat = states.reshape(-1)
    assert np.array_equal(flat[first][ids], states)
    assert first.tolist() == sorted(first.tolist())
    assert first.tolist() == sorted(np.unique(flat, return_index=True)[1].tolist())


def test_no_states_are_distinct() -> None:
    first, ids = distinct(np.zeros((0, 3), dtype=np.int64))
    assert (first.shape, ids.shape) == ((0,), (0, 3))


@pytest.mark.parametrize("name", CHAINED)
def test_sums_and_largest_by_blocks_are_those_by_rows(name: str) -> None:
    space, task = SPACES[name], find_task("cifar10")
    found = space.rows(task, space.sample(task, 30, np.random.default_rng(1)))
    assert found.blocks is not None
    flat = replace(found, blocks=None)
    for column in (Column.MACS, Column.WEIGHTS, Column.OUT_ELEMENTS):
        per_row = found.column(column)
        assert found.total(per_row) == pytest.approx(flat.total(per_row), rel=1e-12)
        assert np.array_equal(found.largest(per_row), flat.largest(per_row))
    some = found.take(np.array([4, 2]))
    assert some.total(found.column(Column.MACS)).tolist() == found.total(found.column(Column.MACS))[[4, 2]].tolist()
    assert some.compact().total(some.compact().column(Column.MACS)) == pytest.approx(
        some.total(some.column(Column.MACS)), rel=1e-12
    )


@pytest.mark.parametrize("name", ["resnet", "vgg"])
def test_what_was_asked_before_changes_nothing(name: str) -> None:
    space, task = SPACES[name], find_task("cifar10")
    assert isinstance(space, TemplateSpace)
    rng = np.random.default_rng(2)
    first, second = (space.sample(task, 20, rng) for _ in range(2))
    fresh, used = (Chain(space.slots(task), space.genes(task), task.input_channels) for _ in range(2))
    used.encode(second)
    one, other = (of_blocks(*chain.encode(first), first, name) for chain in (fresh, used))
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.row_ids, other.row_ids)
    assert np.array_equal(one.peak_activation_bytes, other.peak_activation_bytes)
    assert one.total(one.column(Column.MACS)).tolist() == other.total(other.column(Column.MACS)).tolist()
