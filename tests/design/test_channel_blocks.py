"""What grouped convolutions read and write is pruned in blocks."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.architecture import INPUT, Architecture
from design.channels import blocks_read, channel_groups, kept_by_group
from design.counts import count
from design.design import Design
from design.errors import InvalidDesign
from design.layer import Layer, Op, Role
from design.layers import conv, elementwise, flatten, fully_connected, global_pool
from design.policies import full_precision
from design.pruning import PruningPlan

PICTURE = (3, 8, 8)


def network(*middle: Layer, stem: int = 12) -> tuple[Layer, ...]:
    """A stem, layers that read it, a pool and a classifier."""
    last = middle[-1]
    pool = global_pool("pool", last.name, last.out_shape)
    head = fully_connected("fc", "pool", last.out_channels, 4, role=Role.CLASSIFIER)
    return (conv("stem", INPUT, PICTURE, stem), *middle, pool, head)


def planned(layers: tuple[Layer, ...], kept: dict[str, int]) -> Design:
    architecture = Architecture(name="own", input_shape=PICTURE, layers=layers)
    return Design(architecture=architecture, policy=full_precision(architecture), plan=PruningPlan(kept=kept))


def concatenated(left: int, right: int, groups: int) -> tuple[Layer, ...]:
    both = Layer(
        name="both", op=Op.CONCAT, inputs=("left", "right"), in_channels=left + right, in_height=8, in_width=8,
        out_channels=left + right, out_height=8, out_width=8,
    )  # fmt: skip
    sides = (conv("left", "stem", (12, 8, 8), left), conv("right", "stem", (12, 8, 8), right))
    return network(*sides, both, conv("read", "both", both.out_shape, 2 * groups, groups=groups))


ONE = network(conv("grouped", "stem", (12, 8, 8), 6, groups=3))


def test_a_grouped_convolution_keeps_its_groups() -> None:
    pruned = planned(ONE, {"stem": 9, "grouped": 3}).pruned.layer("grouped")
    assert (pruned.in_channels, pruned.out_channels, pruned.groups) == (9, 3, 3)
    assert pruned.grouped
    assert pruned.weights == 3 * 3 * 9
    whole, small = count(planned(ONE, {})), count(planned(ONE, {"stem": 9, "grouped": 3}))
    assert whole.parameters - small.parameters == 3 * 27 + 6 + (24 - 9) * 9 + 6 + 12


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"stem": 10}, "'stem' must be a multiple of 3, at least 6: .* but got 10. Keep 9 or 12."),
        ({"stem": 3}, "multiple of 3, at least 6: .* but got 3. Keep 6."),
        ({"stem": 5}, "but got 5. Keep 6."),
        ({"grouped": 4}, "'grouped' must be a multiple of 3, at least 3: .* but got 4. Keep 3 or 6."),
        ({"grouped": 1}, "but got 1. Keep 3."),
    ],
)
def test_numbers_that_blocks_cannot_share_are_refused(kept: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        planned(ONE, kept)


def test_the_field_at_fault_is_told() -> None:
    with pytest.raises(InvalidDesign) as told:
        kept_by_group(channel_groups(ONE, 3), {"stem": 10})
    assert told.value.pointer == "/plan/kept/stem"


def test_between_other_numbers_of_groups_blocks_fit_both() -> None:
    layers = network(
        conv("two", "stem", (12, 8, 8), 24, groups=2), conv("three", "two", (24, 8, 8), 6, kernel=1, groups=3)
    )
    groups = channel_groups(layers, 3)
    between = groups.group_of("two")
    assert between is not None
    assert (groups.blocks_of(between), groups.least_of(between)) == (6, 6)
    assert planned(layers, {"two": 18}).pruned.layer("three").in_channels == 18
    with pytest.raises(ValidationError, match="multiple of 6"):
        planned(layers, {"two": 15})


def test_sums_and_depthwise_convolutions_have_the_blocks_of_what_they_meet() -> None:
    grouped = conv("grouped", "stem", (12, 8, 8), 12, groups=4)
    depthwise = conv("depthwise", "grouped", (12, 8, 8), 12, groups=12)
    layers = network(grouped, depthwise, elementwise("add", ("depthwise", "stem"), (12, 8, 8)))
    pruned = planned(layers, {"stem": 8, "grouped": 8}).pruned
    assert pruned.layer("depthwise").groups == 8
    assert (pruned.layer("grouped").groups, pruned.layer("grouped").in_channels) == (4, 8)
    with pytest.raises(ValidationError, match="as many filters as the layers it is added to"):
        planned(layers, {"stem": 8, "grouped": 12})


def test_layers_put_beside_each_other_lose_the_same_number() -> None:
    layers = concatenated(8, 8, 4)
    pruned = planned(layers, {"left": 4, "right": 4}).pruned.layer("read")
    assert (pruned.in_channels, pruned.groups) == (8, 4)
    with pytest.raises(ValidationError, match="or put beside for a grouped convolution"):
        planned(layers, {"left": 4, "right": 6})
    with pytest.raises(ValidationError, match="must name all its layers"):
        planned(layers, {"left": 4})


@pytest.mark.parametrize(("left", "right", "groups"), [(8, 4, 2), (6, 6, 3), (8, 8, 8)])
def test_parts_that_are_not_alike_are_kept(left: int, right: int, groups: int) -> None:
    layers = concatenated(left, right, groups)
    if groups == 8:  # blocks of two channels: nothing can be spared
        with pytest.raises(ValidationError, match="at least 8"):
            planned(layers, {"left": 4, "right": 4})
        return
    with pytest.raises(ValidationError, match="must keep all"):
        planned(layers, {"left": 2, "right": 2})
    assert planned(layers, {"read": groups}).pruned.layer("read").out_channels == groups, "what it writes is free"


def test_views_are_read_in_whole_channels() -> None:
    wide = conv("wide", "stem", (12, 8, 8), 6, kernel=4, stride=4, padding=0)
    view = flatten("view", "wide", wide.out_shape)
    for groups, blocks in ((3, 3), (4, 1)):  # four groups of six numbers: channels are four each
        layers = (
            conv("stem", INPUT, PICTURE, 12), wide, view, conv("read", "view", view.out_shape, 12, groups=groups),
            fully_connected("fc", "read", 12, 4, role=Role.CLASSIFIER),
        )  # fmt: skip
        found = channel_groups(layers, 3)
        group = found.group_of("wide")
        assert group is not None
        assert found.blocks_of(group) == blocks
        assert (group in found.fixed) is (groups == 4)


def test_blocks_of_what_is_read() -> None:
    assert blocks_read([(12, 1)], 3) == 3
    assert blocks_read([(12, 4)], 6) == 6
    assert blocks_read([(6, 4)], 4) is None
    assert blocks_read([(8, 1), (8, 1)], 4) == 2
    assert blocks_read([(8, 1), (8, 1)], 2) == 1
    assert blocks_read([(8, 1), (4, 1)], 3) is None
    assert blocks_read([(8, 1), (8, 1)], 3) is None


def test_convolutions_that_multiply_channels_and_transposed_ones_are_kept_as_before() -> None:
    multiplied = network(conv("more", "stem", (12, 8, 8), 24, groups=12))
    up = Layer(
        name="up", op=Op.DECONV, inputs=("stem",), in_channels=12, in_height=8, in_width=8, out_channels=12,
        out_height=16, out_width=16, stride=2, kernel_height=2, kernel_width=2, groups=3,
    )  # fmt: skip
    for layers, name in ((multiplied, "more"), (network(up), "up")):
        assert not layers[1].grouped
        for layer in ("stem", name):
            with pytest.raises(ValidationError, match="must keep all"):
                planned(layers, {layer: 6})


def test_designs_without_grouped_convolutions_have_no_blocks() -> None:
    depthwise = conv("depthwise", "stem", (12, 8, 8), 12, groups=12)
    groups = channel_groups(network(depthwise, conv("last", "depthwise", (12, 8, 8), 5)), 3)
    assert groups.blocks == {}
    assert all(groups.least_of(group) == 1 for group in groups.width)
