"""Which channels of the blocks go together, what they are worth, and what is promised of what stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.pruning_grouped import GROUPED, chain, put_together, two_counts
from design.architecture import Architecture
from design.design import Design
from design.layer import Op
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision
from design.pruning import PruningPlan
from networks.build import build
from networks.network import Network
from networks.pruning.budget import AMOUNTS
from networks.pruning.choices import ranked, spread, worth_of_choices
from networks.pruning.decision import Method, Shared, decide, families_of
from networks.pruning.families import Families, Family, families
from networks.pruning.fulfil import fulfil
from networks.pruning.sampling import Chosen, Variant, choose
from networks.pruning.scores import L1Norm, Sensitivity
from networks.pruning.sensitivity import shares_by_picture
from tests.networks.pruning.test_removed_share import worst_errors

MACS = AMOUNTS["macs"]
ROUNDING = 1e-4
LEAST = 0.32
"""Share of the multiply-adds that every topology can be brought to; `grouped streams` keeps .313."""


def images(seed: int) -> list[Tensor]:
    return [torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))]


def network(architecture: Architecture, seed: int) -> tuple[Design, Network]:
    """A few channels count far more than the others."""
    design = Design(architecture=architecture, policy=full_precision(architecture))
    found = build(design, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in found.parameters():
            value.mul_(torch.rand(value.shape[0], generator=generator).view(-1, *(1,) * (value.dim() - 1)) ** 4 + 0.01)
    return design, found.eval()


def named(found: Families, name: str) -> Family:
    return next(one for one in found.families if one.name == name)


def test_a_choice_is_the_best_that_is_left_of_every_block() -> None:
    family = named(families(chain()), "stem")
    worth = np.array([0.1, 0.4, 0.3, 0.2, 0.9, 0.0, 0.8, 0.7, 0.5, 0.5, 0.6, 0.1])
    assert ranked(family, worth).tolist() == [[1, 4, 10], [2, 6, 8], [3, 7, 9], [0, 5, 11]]
    kept = spread(family, worth, Chosen(kept=np.array([0, 2]), factors=np.array([0.5, 3.0])))
    assert kept.kept.tolist() == [1, 3, 4, 7, 9, 10]
    assert kept.factors is not None
    assert kept.factors.tolist() == [0.5, 3.0, 0.5, 3.0, 3.0, 0.5]


def test_a_choice_is_worth_what_one_filter_sees_of_it() -> None:
    found = families(chain())
    worth = np.array([0.1, 0.4, 0.3, 0.2, 0.9, 0.0, 0.8, 0.7, 0.5, 0.5, 0.6, 0.1])
    own = worth_of_choices(found, named(found, "stem"), worth)
    np.testing.assert_allclose(own, [0.9, 0.8, 0.7, 0.1])
    last = np.linspace(0, 0.2, 24)  # behind the last one all are read by the classifier
    family = named(found, "third")
    np.testing.assert_allclose(worth_of_choices(found, family, last), last[ranked(family, last)].sum(1))
    assert worth_of_choices(found, family, 9 * last, most=1).max() == 1
    both = families(two_counts())
    between = named(both, "first")  # six blocks, of which a filter of three groups reads two
    worth = np.linspace(0.1, 0.3, 24)
    pairs = worth[ranked(between, worth)].reshape(-1, 3, 2).sum(2)
    np.testing.assert_allclose(worth_of_choices(both, between, worth), pairs.max(1))
    beside = families(put_together())  # left and right are one group, of which a filter reads one block of one side
    family, worth = named(beside, "left"), np.linspace(0.1, 0.3, 12)
    np.testing.assert_allclose(worth_of_choices(beside, family, worth), worth[ranked(family, worth)].max(1))


def test_shares_are_those_of_the_group_that_reads() -> None:
    """The shares of what one filter reads add up to one at least: nothing else is in its sum."""
    design, module = network(chain(), 0)
    del design
    for own in shares_by_picture(module, families_of(module), images(0))["first"]:
        assert own.shape == (2, 12)
        assert (own.reshape(2, 3, 4).sum(2) >= 1 - ROUNDING).all()
    family = named(families_of(module), "stem")
    assert family.blocks == 3


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 99), share=st.floats(LEAST, 0.95), name=st.sampled_from(sorted(GROUPED)))
def test_no_sum_loses_more_than_is_said(seed: int, share: float, name: str) -> None:
    design, module = network(GROUPED[name], seed)
    score = Sensitivity(batches=lambda: images(seed))
    decision = decide(module, design, Method(score=score), MACS, share * float(MACS([design])[0]))
    chosen = fulfil(module, decision.selection.plan(), score)
    for bounds, selection in ((decision.bounds, decision.selection), (chosen.bounds, chosen.selection)):
        errors = worst_errors(module, selection, images(seed)[0])
        assert bounds
        for one in bounds:
            assert one.removed_share is not None
            assert errors[one.layer] <= one.removed_share + ROUNDING, one


def test_of_one_channel_of_each_group_it_is_just_what_is_lost() -> None:
    """A sum over all groups would be told too high: a filter loses what its own group loses."""
    _, module = network(chain(), 3)
    chosen = fulfil(module, PruningPlan(kept={"stem": 9}), Sensitivity(batches=lambda: images(3)))
    told = {one.layer: one.removed_share for one in chosen.bounds}
    assert told["first"] == pytest.approx(worst_errors(module, chosen.selection, images(3)[0])["first"], rel=1e-3)


@pytest.mark.parametrize("name", GROUPED)
def test_the_best_of_every_block_stay(name: str) -> None:
    design, module = network(GROUPED[name], 1)
    found = families_of(module)
    target = 0.5 * float(MACS([design])[0])
    for score in (L1Norm(), Sensitivity(batches=lambda: images(1))):
        decision = decide(module, design, Method(score=score, shared=Shared.UNIFORM), MACS, target)
        for one, number in zip(found.families, decision.allotment.counts, strict=True):
            (group,) = one.members
            kept = decision.selection.kept.get(found.groups.owners[group][0], tuple(range(one.width)))
            stays = np.isin(one.members[group], kept).reshape(one.blocks, -1)
            assert (stays.sum(1) == number).all()
            for own, block in zip(decision.scores[one.name].reshape(one.blocks, -1), stays, strict=True):
                assert own[block].min() >= own[~block].max(initial=0)
    chosen = fulfil(module, decision.selection.plan(), Sensitivity(batches=lambda: images(1)))
    assert chosen.selection.plan() == decision.selection.plan()


def test_numbers_of_filters_are_multiples_whatever_the_blocks() -> None:
    design, module = network(chain(), 1)
    method = Method(score=L1Norm(), shared=Shared.UNIFORM, multiple=2)
    found = decide(module, design, method, MACS, 0.7 * float(MACS([design])[0]))
    assert all(count % 2 == 0 or count == one.size for count, one in zip(
        found.allotment.counts, families_of(module).families, strict=True
    ))  # fmt: skip
    six = Method(score=L1Norm(), shared=Shared.UNIFORM, multiple=6)
    assert decide(module, design, six, MACS, found.allotment.target).selection == found.selection


def test_draws_that_hit_too_few_keep_more_that_count_nothing() -> None:
    scores = np.array([0.0, 0.2, 1.0, 0.1])
    own = choose(scores, 2, Variant.RANDOM, np.random.default_rng(0), share=0, least=2)
    assert own.factors is not None
    assert len(own.kept) == 2
    assert sorted(own.factors > 0) == [False, True]
    assert 2 in own.kept, "the largest of those that were not drawn, or drawn"


def _padded(sources: list[int]) -> tuple[Architecture, Families]:
    """A narrow stream that a pad carries into a wide one, which is read in two groups; eight channels, then sixteen."""
    wide = conv("wide", "stem", (8, 6, 6), 16, stride=2)
    pad = elementwise("pad", ("stem",), (8, 6, 6), op=Op.PAD).model_copy(
        update={"out_channels": 16, "out_height": 3, "out_width": 3, "stride": 2}
    )
    added = elementwise("add", ("wide", "pad"), wide.out_shape)
    read = conv("read", "add", added.out_shape, 8, groups=2)
    stem = conv("stem", "input", (3, 6, 6), 8)
    head = fully_connected("head", "pool", 8, 4)
    layers = (stem, wide, pad, added, read, global_pool("pool", "read", read.out_shape), head)
    architecture = Architecture(name="own", input_shape=(3, 6, 6), layers=layers)
    return architecture, families(architecture, sources={"pad": sources})


def test_what_a_pad_ties_is_one_choice_where_it_takes_as_much_of_each_block() -> None:
    _, middle = _padded([-1] * 4 + list(range(8)) + [-1] * 4)
    shared, added = named(middle, "stem"), named(middle, "wide")
    assert (shared.blocks, shared.size, shared.width) == (2, 4, 8)
    assert (added.blocks, added.size) == (2, 4)
    assert [own.tolist() for own in added.members.values()] == [[0, 1, 2, 3, 12, 13, 14, 15]]
    _, first = _padded([*range(8), *[-1] * 8])
    assert [one.name for one in first.families] == ["read"]
