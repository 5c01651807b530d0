"""Filters cut around grouped convolutions: outputs, counts, files, rounds, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.pruning_dead import outputs
from benchmarks.pruning_grouped import GROUPED, chain, resnext
from design.architecture import INPUT, Architecture
from design.counts import count
from design.design import Design
from design.layer import Role
from design.layers import conv, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, Precision, precision
from networks.build import build
from networks.errors import InvalidSelection, OutOfReach
from networks.export.onnx_model import export_onnx
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.pruning.budget import AMOUNTS
from networks.pruning.compensation import channel_means
from networks.pruning.decision import Method, Shared, decide, families_of, reweight_
from networks.pruning.prune import PruneOptions, carried_out, prune
from networks.pruning.sampling import Variant
from networks.pruning.scores import L1Norm, Score, Sensitivity
from networks.pruning.selection import Selection
from networks.pruning.surgery import cut
from networks.runtime.session import logits, open_session
from tests.networks.export.worn import pictures, worn
from tests.networks.pruning.masking import masked, parameters, random_selection

MACS = AMOUNTS["macs"]
SCORES: dict[str, Score] = {
    "l1": L1Norm(),
    "sensitivity": Sensitivity(batches=lambda: [torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(3))]),
}
each = pytest.mark.parametrize("name", GROUPED)


def design_of(architecture: Architecture) -> Design:
    return Design(architecture=architecture, policy=full_precision(architecture))


def difference(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def fits(small: Network, smaller: Design) -> None:
    """Plan, tensors and counts agree, and each grouped convolution is still one of as many groups."""
    assert small.architecture == smaller.pruned
    assert parameters(small) == count(smaller).parameters
    assert sum(part.weight.numel() for part in small.modules() if isinstance(part, Quantized)) == sum(
        layer.weights for layer in smaller.pruned.layers
    )
    for layer in smaller.architecture.layers:
        if layer.grouped:
            left = smaller.pruned.layer(layer.name)
            assert left.grouped
            assert left.groups == layer.groups
            assert left.in_channels % left.groups == left.out_channels % left.groups == 0
            part = small.unit(layer.name).operation
            assert isinstance(part, nn.Conv2d)
            assert part.groups == layer.groups
            assert part.weight.shape[:2] == (left.out_channels, left.in_channels // left.groups)


@each
@pytest.mark.parametrize("seed", [0, 1])
def test_a_cut_network_computes_what_the_masked_one_does(name: str, seed: int) -> None:
    design = design_of(GROUPED[name])
    network, images = worn(design), pictures(design)
    selection = random_selection(network, seed)
    small, smaller = cut(network, design, selection)
    assert smaller.digest != design.digest
    fits(small, smaller)
    twin = masked(network, selection).double()
    with torch.no_grad():
        assert difference(outputs(small, images), twin(images.double())) < 1e-9


@pytest.mark.parametrize("bits", [precision(8), precision(4), BINARY])
def test_quantized_grouped_convolutions(bits: Precision) -> None:
    architecture = resnext()
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=bits))
    network, images = worn(design), pictures(design)
    selection = random_selection(network, 2)
    small, smaller = cut(network, design, selection)
    fits(small, smaller)
    with torch.no_grad():  # values beside a threshold may fall to either side
        assert difference(small(images), masked(network, selection)(images)) < 0.02


@each
@pytest.mark.parametrize("score", SCORES)
def test_what_is_decided_is_counted_and_kept_in_blocks(name: str, score: str) -> None:
    design = design_of(GROUPED[name])
    network, total = worn(design), float(MACS([design])[0])
    for variant in Variant:
        method = Method(
            score=SCORES[score], variant=variant, shared=Shared.EPSILON if score == "sensitivity" else Shared.UNIFORM
        )
        decision = decide(network, design, method, MACS, 0.6 * total)
        small, smaller = carried_out(network, design, decision)
        fits(small, smaller)
        assert float(MACS([smaller])[0]) == decision.allotment.amount <= 0.6 * total
        families = families_of(network).families
        assert all(own >= one.least for own, one in zip(decision.allotment.counts, families, strict=True))


def test_drawn_channels_are_those_of_the_reweighted_network() -> None:
    for name, architecture in GROUPED.items():
        design = design_of(architecture)
        network = worn(design)
        method = Method(score=SCORES["sensitivity"], variant=Variant.RANDOM, seed=5)
        decision = decide(network, design, method, MACS, 0.5 * float(MACS([design])[0]))
        small, _ = carried_out(network, design, decision)
        reweight_(network, families_of(network), decision.factors)
        images = pictures(design)
        assert difference(outputs(small, images), outputs(network, images)) < 1e-9, name


def test_rounds_end_where_the_convolution_would_be_depthwise() -> None:
    """The second round starts from blocks of fewer channels; none falls under two of what a filter reads."""
    design = design_of(chain())
    total = float(MACS([design])[0])
    network = worn(design)
    with pytest.raises(OutOfReach, match="one or two in each group of grouped convolutions") as told:
        decide(network, design, Method(score=L1Norm(), shared=Shared.UNIFORM), MACS, 0.1 * total)
    found = prune(
        network,
        design,
        Method(score=SCORES["sensitivity"]),
        MACS,
        told.value.least,
        batches=lambda: [pictures(design)],
        options=PruneOptions(rounds=3),
    )
    fits(found.network, found.design)
    assert found.design.plan.kept == {"stem": 6, "first": 6, "second": 6, "third": 3}


def _unpadded() -> Design:
    """A grouped convolution of 1x1 kernels: constant channels are replaced exactly."""
    stem = conv("stem", INPUT, (3, 6, 6), 12, role=Role.STEM)
    read = conv("read", "stem", stem.out_shape, 9, kernel=1, groups=3)
    layers = (stem, read, global_pool("pool", "read", read.out_shape))
    head = fully_connected("head", "pool", 9, 4, role=Role.CLASSIFIER)
    return design_of(Architecture(name="own", input_shape=(3, 6, 6), layers=(*layers, head)))


def test_means_go_on_as_constants_of_the_group_that_reads_them() -> None:
    design = _unpadded()
    network, images = worn(design), pictures(design, 6)
    norm = network.unit("stem").norm
    assert isinstance(norm, Norm)
    with torch.no_grad():
        norm.weight[[1, 6, 11]] = 0
        norm.bias[[1, 6, 11]] = torch.tensor([0.5, -1.5, 2.0])
    selection = Selection(kept={"stem": (0, 2, 3, 4, 5, 7, 8, 9, 10)})
    plain, _ = cut(network, design, selection)
    own, _ = cut(network, design, selection, means=channel_means(network, [images]))
    wanted = outputs(network, images)
    assert difference(outputs(plain, images), wanted) > 0.05
    assert difference(outputs(own, images), wanted) < 1e-5


@each
def test_it_is_saved_loaded_and_exported(name: str) -> None:
    design = design_of(GROUPED[name])
    network, images = worn(design), pictures(design, 3)
    small, smaller = cut(network, design, random_selection(network, 1))
    again = build(Design.model_validate_json(smaller.model_dump_json()), seed=9)
    again.load_state_dict(small.state_dict())
    with torch.no_grad():
        wanted = small(images)
        assert torch.equal(again.eval()(images), wanted)
    session = open_session(export_onnx(small).content)
    assert difference(torch.from_numpy(logits(session, images.numpy())), wanted) < 1e-5


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ((0, 1, 2, 3, 4, 5, 6, 7, 8), r"3 blocks of 4 channels of 'stem' must keep equally many, .* got \[4, 4, 1\]"),
        ((0, 4, 8), r"at least 2, for a grouped convolution, but got \[1, 1, 1\]"),
    ],
)
def test_selections_that_no_grouped_convolution_can_have_are_refused(kept: tuple[int, ...], message: str) -> None:
    design = design_of(chain())
    with pytest.raises(InvalidSelection, match=message):
        cut(worn(design), design, Selection(kept={"stem": kept}))
