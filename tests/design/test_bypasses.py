"""Blocks around whose convolutions shortcuts of their own can lead."""

from __future__ import annotations

import pytest

from design.architecture import INPUT
from design.bypasses import Bypass, bypasses
from design.layer import Layer, Op, Role
from design.layers import conv, elementwise, pool
from design.zoo import find_network

SHAPE = (4, 6, 6)
HALVED = (8, 3, 3)


def _block(*, beside: str = INPUT, swapped: bool = False, more: tuple[Layer, ...] = ()) -> list[Layer]:
    pair = (beside, "b") if swapped else ("b", beside)
    return [conv("a", INPUT, SHAPE, 4), conv("b", "a", SHAPE, 4), *more, elementwise("add", pair, SHAPE)]


@pytest.mark.parametrize("swapped", [False, True])
def test_two_convolutions_and_what_they_read(swapped: bool) -> None:
    assert bypasses(_block(swapped=swapped)) == (Bypass(add="add", first="a", second="b", beside=INPUT),)


def test_a_shortcut_with_a_pool_and_weights_begins_where_the_block_begins() -> None:
    layers = [
        conv("a", INPUT, SHAPE, 8, stride=2),
        conv("b", "a", HALVED, 8),
        pool("pool", INPUT, SHAPE, op=Op.POOL_AVERAGE, kernel=2, stride=2),
        conv("shortcut", "pool", (4, 3, 3), 8, kernel=1, role=Role.SHORTCUT),
        elementwise("add", ("b", "shortcut"), HALVED),
    ]
    assert bypasses(layers) == (Bypass(add="add", first="a", second="b", beside="shortcut"),)


def test_what_is_no_such_block() -> None:
    apart = _block(beside="c", more=(conv("c", INPUT, SHAPE, 4),))
    read_twice = [*_block(), conv("other", "a", SHAPE, 4)]
    sum_read_twice = [*_block(), conv("other", "b", SHAPE, 4)]
    of_three = [*_block()[:2], elementwise("add", ("b", INPUT, INPUT), SHAPE)]
    shortcut = [conv("a", INPUT, SHAPE, 4, role=Role.SHORTCUT), *_block()[1:]]
    shrinking = [conv("a", INPUT, (4, 11, 11), 4), conv("b", "a", (4, 11, 11), 4, stride=2)]
    shrinking += [conv("s", INPUT, (4, 11, 11), 4, kernel=1, stride=2, role=Role.SHORTCUT)]
    shrinking += [elementwise("add", ("b", "s"), SHAPE)]
    for layers in (apart, read_twice, sum_read_twice, of_three, shortcut, shrinking, _block()[:1]):
        assert bypasses(layers) == ()


def test_every_block_of_a_resnet_is_one() -> None:
    layers = find_network("resnet20").design().architecture.layers
    assert [one.add for one in bypasses(layers)] == [layer.name for layer in layers if layer.op is Op.ADD]
