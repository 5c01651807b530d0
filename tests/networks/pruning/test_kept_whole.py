"""Whatever has no family says why, and nothing else does."""

from __future__ import annotations

import pytest

from design.architecture import INPUT, Architecture
from design.design import Design
from design.layer import Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision
from design.space import Space
from design.spaces.registry import SPACES
from design.task import find_task
from networks.errors import InvalidSelection, OutOfReach
from networks.pruning.allocation import SameShare
from networks.pruning.budget import AMOUNTS, allot
from networks.pruning.families import families
from networks.pruning.kept_whole import OUTPUTS, UNREAD, causes, kept_whole

SHAPE = (4, 6, 6)
MACS = AMOUNTS["macs"]


def chain(*middle: Layer, stem: int = 4) -> Architecture:
    """A stem, layers that read it, a head."""
    first = conv("stem", INPUT, (3, 6, 6), stem)
    shape = middle[-1].out_shape
    pool = global_pool("pool", middle[-1].name, shape)
    head = fully_connected("head", "pool", shape[0], 3, role=Role.CLASSIFIER)
    return Architecture(name="own", input_shape=(3, 6, 6), layers=(first, *middle, pool, head))


def joined(op: Op) -> tuple[Layer, ...]:
    """What two layers give side by side meets what one gives."""
    sides = {"in_height": 6, "in_width": 6, "out_height": 6, "out_width": 6, "in_channels": 4, "out_channels": 4}
    both = Layer(name="both", op=Op.CONCAT, inputs=("left", "right"), **sides)
    left, right = conv("left", "stem", SHAPE, 2), conv("right", "stem", SHAPE, 2)
    return (left, right, both, elementwise("meet", ("both", "stem"), SHAPE, op=op))


def beside(first: int, second: int) -> tuple[Layer, ...]:
    """Two layers put together, read in two groups."""
    sides = {"in_height": 6, "in_width": 6, "out_height": 6, "out_width": 6}
    width = first + second
    both = Layer(
        name="both", op=Op.CONCAT, inputs=("left", "right"), in_channels=width, out_channels=width, **sides
    )  # fmt: skip
    left, right = conv("left", "stem", SHAPE, first), conv("right", "stem", SHAPE, second)
    return left, right, both, conv("read", "both", both.out_shape, 8, groups=2)


def padded() -> tuple[Layer, ...]:
    """What a pad widens is read in two groups, of which one has all the channels that the pad reads."""
    wide = conv("wide", "stem", SHAPE, 8, stride=2)
    pad = Layer(
        name="pad", op=Op.PAD, inputs=("stem",), in_channels=4, in_height=6, in_width=6, out_channels=8, out_height=3,
        out_width=3, stride=2,
    )  # fmt: skip
    added = elementwise("add", ("wide", "pad"), wide.out_shape)
    return wide, pad, added, conv("read", "add", wide.out_shape, 8, groups=2)


ONE = "one channel in each of 2 groups"
SHUFFLE = elementwise("mix", ("stem",), SHAPE, op=Op.OTHER).model_copy(update={"groups": 2})
DECONV = Layer(
    name="up", op=Op.DECONV, inputs=("stem",), in_channels=4, in_height=6, in_width=6, out_channels=6, out_height=6,
    out_width=6,
)  # fmt: skip
CASES = {
    "shuffled": (chain(SHUFFLE), {"stem": "other 'mix' keeps both its sides"}),
    "in twos": (
        chain(conv("pair", "stem", SHAPE, 2, groups=2)),
        {"stem": "2 channels in each of 2 groups", "pair": ONE},
    ),
    "unlike": (chain(*beside(2, 4)), {"left": "the groups of convolution 'read'", "right": "parts of several layers"}),
    "tied": (chain(*padded()), dict.fromkeys(("stem", "wide"), "pad 'pad' ties them unevenly")),
    "multiplied": (chain(conv("more", "stem", SHAPE, 8, groups=4)), {"stem": "depthwise", "more": "depthwise"}),
    "transposed": (chain(DECONV), {"stem": "transposed convolution 'up' keeps what it reads"}),
    "met": (chain(*joined(Op.ADD)), dict.fromkeys(("stem", "left", "right"), "add 'meet' meets")),
    "softmax": (chain(elementwise("soft", ("stem",), SHAPE, op=Op.SOFTMAX)), {"stem": "softmax 'soft'"}),
    "plain": (chain(conv("body", "stem", SHAPE, 8)), {}),
    "grouped": (chain(conv("pair", "stem", (6, 6, 6), 8, groups=2), stem=6), {}),
}


@pytest.mark.parametrize(("architecture", "reasons"), CASES.values(), ids=CASES)
def test_the_layer_that_keeps_others_whole_is_named(architecture: Architecture, reasons: dict[str, str]) -> None:
    found = kept_whole(architecture, families(architecture))
    assert found.keys() == {*reasons, "head"}
    assert found["head"] == OUTPUTS
    for name, reason in reasons.items():
        assert reason in found[name]
    assert len(causes(found)) == len(set(reasons.values()) - {"parts of several layers"})


@pytest.mark.parametrize("name", SPACES)
def test_on_every_space_all_layers_without_a_family_have_a_reason(name: str) -> None:
    space: Space = SPACES[name]
    task = find_task("cifar10")
    for shift in range(3):
        values = [(shift + place) % len(gene.choices) for place, gene in enumerate(space.genes(task))]
        architecture = space.decode(task, values).architecture
        found = families(architecture)
        free = {group for family in found.families for group in family.members}
        told = kept_whole(architecture, found)
        owned = {layer for group, names in found.groups.owners.items() if group not in free for layer in names}
        assert told.keys() == owned
        assert UNREAD not in told.values()


def test_what_cannot_be_reached_says_what_stays() -> None:
    narrow = conv("narrow", "stem", SHAPE, 6)
    more = conv("more", "narrow", (6, 6, 6), 12, groups=6)
    whole, some = CASES["multiplied"][0], chain(narrow, more)
    for architecture, error, says in (
        (whole, InvalidSelection, "got none: depthwise convolution 'more' multiplies its channels. Put plain, g"),
        (some, OutOfReach, "one filter left wherever filters can be removed. Other layers are left whole: depthwise c"),
        (
            CASES["grouped"][0],
            OutOfReach,
            r"one filter \(one or two in each group of grouped convolutions\) left every",
        ),
        (CASES["plain"][0], OutOfReach, "one filter left everywhere. Choose"),
    ):
        design, found = Design(architecture=architecture, policy=full_precision(architecture)), families(architecture)
        sizes = [family.size for family in found.families]
        with pytest.raises(error, match=says):
            allot(design, found, SameShare(sizes=sizes), MACS, 1)
        kept = allot(design, found, SameShare(sizes=sizes), MACS, float(MACS([design])[0]))
        assert kept.counts == tuple(sizes)
