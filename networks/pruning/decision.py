"""decide: which filters stay so that what remains keeps a budget. The main path of choosing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from design.design import Design
from networks.errors import InvalidSelection
from networks.network import Network, Unit
from networks.pad import Pad
from networks.pruning.allocation import Allocation, SameShare, bounds, shared_epsilon
from networks.pruning.bound import BERNSTEIN, BoundOptions, LayerBound
from networks.pruning.budget import TOLERANCE, Allotment, Amount, allot
from networks.pruning.choices import spread, worth_of_choices
from networks.pruning.drawing import draw_within
from networks.pruning.families import Families, families
from networks.pruning.sampling import Chosen, Draws, Variant, choose
from networks.pruning.scores import L1Norm, Score, Scores, gives_sensitivities, is_bounded
from networks.pruning.selection import Selection
from networks.pruning.sensitivity import parts_of
from networks.pruning.ties import tied_groups

FloatArray = NDArray[np.float64]
LEAST_BITS = 16
"""Of weights that are multiplied by the factors of a draw: on a grid of fewer values the factors would be lost."""


class Shared(StrEnum):
    """How families share the budget: one error bound for all layers, or the same share of each."""

    EPSILON = "epsilon"
    UNIFORM = "uniform"


@dataclass(frozen=True, kw_only=True)
class Method:
    """How filters are chosen.

    Attributes:
        score: What filters are worth.
        shared: How families share the budget; None: EPSILON for sensitivities, UNIFORM for other scores.
        variant: How filters of a family are chosen by their scores.
        bound: Constants of the theorem.
        seed: Of the variants that draw.
        multiple: Numbers kept of a family are multiples of it, or all (not in variants that draw): runtimes compute
            channels in blocks.

    Raises:
        InvalidSelection: EPSILON for scores that are no sensitivities: it is a bound on errors of sums.
    """

    score: Score
    shared: Shared | None = None
    variant: Variant = Variant.DETERMINISTIC
    bound: BoundOptions = BERNSTEIN
    seed: int = 0
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.shared is Shared.EPSILON and not gives_sensitivities(self.score):
            raise InvalidSelection(
                "scores of filters must be sensitivities to share one error bound",
                type(self.score).__name__,
                "Set shared=Shared.UNIFORM.",
            )

    @property
    def sharing(self) -> Shared:
        """How families share the budget."""
        return self.shared or (Shared.EPSILON if gives_sensitivities(self.score) else Shared.UNIFORM)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What stays, and why.

    Attributes:
        selection: Filters that remain.
        allotment: Their numbers, the amount that was asked for and that remains; of the draw, where filters were drawn.
        scores: Of every channel that could have been removed.
        bounds: What can be said of each layer that reads what could be removed; empty where scores are no sensitivities
            of whole channels.
        factors: Group -> by which the weights that read each of its channels are multiplied before the others are
            removed (`reweight_`); empty in the deterministic variant.
    """

    selection: Selection
    allotment: Allotment
    scores: Scores
    bounds: tuple[LayerBound, ...]
    factors: Mapping[int, FloatArray]


def families_of(network: Network) -> Families:
    """What can be removed from a network as it is."""
    sources = {
        unit.step.layer.name: unit.operation.channel_sources
        for unit in network.units()
        if isinstance(unit.operation, Pad)
    }
    unsigned = frozenset(unit.step.layer.name for unit in network.units() if _unsigned(network, unit))
    return families(network.architecture, groups=tied_groups(network), sources=sources, unsigned=unsigned)


def _unsigned(network: Network, unit: Unit) -> bool:
    """Whether a layer with weights is known to compute with nothing negative; signs are 1 and -1 whatever they read."""
    layer = unit.step.layer
    return layer.weighted and unit.step.unsigned and network.policy.layers[layer.name].activation_bits > 1


