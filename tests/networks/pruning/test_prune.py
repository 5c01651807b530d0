"""From a trained network to a smaller one: at once, in rounds, and with channels that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from design.design import Design
from design.policies import full_precision, policy_by_role
from design.precision import BINARY
from design.pruning import PruningPlan
from design.spaces.registry import find_space
from design.task import find_task
from networks.build import build
from networks.errors import InvalidSelection
from networks.layers import Norm
from networks.network import Network
from networks.pruning.budget import AMOUNTS, planned
from networks.pruning.decision import Method, decide, families_of, reweight_
from networks.pruning.fulfil import fulfil
from networks.pruning.prune import PruneOptions, carried_out, prune
from networks.pruning.sampling import Variant
from networks.pruning.scores import L1Norm, Score, Sensitivity
from networks.pruning.sensitivity import sensitivities
from networks.pruning.surgery import cut

TASK = find_task("digits")
PARAMETERS = AMOUNTS["parameters"]


def pictures(number: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, *TASK.input_shape, generator=generator) for _ in range(number)]


def design(shortcut: str = "pad", *, binary: bool = False) -> Design:
    space = find_space("resnet")
    wanted = {"depth": 20, "width": 0.5, "shortcut": shortcut}
    genes = space.genes(TASK)
    values = [gene.choices.index(wanted[gene.name]) if gene.name in wanted else 0 for gene in genes]
    own = space.decode(TASK, values).architecture
    return Design(architecture=own, policy=policy_by_role(own, body=BINARY) if binary else full_precision(own))


def worn(own: Design) -> Network:
    network = build(own, seed=0)
    with torch.no_grad():
        network(torch.cat(pictures()))
    return network.eval()


def bias_of(network: Network) -> torch.Tensor:
    bias = network.unit("head.fc").operation.bias
    assert isinstance(bias, torch.Tensor)
    return bias


@pytest.mark.parametrize("shortcut", ["pad", "projection"])
@pytest.mark.parametrize("variant", Variant)
def test_what_remains_is_a_smaller_network(shortcut: str, variant: Variant) -> None:
    own = design(shortcut)
    network = worn(own)
    target = 0.5 * float(PARAMETERS([own])[0])
    method = Method(score=Sensitivity(batches=pictures), variant=variant)
    found = prune(network, own, method, PARAMETERS, target, batches=pictures)
    left = sum(one.numel() for one in found.network.parameters())
    (decision,) = found.decisions
    assert left == PARAMETERS([found.design])[0] == decision.allotment.amount
    assert 0.8 * target < left <= target == decision.allotment.target
    assert found.network(pictures()[0]).shape == (4, TASK.classes)
    read = {layer.name: layer.in_channels for layer in found.design.pruned.layers}
    assert decision.bounds
    assert all(one.distinct == read[one.layer] for one in decision.bounds), "of what was drawn"
    again = prune(network, own, method, PARAMETERS, target, batches=pictures)
    assert again.decisions[0].selection == decision.selection


@pytest.mark.parametrize("variant", [Variant.RANDOM, Variant.PARTIAL])
def test_no_draw_overruns_the_limit(variant: Variant) -> None:
    own = design("projection")
    network, target = worn(own), 0.5 * float(PARAMETERS([own])[0])
    found = families_of(network)
    scores = Sensitivity(batches=pictures)(network, found)
    for seed in range(12):
        method = Method(score=Sensitivity(batches=pictures), variant=variant, seed=seed)
        decision = decide(network, own, method, PARAMETERS, target, found=found, scores=scores)
        smaller = planned(own, decision.selection.plan())
        assert decision.allotment.amount == float(PARAMETERS([smaller])[0]) <= target


def test_binary_networks_too() -> None:
    own = design("projection", binary=True)
    network = worn(own)
    found = prune(network, own, Method(score=L1Norm()), PARAMETERS, 0.6 * float(PARAMETERS([own])[0]), batches=pictures)
    assert found.network(pictures()[0]).isfinite().all()


def test_rounds_shrink_by_one_factor_and_train_between() -> None:
    own = design()
    total, told = float(PARAMETERS([own])[0]), []

    def retrain(network: Network, smaller: Design, number: int) -> None:
        told.append((number, float(PARAMETERS([smaller])[0])))
        with torch.no_grad():
            bias_of(network).fill_(number)

    options = PruneOptions(rounds=3)
    found = prune(
        worn(own), own, Method(score=Sensitivity(batches=pictures)), PARAMETERS, total / 8,
        batches=pictures, retrain=retrain, options=options,
    )  # fmt: skip
    assert [number for number, _ in told] == [1, 2, 3]
    assert [amount / total for _, amount in told] == pytest.approx([1 / 2, 1 / 4, 1 / 8], rel=0.02)
    assert bias_of(found.network).eq(3).all()
    assert found.design.architecture == own.architecture
    assert len(found.decisions) == 3


def test_drawn_channels_are_those_of_the_reweighted_network() -> None:
    """Cutting and multiplying out give the same: what is cut has the factor 0 wherever it is read."""
    own = design()
    network = worn(own)
    found = families_of(network)
    method = Method(score=Sensitivity(batches=pictures), variant=Variant.RANDOM, seed=5)
    decision = decide(network, own, method, PARAMETERS, 0.6 * float(PARAMETERS([own])[0]))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    small, _ = carried_out(network, own, decision)
    torch.testing.assert_close(network.state_dict(), before)
    reweight_(network, found, decision.factors)
    with torch.no_grad():
        torch.testing.assert_close(small(pictures()[0]), network(pictures()[0]), rtol=1e-4, atol=1e-4)


def test_sensitive_channels_are_missed_most() -> None:
    """On average over networks, keeping the sensitive half changes what the next layer computes less than the rest."""
    better = 0
    for seed in range(8):
        torch.manual_seed(seed)
        own = design()
        network = worn(own)
        with torch.no_grad():
            for unit in network.units():
                if isinstance(unit.norm, Norm):
                    unit.norm.weight.copy_(torch.rand(len(unit.norm.weight)) ** 3)
        found = families_of(network)
        seen = sensitivities(network, found, pictures())
        family = next(one for one in found.families if one.name == "stage3.block2.conv1")
        order = np.argsort(-seen.of(family, found))
        errors = []
        for kept in (order[:16], order[16:]):
            small, _ = cut(network, own, found.selection({family.name: np.sort(kept)}))
            with torch.no_grad():
                errors.append(float((small(pictures()[0]) - network(pictures()[0])).norm()))
        better += errors[0] < errors[1]
    assert better >= 7


@pytest.mark.parametrize("widths", [(6, 12, 8), (8, 6, 3), (3, 16, 20)])
@pytest.mark.parametrize("score", [Sensitivity(batches=pictures), L1Norm()])
def test_what_was_cut_to_any_widths_can_be_pruned_again(widths: tuple[int, ...], score: Score) -> None:
    own = design("pad")
    network = worn(own)
    owners = families_of(network).groups.owners.values()
    streams = [names for names in owners if any(name.endswith("block2.conv2") for name in names)]
    plan = PruningPlan(kept={name: count for names, count in zip(streams, widths, strict=True) for name in names})
    small, smaller = cut(network, own, fulfil(network, plan, Sensitivity(batches=pictures)).selection)
    names = [family.name for family in families_of(small).families]
    assert len(names) == len(set(names))
    begun = float(PARAMETERS([smaller])[0])
    found = prune(small, smaller, Method(score=score), PARAMETERS, 0.6 * begun, batches=pictures)
    counted = sum(part.numel() for name, part in found.network.named_parameters() if "quantizer" not in name)
    assert counted == PARAMETERS([found.design])[0] == found.decisions[-1].allotment.amount <= 0.6 * begun


def test_a_target_and_rounds_are_checked() -> None:
    own = design()
    with pytest.raises(InvalidSelection, match="target must be above 0"):
        prune(worn(own), own, Method(score=L1Norm()), PARAMETERS, 0.0, batches=pictures)
    with pytest.raises(InvalidSelection, match="rounds must be at least 1"):
        PruneOptions(rounds=0)


def test_of_equally_sensitive_filters_those_with_the_larger_weights_stay() -> None:
    own = design()
    network = worn(own)
    found = families_of(network)
    scores = {family.name: np.ones(family.size) for family in found.families}
    decision = decide(
        network, own, Method(score=Sensitivity(batches=pictures)), PARAMETERS, 0.6 * float(PARAMETERS([own])[0]),
        scores=scores,
    )  # fmt: skip
    weights, checked = L1Norm()(network, found), 0
    for family in found.families:
        group = min(family.members)
        kept = decision.selection.kept.get(found.groups.owners[group][0])
        if kept is None or len(family.members) > 1:
            continue
        stays = np.isin(family.members[group], kept)
        assert weights[family.name][stays].min() >= weights[family.name][~stays].max()
        checked += 1
    assert checked > 3
