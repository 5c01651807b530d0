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


def chain(*middle: Layer) -> Architecture:
    """A stem, layers that end with `last`, a head."""
    stem = conv("stem", INPUT, (3, 6, 6), 4)
    shape = middle[-1].out_shape
    pool = global_pool("pool", middle[-1].name, shape)
    head = fully_connected("head", "pool", shape[0], 3, role=Role.CLASSIFIER)
    return Architecture(name="own", input_shape=(3, 6, 6), layers=(stem, *middle, pool, head))


def joined(op: Op) -> tuple[Layer, ...]:
    """What two layers give side by side meets what one gives."""
    sides = {"in_height": 6, "in_width": 6, "out_height": 6, "out_width": 6, "in_channels": 4, "out_channels": 4}
    both = Layer(name="both", op=Op.CONCAT, inputs=("left", "right"), **sides)
    left, right = conv("left", "stem", SHAPE, 2), conv("right", "stem", SHAPE, 2)
    return (left, right, both, elementwise("meet", ("both", "stem"), SHAPE, op=op))


DECONV = Layer(
    name="up", op=Op.DECONV, inputs=("stem",), in_channels=4, in_height=6, in_width=6, out_channels=6, out_height=6,
    out_width=6,
)  # fmt: skip
CASES = {
    "grouped": (chain(conv("pair", "stem", SHAPE, 8, groups=2)), {"stem": "grouped conv", "pair": "grouped conv"}),
    "multiplied": (chain(conv("more", "stem", SHAPE, 8, groups=4)), {"stem": "depthwise", "more": "depthwise"}),
    "transposed": (chain(DECONV), {"stem": "transposed convolution 'up' keeps what it reads"}),
    "met": (chain(*joined(Op.ADD)), dict.fromkeys(("stem", "left", "right"), "add 'meet' meets")),
    "softmax": (chain(elementwise("soft", ("stem",), SHAPE, op=Op.SOFTMAX)), {"stem": "softmax 'soft'"}),
    "plain": (chain(conv("body", "stem", SHAPE, 8)), {}),
}


@pytest.mark.parametrize(("architecture", "reasons"), CASES.values(), ids=CASES)
def test_the_layer_that_keeps_others_whole_is_named(architecture: Architecture, reasons: dict[str, str]) -> None:
    found = kept_whole(architecture, families(architecture))
    assert found.keys() == {*reasons, "head"}
    assert found["head"] == OUTPUTS
    for name, reason in reasons.items():
        assert reason in found[name]
    assert len(causes(found)) == bool(reasons)


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
    whole, some = CASES["grouped"][0], chain(narrow, conv("pair", "narrow", (6, 6, 6), 4, groups=2))
    for architecture, error, says in (
        (whole, InvalidSelection, "got none: grouped convolution 'pair' keeps both its sides. Put plain"),
        (some, OutOfReach, "left wherever filters can be removed. Other layers are left whole: grouped conv"),
        (CASES["plain"][0], OutOfReach, "one filter left everywhere. Choose"),
    ):
        design, found = Design(architecture=architecture, policy=full_precision(architecture)), families(architecture)
        sizes = [family.size for family in found.families]
        with pytest.raises(error, match=says):
            allot(design, found, SameShare(sizes=sizes), MACS, 1)
        kept = allot(design, found, SameShare(sizes=sizes), MACS, float(MACS([design])[0]))
        assert kept.counts == tuple(sizes)
