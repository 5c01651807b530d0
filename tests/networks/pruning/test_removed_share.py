"""No same-sign sum loses more than what is said of the layer, on the pictures that the sensitivities came from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from design.architecture import INPUT, Architecture
from design.design import Design
from design.layer import Activation, Role
from design.layers import conv, elementwise, flatten, fully_connected
from design.policies import full_precision
from networks.build import build
from networks.network import Network
from networks.pruning.bound import BERNSTEIN, LayerBound, removed_share
from networks.pruning.budget import AMOUNTS
from networks.pruning.decision import Method, Shared, decide, families_of
from networks.pruning.fulfil import fulfil
from networks.pruning.scores import Sensitivity
from networks.pruning.selection import Selection, kept_channels
from networks.pruning.shares import VANISHES
from networks.pruning.ties import tied_groups

PARAMETERS = AMOUNTS["parameters"]
ROUNDING = 1e-4


def pictures(seed: int) -> list[Tensor]:
    return [torch.randn(3, 3, 6, 6, generator=torch.Generator().manual_seed(seed))]


def network(seed: int) -> tuple[Design, Network]:
    """A residual stream without activation (both signs), a convolution behind a ReLU, a view read by a linear layer."""
    first = conv("first", INPUT, (3, 6, 6), 10)
    inner = conv("inner", "first", first.out_shape, 7, activation=Activation.RELU)
    outer = conv("outer", "inner", inner.out_shape, 10)
    added = elementwise("sum", ("first", "outer"), first.out_shape)
    last = conv("last", "sum", added.out_shape, 6, stride=2, activation=Activation.RELU)
    view = flatten("view", "last", last.out_shape)
    fc = fully_connected("fc", "view", view.out_channels, 4, role=Role.CLASSIFIER)
    layers = (first, inner, outer, added, last, view, fc)
    architecture = Architecture(name="own", input_shape=(3, 6, 6), layers=layers)
    design = Design(architecture=architecture, policy=full_precision(architecture))
    found = build(design, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in found.parameters():  # a few channels count far more than the others
            value.mul_(torch.rand(value.shape[0], generator=generator).view(-1, *(1,) * (value.dim() - 1)) ** 4 + 0.01)
    return design, found.eval()


def worst_errors(module: Network, selection: Selection, images: Tensor) -> dict[str, float]:
    """Of each layer: the largest relative error of any same-sign sum, computed with and without what is removed."""
    kept = kept_channels(module.architecture, selection, tied_groups(module))
    worst: dict[str, float] = {}

    def look(name: str, source: str, part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        del output
        assert isinstance(part, nn.Conv2d | nn.Linear)
        x, weight = given[0].double(), part.weight.detach().double()
        x = x.flatten(1) if isinstance(part, nn.Linear) else x
        mask = torch.zeros(x.shape[1], dtype=torch.float64)
        mask[torch.from_numpy(kept.of(source))] = 1
        mask = mask.view(-1, *(1,) * (x.dim() - 2))
        run = functional.linear
        if isinstance(part, nn.Conv2d):
            run = partial(functional.conv2d, stride=part.stride, padding=part.padding, groups=part.groups)
        for inputs in (x.clamp(min=0), (-x).clamp(min=0)):
            for own in (weight.clamp(min=0), (-weight).clamp(min=0)):
                whole, left = run(inputs, own), run(inputs * mask, own)
                off = torch.where(whole > VANISHES, 1 - left / whole, 0).abs()
                worst[name] = max(worst.get(name, 0.0), float(off.max()))

    hooks = [
        unit.operation.register_forward_hook(partial(look, unit.step.layer.name, unit.step.inputs[0]))
        for unit in module.units()
        if unit.step.layer.weighted
    ]
    with torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()
    return worst


def holds(bounds: tuple[LayerBound, ...], errors: dict[str, float]) -> None:
    assert {one.layer for one in bounds} == {"inner", "outer", "last", "fc"}
    for one in bounds:
        assert one.removed_share is not None
        assert errors[one.layer] <= one.removed_share + ROUNDING, one
        assert one.removed_share <= 1


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 99), share=st.floats(0.1, 0.99), shared=st.sampled_from(Shared))
def test_what_remains_of_every_sum(seed: int, share: float, shared: Shared) -> None:
    design, module = network(seed)
    score = Sensitivity(batches=lambda: pictures(seed))
    target = max(share * float(PARAMETERS([design])[0]), 400.0)
    decision = decide(module, design, Method(score=score, shared=shared), PARAMETERS, target)
    holds(decision.bounds, worst_errors(module, decision.selection, pictures(seed)[0]))
    chosen = fulfil(module, decision.selection.plan(), score)
    holds(chosen.bounds, worst_errors(module, chosen.selection, pictures(seed)[0]))


def test_of_a_single_channel_it_is_just_what_is_lost() -> None:
    design, module = network(1)
    score = Sensitivity(batches=lambda: pictures(1))
    found = families_of(module)
    size = next(one.size for one in found.families if one.name == "inner")
    plan = Selection(kept={"inner": tuple(range(1, size))}).plan()
    chosen = fulfil(module, plan, score)
    told = {one.layer: one.removed_share for one in chosen.bounds}
    errors = worst_errors(module, chosen.selection, pictures(1)[0])
    assert 0 < errors["outer"] < 1
    assert told["outer"] == pytest.approx(errors["outer"], rel=1e-3)
    assert told["inner"] == told["last"] == 0
    assert design.plan.kept == {}
    assert fulfil(module, plan, Sensitivity(batches=lambda: pictures(1), per_weight=True)).bounds == ()


def test_it_grows_with_the_slack_and_is_never_over_1() -> None:
    assert removed_share(0.2, BERNSTEIN) == 0.2
    assert removed_share(0.2, type(BERNSTEIN)(slack=3.0)) == pytest.approx(0.6)
    assert removed_share(7.0, BERNSTEIN) == 1
    assert removed_share(float(np.float64(0)), BERNSTEIN) == 0