def decide(
    network: Network,
    design: Design,
    method: Method,
    amount: Amount,
    target: float,
    *,
    tolerance: float = TOLERANCE,
    found: Families | None = None,
    scores: Scores | None = None,
) -> Decision:
    """Choose the filters that stay.

    Args:
        network: Trained; not changed.
        design: The one it was built from.
        method: How.
        amount: What is limited: one of `budget.AMOUNTS`, or a predicted cost.
        target: How much may remain at most, in its unit.
        tolerance: Share of the target that may be left unused.
        found: From `families_of`, where that is known.
        scores: Of the method, where they are known: they do not depend on the target.

    Raises:
        InvalidSelection: The target cannot be reached, or channels are to be drawn that quantized weights read.
    """
    found = found or families_of(network)
    if method.variant is not Variant.DETERMINISTIC:
        _check_weights(network, found, method.variant)
    scores = scores or method.score(network, found)
    allocation: Allocation = SameShare(sizes=[family.size for family in found.families])
    if method.sharing is Shared.EPSILON:
        allocation = shared_epsilon(network.architecture, found, scores, method.bound)
    worth = worths(found, scores, method.score)
    allotment = allot(design, found, allocation, amount, target, tolerance, method.multiple)
    counts = dict(zip((family.name for family in found.families), allotment.counts, strict=True))
    random = np.random.default_rng(method.seed)
    drawn: dict[str, Draws] | None = None
    if method.variant is Variant.DETERMINISTIC:
        ties = ties_of(network, found, method.score)
        chosen = {
            name: choose(worth[name], count, method.variant, random, ties=ties.get(name))
            for name, count in counts.items()
        }
    else:
        chosen, allotment = draw_within(design, found, worth, allotment, amount, method.variant, random)
        drawn = {name: own.draws for name, own in chosen.items() if own.draws is not None}
    chosen = {one.name: spread(one, scores[one.name], chosen[one.name]) for one in found.families}
    kept = {name: own.kept for name, own in chosen.items()}
    told: tuple[LayerBound, ...] = ()
    if is_bounded(method.score):
        told = bounds(network.architecture, found, scores, found.left(kept), method.bound, drawn)
    return Decision(
        selection=found.selection(kept),
        allotment=allotment,
        scores=scores,
        bounds=told,
        factors=factors(found, chosen),
    )


def _check_weights(network: Network, found: Families, variant: Variant) -> None:
    """Refuse draws where a layer that reads channels of families has weights of too few bits for their factors."""
    for name in found.readers:
        bits = network.policy.layers[name].weight_bits
        if bits < LEAST_BITS:
            raise InvalidSelection(
                f"weights that read channels to draw must have at least {LEAST_BITS} bits (variant {variant.value!r} "
                "multiplies them by factors, which quantizing would lose)",
                f"{bits} in layer {name!r}",
                f"Set variant=Variant.{Variant.DETERMINISTIC.name}, which multiplies nothing.",
            )


def worths(found: Families, scores: Scores, score: Score) -> Scores:
    """What each choice of each family is worth (see `networks.pruning.choices`)."""
    most = 1.0 if gives_sensitivities(score) else np.inf
    return {one.name: worth_of_choices(found, one, scores[one.name], most) for one in found.families}


def ties_of(network: Network, found: Families, score: Score) -> Scores:
    """What counts among choices of equal sensitivity: their weights. Other scores have no ties to speak of."""
    return worths(found, L1Norm()(network, found), L1Norm()) if gives_sensitivities(score) else {}


def factors(found: Families, chosen: Mapping[str, Chosen]) -> dict[int, FloatArray]:
    """Group -> factor of each of its channels (1 where nothing was drawn, 0 where it is removed)."""
    result: dict[int, FloatArray] = {}
    for family in found.families:
        own = chosen[family.name]
        if own.factors is None:
            continue
        whole = np.zeros(family.width)
        whole[own.kept] = own.factors
        for group, channels in family.members.items():
            result.setdefault(group, np.ones(found.groups.width[group]))[channels] = whole
    return result


def reweight_(
    network: nn.Module,
    found: Families,
    by_group: Mapping[int, FloatArray],
    parts: Mapping[str, nn.Module] | None = None,
    *,
    layers: Iterable[str] | None = None,
) -> None:
    """Multiply the weights that read drawn channels by their factors, in place: the estimator of the theorem.

    Args:
        network: Before anything is removed; latent weights are multiplied.
        found: Of it.
        by_group: See Decision.
        parts: See `sensitivities`.
        layers: Only these; None: all that read the channels.
    """
    names = [name for name in found.readers if layers is None or name in set(layers)]
    for name, part in parts_of(network, names, parts).items():
        assert isinstance(part, nn.Conv2d | nn.Linear)
        groups = part.groups if isinstance(part, nn.Conv2d) else 1
        scale = torch.ones(groups * part.weight.shape[1], dtype=torch.float64)
        for piece in found.readers[name]:
            if piece.group in by_group:
                own = np.repeat(by_group[piece.group], piece.copies)
                scale[piece.start : piece.start + len(own)] = torch.from_numpy(own)
        by_filter = scale.view(groups, -1).repeat_interleave(len(part.weight) // groups, dim=0)
        with torch.no_grad():
            part.weight *= by_filter.to(part.weight).view(*by_filter.shape, *(1,) * (part.weight.dim() - 2))
