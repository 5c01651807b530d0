"""Every method chooses what its score says, in its numbers; drawn channels stand for the others."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from design.architecture import INPUT, Architecture
from design.design import Design
from design.layer import Activation, Role
from design.layers import conv, flatten, fully_connected
from design.policies import full_precision
from design.precision import BINARY, Precision, PrecisionPolicy, precision
from networks.build import build
from networks.errors import InvalidSelection
from networks.network import Network
from networks.pruning.budget import AMOUNTS
from networks.pruning.decision import Method, Shared, decide, factors, families_of, reweight_
from networks.pruning.families import Families
from networks.pruning.sampling import Variant, choose
from networks.pruning.scores import Chance, L1Norm, NormScale, Score, Scores, Sensitivity

MACS = AMOUNTS["macs"]
DRAWS = 100


def plain(*, norm: bool = True) -> Design:
    first = conv("first", INPUT, (3, 5, 5), 16, activation=Activation.RELU, role=Role.STEM, batch_norm=norm)
    second = conv("second", "first", first.out_shape, 24, activation=Activation.RELU, padding=0)
    view = flatten("view", "second", second.out_shape)
    fc = fully_connected("fc", "view", view.out_channels, 4, role=Role.CLASSIFIER)
    architecture = Architecture(name="plain", input_shape=(3, 5, 5), layers=(first, second, view, fc))
    return Design(architecture=architecture, policy=full_precision(architecture))


def pictures() -> list[torch.Tensor]:
    return [torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]


SCORES: dict[str, Score] = {
    "sensitivity": Sensitivity(batches=pictures),
    "l1": L1Norm(),
    "norm": NormScale(),
    "chance": Chance(seed=3),
}


def trained(design: Design) -> Network:
    module = build(design, seed=0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.1, 1)
    module(pictures()[0])
    return module.eval()


@pytest.mark.parametrize("name", SCORES)
def test_a_score_says_what_each_filter_is_worth(name: str) -> None:
    design = plain()
    module = trained(design)
    before = copy.deepcopy(module.state_dict())
    found = families_of(module)
    scores = SCORES[name](module, found)
    assert {family: len(own) for family, own in scores.items()} == {"first": 16, "second": 24}
    assert all((own >= 0).all() and own.std() > 0 for own in scores.values())
    torch.testing.assert_close(module.state_dict(), before)
    for family, own in SCORES[name](module, found).items():
        np.testing.assert_array_equal(own, scores[family])


def test_what_the_usual_scores_are() -> None:
    module = trained(plain())
    found = families_of(module)
    part = module.unit("second").operation
    assert isinstance(part, nn.Conv2d)
    np.testing.assert_allclose(
        L1Norm()(module, found)["second"], part.weight.detach().abs().sum((1, 2, 3)).numpy(), 1e-5
    )
    norm = module.unit("first").norm
    assert isinstance(norm, nn.BatchNorm2d)
    np.testing.assert_allclose(NormScale()(module, found)["first"], norm.weight.detach().abs().numpy())
    with pytest.raises(InvalidSelection, match="every filter has one"):
        NormScale()(trained(plain(norm=False)), found)


@pytest.mark.parametrize("shared", [*Shared, None])
@pytest.mark.parametrize("name", SCORES)
def test_the_best_filters_stay_and_the_budget_holds(name: str, shared: Shared | None) -> None:
    if shared is Shared.EPSILON and name != "sensitivity":
        with pytest.raises(InvalidSelection, match="must be sensitivities to share one error bound"):
            Method(score=SCORES[name], shared=shared)
        return
    design = plain()
    module = trained(design)
    target = 0.5 * float(MACS([design])[0])
    decision = decide(module, design, Method(score=SCORES[name], shared=shared), MACS, target)
    assert decision.allotment.amount <= target
    for family, kept in decision.selection.kept.items():
        own = decision.scores[family]
        left = np.setdiff1d(np.arange(len(own)), kept)
        assert own[list(kept)].min() >= own[left].max()
    assert not decision.factors
    assert bool(decision.bounds) == (name == "sensitivity")


class Kept:
    """Sensitivities from before, as a user may keep them."""

    sensitivities = True

    def __init__(self, scores: Scores) -> None:
        self.scores = scores

    def __call__(self, network: Network, found: Families) -> Scores:
        return self.scores


def test_a_score_of_ones_own_may_say_that_it_gives_sensitivities() -> None:
    design = plain()
    module, target = trained(design), 0.5 * float(MACS([design])[0])
    own = decide(module, design, Method(score=SCORES["sensitivity"]), MACS, target)
    kept = decide(module, design, Method(score=Kept(own.scores), shared=Shared.EPSILON), MACS, target)
    assert kept.selection.kept == own.selection.kept
    assert kept.bounds == ()
    assert Method(score=Kept(own.scores)).sharing is Shared.EPSILON
    assert Method(score=L1Norm()).sharing is Shared.UNIFORM


def test_nothing_is_said_of_whole_channels_by_scores_of_single_weights() -> None:
    design = plain()
    method = Method(score=Sensitivity(batches=pictures, per_weight=True))
    assert decide(trained(design), design, method, MACS, 0.5 * float(MACS([design])[0])).bounds == ()


def test_scores_are_computed_once_where_they_are_known() -> None:
    design = plain()
    module = trained(design)
    method = Method(score=SCORES["l1"])
    first = decide(module, design, method, MACS, 0.8 * float(MACS([design])[0]))

    def never(network: Network, found: Families) -> Scores:
        raise AssertionError

    again = decide(
        module,
        design,
        Method(score=never),
        MACS,
        first.allotment.target,
        scores=first.scores,
        found=families_of(module),
    )
    assert again.selection == first.selection


@pytest.mark.parametrize("variant", [Variant.RANDOM, Variant.PARTIAL])
def test_weights_that_read_drawn_channels_are_right_in_the_mean(variant: Variant) -> None:
    design = plain()
    module = trained(design)
    found = families_of(module)
    target = 0.5 * float(MACS([design])[0])
    scores = SCORES["sensitivity"](module, found)
    images = torch.cat(pictures())
    method = Method(score=SCORES["sensitivity"], variant=variant)
    decision = decide(module, design, method, MACS, target, found=found, scores=scores)
    assert decision.factors.keys() == {group for family in found.families for group in family.members}
    whole, sums, kept = module(images).detach(), torch.zeros(12, 4), []
    weight = module.unit("fc").operation.weight
    assert isinstance(weight, nn.Parameter)
    before, random = weight.detach().clone(), np.random.default_rng(0)
    for _ in range(DRAWS):
        chosen = {
            family.name: choose(scores[family.name], count, variant, random)
            for family, count in zip(found.families, decision.allotment.counts, strict=True)
        }
        reweight_(module, found, factors(found, chosen), layers=["fc"])
        changed = torch.nonzero(weight.detach().abs().sum(0).view(24, -1).sum(1)).flatten()
        assert changed.tolist() == chosen["second"].kept.tolist()
        with torch.no_grad():
            sums += module(images)
            weight.copy_(before)
        kept.append(len(changed))
    off = (sums / DRAWS - whole).abs().mean() / whole.abs().mean()
    assert off < 0.3
    assert len(set(kept)) > 1


def quantized(layers: dict[str, Precision]) -> Design:
    """The plain network with some layers at few bits."""
    design = plain()
    policy = PrecisionPolicy(layers=dict(full_precision(design.architecture).layers) | layers)
    return Design(architecture=design.architecture, policy=policy)


@pytest.mark.parametrize("variant", [Variant.RANDOM, Variant.PARTIAL])
@pytest.mark.parametrize("bits", [BINARY, precision(2), precision(4), precision(8)])
def test_nothing_is_drawn_that_weights_of_few_bits_read(variant: Variant, bits: Precision) -> None:
    """Their grid would lose the factors that make the rest stand for what was removed."""
    design = quantized({"second": bits, "fc": precision(8)})
    module, target = trained(design), 0.5 * float(MACS([design])[0])
    says = rf"at least 16 bits \(variant '{variant}'.*but got {bits.weight_bits} in layer 'second'.*DETERMINISTIC"
    with pytest.raises(InvalidSelection, match=says):
        decide(module, design, Method(score=SCORES["l1"], variant=variant), MACS, target)
    assert decide(module, design, Method(score=SCORES["l1"]), MACS, target).allotment.amount <= target


def test_few_bits_that_read_the_picture_alone_keep_nothing_from_being_drawn() -> None:
    design = quantized({"first": precision(8), "second": precision(16)})
    method = Method(score=SCORES["sensitivity"], variant=Variant.RANDOM)
    decision = decide(trained(design), design, method, MACS, 0.5 * float(MACS([design])[0]))
    assert decision.factors
    assert decision.bounds
