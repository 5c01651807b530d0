"""Designs as rows of numbers."""

from __future__ import annotations

import numpy as np

from design.blocks import Runs
from design.design import Design
from design.encoding import COLUMNS, OPS, ROLES, Column, RowTable, encode_designs
from design.joined import joined
from design.layer import Op, Role
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.pruning import PruningPlan
from design.zoo import find_network


def _designs() -> list[Design]:
    full = find_network("resnet20").design()
    policy = policy_by_role(full.architecture, body=BINARY, edge=precision(8), shortcut=precision(4), residual_bits=16)
    names = [name for name in policy.layers if name.startswith("stage1") and name.endswith("conv1")]
    hybrid = Design(architecture=full.architecture, policy=policy, plan=PruningPlan(kept=dict.fromkeys(names, 5)))
    return [full, hybrid, find_network("vgg_small").design()]


def test_rows_say_what_layers_say() -> None:
    design = _designs()[1]
    encoded = encode_designs([design])
    rows = encoded.rows[encoded.row_ids[0]]
    for row, layer, whole in zip(rows, design.pruned.layers, design.architecture.layers, strict=True):
        assert OPS[int(row[Column.OP]) - 1] is layer.op
        assert ROLES[int(row[Column.ROLE]) - 1] is layer.role
        assert row[Column.MACS] == layer.macs
        assert row[Column.WEIGHTS] == layer.weights
        assert row[Column.IN_ELEMENTS] == layer.in_elements
        assert row[Column.OUT_ELEMENTS] == layer.out_elements
        assert row[Column.FULL_OUT_CHANNELS] == whole.out_channels
        assert row[Column.INPUTS] == len(layer.inputs)
        own = design.policy.layers.get(layer.name)
        assert row[Column.WEIGHT_BITS] == (own.weight_bits if own else 0)
        if own:
            assert row[Column.ACTIVATION_BITS] == own.activation_bits


def test_sums_read_and_write_the_residual_stream() -> None:
    encoded = encode_designs(_designs()[1:2])
    rows = encoded.rows[encoded.row_ids[0]]
    sums = rows[rows[:, Column.OP] == 1 + OPS.index(Op.ADD)]
    assert (sums[:, Column.ACTIVATION_BITS] == 16).all()
    # at the end of a stage the 4-bit shortcut reads the most, at the end of all (through the pool) the classifier
    assert sums[:, Column.OUT_BITS].tolist() == [16, 16, 4, 16, 16, 4, 16, 16, 8]


def test_row_zero_is_no_layer_and_rows_are_distinct() -> None:
    encoded = encode_designs(_designs())
    assert not encoded.rows[0].any()
    assert len(np.unique(encoded.rows, axis=0)) == len(encoded.rows)
    assert (encoded.row_ids[2] == 0).any()  # the shortest network is filled up
    assert encoded.rows.shape[1] == COLUMNS


def test_totals_add_up_over_layers() -> None:
    designs = _designs()
    encoded = encode_designs(designs)
    expected = [sum(layer.macs for layer in design.pruned.layers) for design in designs]
    assert encoded.total(encoded.column(Column.MACS)).tolist() == expected


def test_taking_some() -> None:
    encoded = encode_designs(_designs()[:2])
    chosen = encoded.take(np.array([1, 0]))
    assert len(chosen) == 2
    assert chosen.peak_activation_bytes.tolist() == encoded.peak_activation_bytes[::-1].tolist()
    assert len(encoded.take(np.array([True, False]))) == 1


def test_origin_is_kept_where_all_share_it() -> None:
    full = find_network("resnet20").design()
    both = encode_designs([full, full])
    assert both.space == "resnet"
    assert both.genotypes is not None
    assert both.genotypes.shape[0] == 2
    mixed = encode_designs([full, find_network("vgg_small").design()])
    assert (mixed.space, mixed.genotypes) == (None, None)
    assert encode_designs(_designs()[1:2]).genotypes is None


def test_no_designs() -> None:
    assert len(encode_designs([])) == 0


def test_row_tables_grow_and_keep_their_numbers() -> None:
    table = RowTable()
    one, two = (1.0,) * COLUMNS, (2.0,) * COLUMNS
    assert table.add([one, two, one]) == [1, 2, 1]
    before = table.array()
    assert table.add([(3.0,) * COLUMNS, two]) == [3, 2]
    assert (table.array()[:3] == before).all()
    assert len(table) == len(table.array()) == 4
    rows, ids = table.used(np.array([[3, 0], [1, 3]]))
    assert rows[:, 0].tolist() == [0.0, 3.0, 1.0]
    assert ids.tolist() == [[1, 0], [2, 1]]


def test_roles_are_told_apart() -> None:
    encoded = encode_designs([find_network("resnet20").design()])
    roles = encoded.column(Column.ROLE)[encoded.row_ids[0]]
    assert (roles == 1 + ROLES.index(Role.SHORTCUT)).sum() == 2
    assert (roles == 1 + ROLES.index(Role.STEM)).sum() == 1


def test_used_rows_do_not_depend_on_what_was_asked_before() -> None:
    rng = np.random.default_rng(0)
    rows = [tuple(float(value) for value in rng.integers(1, 9, COLUMNS)) for _ in range(40)]
    asked = [rows[index] for index in (7, 3, 3, 21, 7, 30)]
    fresh, before = RowTable(), RowTable()
    before.add([rows[index] for index in rng.permutation(40)])
    found = [table.used(np.array([table.add(asked)])) for table in (fresh, before)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[1][0][found[1][1]][0], np.array(asked))


def test_joined_parts_are_the_designs_encoded_together() -> None:
    designs = _designs()
    together = encode_designs(designs)
    parts = joined([encode_designs(designs[:1]), encode_designs(designs[1:2]), encode_designs(designs[2:])])
    for column in Column:
        np.testing.assert_array_equal(parts.total(parts.column(column)), together.total(together.column(column)))
    np.testing.assert_array_equal(parts.peak_activation_bytes, together.peak_activation_bytes)
    assert (parts.genotypes, parts.space) == (None, None)
    one = joined([encode_designs(designs[:1])] * 2)
    assert one.space == designs[0].genotype.space if designs[0].genotype else False
    assert one.genotypes is not None
    assert one.genotypes.shape[0] == 2
    assert len(joined([])) == 0
    whole = encode_designs(designs)
    few = joined([whole.take(np.array([number])) for number in (2, 0)])
    assert few.rows.shape == joined([whole.take(np.array([number])).compact() for number in (2, 0)]).rows.shape
    assert few.total(few.column(Column.MACS)).tolist() == whole.total(whole.column(Column.MACS))[[2, 0]].tolist()


def test_designs_of_very_different_lengths_are_summed_without_what_is_not_there() -> None:
    row_ids = np.array([[1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3]])
    runs = Runs.of(row_ids[:2].repeat(2, axis=0))
    assert runs is not None
    assert runs.total(np.array([0.0, 5.0, 7.0, 11.0])).tolist() == [5.0, 5.0, 7.0, 7.0]
    assert runs.total(np.array([[0.0, 1], [5, 2], [7, 3], [11, 4]])).tolist() == [[5, 2], [5, 2], [7, 3], [7, 3]]
    assert Runs.of(row_ids[2:]) is None, "nothing to leave out"
    assert Runs.of(np.array([[1, 0, 0], [0, 0, 0]])) is None, "a design without layers"
