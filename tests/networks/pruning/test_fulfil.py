"""A plan's numbers are kept to the filter, and the filters are the most sensitive ones that the shortcuts carry on."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from design.channels import kept_by_group
from design.design import Design
from design.errors import InvalidDesign
from design.layer import Op
from design.policies import policy_by_role
from design.pruning import PruningPlan
from design.space import Space
from design.spaces.registry import find_space
from design.task import find_task
from networks.build import build
from networks.network import Network
from networks.pruning.budget import AMOUNTS
from networks.pruning.decision import Method, decide, families_of
from networks.pruning.fulfil import fulfil, kept_of
from networks.pruning.scores import L1Norm, Sensitivity
from networks.pruning.surgery import cut

TASK = find_task("digits")
WIDEST = 32


def pictures() -> list[Tensor]:
    return [torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]


SCORE = Sensitivity(batches=pictures)


def of_space(name: str, seed: int, **wanted: object) -> Design:
    """A random design of a space, with its pruning plan, in full precision."""
    space: Space = find_space(name)
    random = np.random.default_rng(seed)
    values = [
        gene.choices.index(wanted[gene.name]) if gene.name in wanted else int(random.integers(len(gene.choices)))
        for gene in space.genes(TASK)
    ]
    found = space.decode(TASK, values)
    return Design(architecture=found.architecture, policy=policy_by_role(found.architecture), plan=found.plan)


def whole(design: Design) -> tuple[Design, Network]:
    """The design without its plan, as a network that has seen pictures."""
    own = Design(architecture=design.architecture, policy=design.policy)
    network = build(own, seed=1)
    network(pictures()[0])
    return own, network.eval()


CASES = [
    ("resnet", 0, {"depth": 20, "width": 0.5, "shortcut": "pad"}),
    ("resnet", 1, {"depth": 20, "width": 0.5, "shortcut": "pad"}),
    ("resnet", 2, {"depth": 20, "width": 0.5, "shortcut": "projection"}),
    ("vgg", 3, {}),
    ("mobilenet", 4, {}),
    ("mobilenet", 5, {}),
]


@pytest.mark.parametrize(("name", "seed", "wanted"), CASES, ids=[f"{name} {seed}" for name, seed, _ in CASES])
def test_the_numbers_of_a_design_are_kept_and_the_network_cut_to_them_is_the_designs(
    name: str, seed: int, wanted: dict[str, object]
) -> None:
    design = of_space(name, seed, **wanted)
    unpruned, network = whole(design)
    chosen = fulfil(network, design.plan, SCORE)
    small, smaller = cut(network, unpruned, chosen.selection)
    assert small.architecture.layers == design.pruned.layers == smaller.pruned.layers
    assert design.pruned.layers != design.architecture.layers
    built = build(design)
    built.load_state_dict(small.state_dict())
    assert torch.equal(built.eval()(pictures()[0]), small(pictures()[0]))


def test_of_a_group_by_itself_the_most_sensitive_filters_stay() -> None:
    design = of_space("resnet", 0, depth=20, width=0.5, shortcut="projection")
    _, network = whole(design)
    chosen = fulfil(network, design.plan, SCORE)
    looked = 0
    for family in chosen.found.families:
        (group,) = family.members
        kept = chosen.selection.kept.get(chosen.found.groups.owners[group][0])
        if kept is not None:
            gone = np.setdiff1d(np.arange(family.size), kept)
            scores = chosen.scores[family.name]
            assert scores[list(kept)].min() >= scores[gone].max() - 1e-4, "equal in four digits"
            looked += 1
    assert looked > 5


def test_numbers_that_a_budget_gives_are_met_by_the_filters_that_it_gives() -> None:
    """Where families can keep a plan's numbers, the choice is that of `decide`, up to which of equal ones stay."""
    design = of_space("resnet", 0, depth=20, width=0.5, shortcut="pad")
    unpruned, network = whole(design)
    amount = AMOUNTS["parameters"]
    decision = decide(network, unpruned, Method(score=SCORE), amount, 0.5 * float(amount([unpruned])[0]))
    chosen = fulfil(network, decision.selection.plan(), SCORE)
    for one, other in zip(chosen.bounds, decision.bounds, strict=True):
        assert replace(one, removed_share=None) == replace(other, removed_share=None)
        assert one.removed_share == pytest.approx(other.removed_share, abs=1e-4 * WIDEST), "of equal ones others stay"
    found = chosen.found
    for family in found.families:
        for group in family.members:
            kept = [
                np.isin(
                    family.members[group], one.kept.get(found.groups.owners[group][0], range(found.groups.width[group]))
                )
                for one in (chosen.selection, decision.selection)
            ]
            own = np.round(chosen.scores[family.name], 4)
            np.testing.assert_array_equal(np.sort(own[kept[0]]), np.sort(own[kept[1]]))


def _streams(network: Network) -> list[int]:
    """Groups of the streams in the order in which pads tie them."""
    found = families_of(network)
    pads = [layer for layer in network.architecture.layers if layer.op is Op.PAD]
    groups = [found.groups.group_of(name) for pad in pads for name in (pad.inputs[0], pad.name)]
    return [one for one in dict.fromkeys(groups) if one is not None]


