"""Families are what can be removed together; their numbers and their indexes tell the same design."""

from __future__ import annotations

import numpy as np

from design.architecture import INPUT, Architecture
from design.design import Design
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, flatten, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY
from design.space import Space
from design.spaces.mobilenet import MobileNetSpace
from design.spaces.registry import find_space
from design.task import find_task
from networks.build import build
from networks.pruning.choices import ranked
from networks.pruning.decision import families_of
from networks.pruning.families import families
from networks.pruning.selection import kept_channels
from networks.pruning.shares import Piece

TASK = find_task("cifar10")


def resnet(shortcut: str) -> Architecture:
    space: Space = find_space("resnet")
    wanted = {"depth": 20, "width": 0.5, "shortcut": shortcut}
    genes = space.genes(TASK)
    values = [gene.choices.index(wanted[gene.name]) if gene.name in wanted else 0 for gene in genes]
    return space.decode(TASK, values).architecture


def test_a_residual_stream_is_one_family() -> None:
    found = families(resnet("projection"))
    by_name = {family.name: family for family in found.families}
    assert len(by_name) == 12
    assert found.read_by(by_name["stem.conv"]) == (
        *(f"stage1.block{block}.conv1" for block in (1, 2, 3)),
        "stage2.block1.conv1",
        "stage2.block1.shortcut",
    )
    assert found.read_by(by_name["stage3.block1.conv2"])[-1] == "head.fc"
    assert {family.size for family in found.families} == {8, 16, 32}


def test_zero_padding_ties_streams_by_their_offset() -> None:
    architecture = resnet("pad")
    pads = [layer for layer in architecture.layers if layer.op is Op.PAD]
    found = families(architecture)
    stem, second, third = (one for one in found.families if "block1.conv2" in one.name or one.name == "stem.conv")
    assert [len(one.members) for one in (stem, second, third)] == [3, 2, 1]
    assert [one.size for one in (stem, second, third)] == [8, 8, 16]
    assert all(channels[0] == 0 for channels in stem.members.values())
    kept = found.selection({"stem.conv": np.array([1, 3]), "stage2.block1.conv2+": np.array([0, 7])}).kept
    assert kept["stem.conv"] == (1, 3)
    assert kept["stage2.block1.conv2"] == (1, 3, 8, 15)
    assert kept["stage3.block1.conv2"] == (1, 3, 8, 15, *range(16, 32))
    middle = {pads[0].name: [-1] * 4 + list(range(8)) + [-1] * 4}
    moved = families(architecture, sources=middle)
    tied = next(one for one in moved.families if one.name == "stem.conv")
    groups = list(tied.members)
    assert tied.members[groups[0]].tolist() == list(range(8))
    assert tied.members[groups[1]].tolist() == list(range(4, 12))


def test_numbers_and_indexes_give_one_design_on_every_space() -> None:
    random = np.random.default_rng(0)
    for name in ("resnet", "vgg", "mobilenet", "nasbench201"):
        space: Space = find_space(name)
        sizes = [len(gene.choices) for gene in space.genes(TASK)]
        architecture = space.decode(TASK, [int(random.integers(size)) for size in sizes]).architecture
        found = families(architecture)
        assert found.families, name
        taken = {
            one.name: random.permutation(one.size)[: random.integers(one.least, one.size + 1)] for one in found.families
        }
        worth = {one.name: random.uniform(size=one.width) for one in found.families}
        kept = {one.name: np.sort(ranked(one, worth[one.name])[taken[one.name]].reshape(-1)) for one in found.families}
        selection = found.selection(kept)
        kept_channels(architecture, selection)
        plan = found.plan([len(taken[one.name]) for one in found.families])
        assert plan == selection.plan()
        Design(architecture=architecture, policy=full_precision(architecture), plan=plan)


def branches(*, deconvolved: bool = False) -> Architecture:
    """Two convolutions put together, read by a depthwise one, by a linear layer through a view, by what cannot say."""
    shape = (3, 4, 4)
    left = conv("left", INPUT, shape, 2, activation=Activation.RELU)
    right = conv("right", INPUT, shape, 3)
    both = Layer(
        name="both", op=Op.CONCAT, inputs=("left", "right"), in_channels=5, in_height=4, in_width=4, out_channels=5,
        out_height=4, out_width=4,
    )  # fmt: skip
    deep = conv("deep", "both", both.out_shape, 5, groups=5)
    if deconvolved:
        up = Layer(
            name="up", op=Op.DECONV, inputs=("left",), in_channels=2, in_height=4, in_width=4, out_channels=5,
            out_height=4, out_width=4, kernel_height=3, kernel_width=3,
        )  # fmt: skip
        summed = elementwise("sum", ("deep", "up"), deep.out_shape)
        last = [up, summed, global_pool("pool", "sum", summed.out_shape)]
        last.append(fully_connected("fc", "pool", 5, 2, role=Role.CLASSIFIER))
    else:
        view = flatten("view", "deep", deep.out_shape)
        last = [view, fully_connected("fc", "view", 80, 2, role=Role.CLASSIFIER)]
    return Architecture(name="branches", input_shape=shape, layers=(left, right, both, deep, *last))


def test_channels_are_followed_through_concatenations_depthwise_convolutions_and_views() -> None:
    found = families(branches())
    assert [(one.name, one.size) for one in found.families] == [("left", 2), ("right", 3)]
    left, right = (found.groups.group_of(name) for name in ("left", "right"))
    assert left is not None
    assert right is not None
    pieces = (Piece(group=left, start=0, width=2, copies=16), Piece(group=right, start=32, width=3, copies=16))
    assert found.readers == {"fc": pieces}


def test_what_a_layer_reads_that_cannot_say_what_it_needs_stays() -> None:
    assert [one.name for one in families(branches(deconvolved=True)).families] == []


def test_only_what_is_known_to_read_nothing_negative_has_half_the_sums() -> None:
    own = MobileNetSpace()
    network = own.decode(TASK, own.mobilenet_v2(TASK, 0.25)).architecture
    found = families(network)
    assert "stage2.block1.project" in found.unsigned, "behind a ReLU6"
    assert "stage2.block2.expand" not in found.unsigned, "behind a linear bottleneck"
    assert network.layers[0].name not in found.unsigned, "pictures"
    residual = resnet("projection")
    whole = Design(architecture=residual, policy=full_precision(residual))
    assert families_of(build(whole)).unsigned == families(residual).unsigned
    binary = Design(architecture=residual, policy=policy_by_role(residual, body=BINARY))
    assert not any("block" in name for name in families_of(build(binary)).unsigned), "signs are 1 and -1"
