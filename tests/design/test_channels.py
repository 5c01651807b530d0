"""Filters that must go together, and the network that remains."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.architecture import Architecture
from design.channels import channel_groups, kept_by_group, prune
from design.design import Design
from design.errors import InvalidDesign
from design.layer import Layer, Op, Role
from design.layers import conv, elementwise, flatten, fully_connected, global_pool, pool
from design.policies import full_precision
from design.pruning import PruningPlan

SHAPE = (8, 8, 8)
STEM = conv("stem", "input", (3, 8, 8), 8, role=Role.STEM)
FC = fully_connected("fc", "pool", 8, 4, role=Role.CLASSIFIER)


def _design(layers: tuple[Layer, ...], kept: dict[str, int]) -> Design:
    architecture = Architecture(name="n", input_shape=(3, 8, 8), layers=layers)
    return Design(architecture=architecture, policy=full_precision(architecture), plan=PruningPlan(kept=kept))


def _shapes(design: Design) -> dict[str, tuple[int, int]]:
    return {layer.name: (layer.in_channels, layer.out_channels) for layer in design.pruned.layers}


def _residual() -> tuple[Layer, ...]:
    return (
        STEM,
        conv("conv1", "stem", SHAPE, 16),
        conv("conv2", "conv1", (16, 8, 8), 8),
        elementwise("add", ("conv2", "stem"), SHAPE),
        global_pool("pool", "add", SHAPE),
        FC,
    )


def test_inner_filters_of_a_residual_block() -> None:
    shapes = _shapes(_design(_residual(), {"conv1": 5}))
    assert shapes["conv1"] == (8, 5)
    assert shapes["conv2"] == (5, 8)
    assert shapes["add"] == (8, 8)


def test_residual_groups_keep_the_same_number() -> None:
    groups = channel_groups(_residual(), 3)
    assert groups.group_of("stem") == groups.group_of("conv2")
    group = groups.group_of("add")
    assert group is not None
    assert groups.owners[group] == ("stem", "conv2")
    shapes = _shapes(_design(_residual(), {"stem": 6, "conv2": 6}))
    assert shapes["stem"] == (3, 6)
    assert shapes["conv1"] == (6, 16)
    assert shapes["add"] == (6, 6)
    assert shapes["fc"] == (6, 4)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"stem": 6, "conv2": 5}, "as many filters as the layers it is added to"),
        ({"stem": 6}, "must name all its layers"),
        ({"absent": 6}, "layers with filters of their own"),
        ({"conv1": 17}, "must be from 1 to 16"),
        ({"fc": 3}, "must keep all its 4 filters"),
    ],
)
def test_refuses_plans_that_do_not_fit(kept: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _design(_residual(), kept)


def test_depthwise_convolutions_follow() -> None:
    layers = (
        STEM,
        conv("depthwise", "stem", SHAPE, 8, groups=8),
        conv("point", "depthwise", SHAPE, 12, kernel=1),
        global_pool("pool", "point", (12, 8, 8)),
        fully_connected("fc", "pool", 12, 4, role=Role.CLASSIFIER),
    )
    pruned = _design(layers, {"stem": 3, "point": 7}).pruned
    depthwise = pruned.layer("depthwise")
    assert (depthwise.in_channels, depthwise.out_channels, depthwise.groups) == (3, 3, 3)
    assert depthwise.weights == 27
    assert pruned.layer("point").weights == 21


def test_concatenated_channels_are_followed_through_flatten() -> None:
    cat = Layer(
        name="cat",
        op=Op.CONCAT,
        inputs=("stem", "other"),
        in_channels=20,
        in_height=8,
        in_width=8,
        out_channels=20,
        out_height=8,
        out_width=8,
    )
    layers = (
        STEM,
        conv("other", "input", (3, 8, 8), 12),
        cat,
        pool("small", "cat", (20, 8, 8), kernel=4, stride=4),
        flatten("flat", "small", (20, 2, 2)),
        fully_connected("fc", "flat", 80, 4, role=Role.CLASSIFIER),
    )
    design = _design(layers, {"stem": 5, "other": 10})
    shapes = _shapes(design)
    assert shapes["cat"] == (15, 15)
    assert shapes["flat"] == (15, 60)
    assert shapes["fc"] == (60, 4)
    assert design.pruned.layer("fc").weights == 240
    with pytest.raises(ValidationError, match="layers with filters of their own"):
        _design(layers, {"cat": 5})


def test_zero_padded_shortcuts_join_the_wider_group() -> None:
    pad = Layer(
        name="pad",
        op=Op.PAD,
        inputs=("stem",),
        in_channels=8,
        in_height=8,
        in_width=8,
        out_channels=16,
        out_height=4,
        out_width=4,
        stride=2,
    )
    layers = (
        STEM,
        conv("conv", "stem", SHAPE, 16, stride=2),
        pad,
        elementwise("add", ("conv", "pad"), (16, 4, 4)),
        global_pool("pool", "add", (16, 4, 4)),
        fully_connected("fc", "pool", 16, 4, role=Role.CLASSIFIER),
    )
    shapes = _shapes(_design(layers, {"conv": 10, "stem": 6}))
    assert shapes["pad"] == (6, 10)
    assert shapes["add"] == (10, 10)


def test_gates_belong_to_what_they_scale() -> None:
    layers = (
        STEM,
        global_pool("squeeze", "stem", SHAPE),
        conv("excite", "squeeze", (8, 1, 1), 8, kernel=1),
        elementwise("scaled", ("stem", "excite"), SHAPE, op=Op.MULTIPLY),
        global_pool("pool", "scaled", SHAPE),
        FC,
    )
    groups = channel_groups(layers, 3)
    assert groups.group_of("excite") == groups.group_of("stem")
    assert _shapes(_design(layers, {"stem": 4, "excite": 4}))["excite"] == (4, 4)


def test_keeping_everything_changes_nothing() -> None:
    layers = _residual()
    groups = channel_groups(layers, 3)
    assert prune(layers, groups, kept_by_group(groups, {})) == layers


def test_the_picture_cannot_be_pruned() -> None:
    groups = channel_groups(_residual(), 3)
    assert groups.tensors["input"][0][0] in groups.fixed


def test_plans_are_refused_by_name() -> None:
    with pytest.raises(InvalidDesign) as refused:
        kept_by_group(channel_groups(_residual(), 3), {"absent": 2})
    assert refused.value.pointer == "/plan/kept/absent"


def test_views_keep_flatten_or_fix_channels() -> None:
    def view(channels: int, height: int) -> Layer:
        return flatten("view", "stem", SHAPE).model_copy(
            update={"out_channels": channels, "out_height": height, "out_width": 1}
        )

    groups = channel_groups((STEM, view(8, 64)), 3, output_fixed=False)
    assert groups.tensors["view"] == groups.tensors["stem"]
    assert not groups.fixed & {group for group, _ in groups.tensors["stem"]}
    mixed = channel_groups((STEM, view(64, 8)), 3, output_fixed=False)
    assert mixed.tensors["view"] != mixed.tensors["stem"]
    assert mixed.fixed >= {group for name in ("stem", "view") for group, _ in mixed.tensors[name]}


def test_channels_with_constants_are_not_pruned() -> None:
    moved = elementwise("moved", ("stem",), SHAPE).model_copy(update={"constants": 8})
    with pytest.raises(ValidationError, match="must keep all its 8 filters"):
        _design((STEM, moved, global_pool("pool", "moved", SHAPE), FC), {"stem": 4})


def _pad(channels: int, height: int, stride: int) -> Layer:
    return Layer(
        name="pad",
        op=Op.PAD,
        inputs=("stem",),
        in_channels=8,
        in_height=8,
        in_width=8,
        out_channels=channels,
        out_height=height,
        out_width=height,
        stride=stride,
    )


@pytest.mark.parametrize(
    ("channels", "height", "stride", "same"), [(8, 10, 1, True), (16, 4, 2, False), (8, 4, 2, False), (8, 8, 1, False)]
)
def test_a_pad_of_positions_keeps_channels_one_of_channels_does_not(
    channels: int, height: int, stride: int, same: bool
) -> None:
    groups = channel_groups(
        (STEM, _pad(channels, height, stride), conv("end", "pad", (channels, height, height), 4)), 3
    )
    assert (groups.group_of("pad") == groups.group_of("stem")) is same


def test_what_a_softmax_shares_out_is_fixed() -> None:
    softmax = elementwise("softmax", ("stem",), SHAPE, op=Op.SOFTMAX)
    groups = channel_groups((STEM, softmax, conv("end", "softmax", SHAPE, 4)), 3)
    assert groups.group_of("stem") in groups.fixed