@pytest.mark.parametrize(
    ("counts", "carried"),
    [
        ((3, 9, 20), (3, 9)),  # families can do it: what is narrow stays in what is wide
        ((6, 4, 20), (4, 4)),  # the wide stream keeps fewer than the narrow one
        ((2, 14, 20), (2, 14)),  # more than the padding adds: channels that the narrow stream lost
        ((8, 16, 1), (8, 1)),
    ],
)
def test_tied_streams_keep_their_own_numbers_and_what_the_shortcut_carries(
    counts: tuple[int, int, int], carried: tuple[int, int]
) -> None:
    _, network = whole(of_space("resnet", 0, depth=20, width=0.5, shortcut="pad"))
    found = families_of(network)
    streams = _streams(network)
    scores = SCORE(network, found)
    kept = kept_of(
        found, scores, L1Norm()(network, found), dict(found.groups.width) | dict(zip(streams, counts, strict=True))
    )
    assert tuple(len(kept[stream]) for stream in streams) == counts
    for (narrow, wide), number in zip(pairwise(streams), carried, strict=True):
        assert len(np.intersect1d(kept[narrow], kept[wide])) == number
    first = next(one for one in found.families if streams[0] in one.members)
    gone = np.setdiff1d(np.arange(first.size), kept[streams[0]])
    assert scores[first.name][kept[streams[0]]].min() >= scores[first.name][gone].max(initial=0)


def test_a_stream_that_keeps_more_than_its_padding_adds_takes_the_best_of_what_was_left_behind() -> None:
    _, network = whole(of_space("resnet", 0, depth=20, width=0.5, shortcut="pad"))
    found = families_of(network)
    streams = _streams(network)
    scores = SCORE(network, found)
    kept = kept_of(found, scores, L1Norm()(network, found), dict(found.groups.width) | {streams[0]: 2, streams[1]: 12})
    family = next(one for one in found.families if streams[0] in one.members)
    behind = np.setdiff1d(np.arange(8), kept[streams[0]])
    best = behind[np.argsort(-scores[family.name][behind], kind="stable")[:2]]
    assert set(kept[streams[1]]) == {*range(8, 16), *kept[streams[0]], *best}


def test_bounds_are_of_what_each_layer_reads() -> None:
    design = of_space("resnet", 0, depth=20, width=0.5, shortcut="pad")
    _, network = whole(design)
    chosen = fulfil(network, design.plan, SCORE)
    left = {layer.name: layer.in_channels for layer in design.pruned.layers}
    before = {layer.name: layer.in_channels for layer in design.architecture.layers}
    assert [one.layer for one in chosen.bounds] == list(chosen.found.readers)
    for one in chosen.bounds:
        assert one.distinct == left[one.layer]
        assert (one.epsilon > 0) is (left[one.layer] < before[one.layer])
    streams = _streams(network)
    wide = chosen.found.groups.owners[streams[1]]
    reader = "stage2.block2.conv1"
    narrow = dict.fromkeys(chosen.found.groups.owners[streams[0]], 7)
    told = fulfil(network, PruningPlan(kept=dict.fromkeys(wide, 8) | narrow), SCORE)
    assert next(one for one in told.bounds if one.layer == reader).epsilon < math.inf
    told = fulfil(network, PruningPlan(kept=dict.fromkeys(wide, 8)), SCORE)
    assert next(one for one in told.bounds if one.layer == reader).epsilon == math.inf, "nothing of what padding adds"


def test_channels_that_nobody_can_judge_stay_first() -> None:
    _, network = whole(of_space("resnet", 0, depth=20, width=0.5, shortcut="pad"))
    found = families_of(network)
    streams = _streams(network)
    without = type(found)(
        groups=found.groups,
        families=tuple(one for one in found.families if streams[0] not in one.members),
        readers=found.readers,
    )
    scores = {one.name: np.arange(one.size, dtype=np.float64) for one in without.families}
    kept = kept_of(without, scores, scores, dict(found.groups.width) | {streams[0]: 3, streams[1]: 10})
    assert kept[streams[0]].tolist() == [0, 1, 2]
    assert kept[streams[1]].tolist() == [*range(8), 14, 15]


def test_of_equally_sensitive_filters_those_with_the_larger_weights_stay() -> None:
    _, network = whole(of_space("resnet", 0, depth=20, width=0.5, shortcut="projection"))
    found = families_of(network)
    group = found.groups.group_of("stage1.block1.conv1")
    assert group is not None
    name = next(one.name for one in found.families if group in one.members)
    scores = dict(SCORE(network, found)) | {name: np.array([0.2, 1, 0.99999, 0.3, 1, 0.1, 0.9, 0.99998])}
    ties = dict(L1Norm()(network, found)) | {name: np.array([9, 2, 3, 9, 1, 9, 9, 4.0])}
    for count, kept in ((1, [7]), (2, [2, 7]), (3, [1, 2, 7]), (5, [1, 2, 4, 6, 7])):
        assert kept_of(found, scores, ties, dict(found.groups.width) | {group: count})[group].tolist() == kept


def test_a_plan_that_does_not_fit_is_refused() -> None:
    _, network = whole(of_space("resnet", 0, depth=20, width=0.5, shortcut="pad"))
    with pytest.raises(InvalidDesign, match="residual group"):
        fulfil(network, PruningPlan(kept={"stem.conv": 3}), SCORE)


def test_groups_of_the_plan_are_those_of_the_network() -> None:
    design = of_space("mobilenet", 4)
    _, network = whole(design)
    found = families_of(network)
    counts = kept_by_group(found.groups, design.plan.kept)
    kept = kept_of(found, SCORE(network, found), L1Norm()(network, found), counts)
    assert {group: len(own) for group, own in kept.items()} == counts
