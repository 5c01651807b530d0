"""Budget: the amount that must remain, and the numbers of filters that come nearest to it from below."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.counts import macs, model_bytes, parameters
from design.design import Design
from design.encoding import encode_designs
from design.pruning import PruningPlan
from networks.errors import InvalidSelection, OutOfReach
from networks.pruning.allocation import Allocation, whole
from networks.pruning.families import Families
from networks.pruning.kept_whole import causes, kept_whole

FloatArray = NDArray[np.float64]
Amount = Callable[[Sequence[Design]], FloatArray]
"""What each of several designs needs: counts, or a predicted latency or energy on a device."""
Counts = tuple[int, ...]

AMOUNTS: Mapping[str, Amount] = {
    "parameters": lambda designs: parameters(encode_designs(designs)),
    "macs": lambda designs: macs(encode_designs(designs)),
    "bytes": lambda designs: model_bytes(encode_designs(designs)),
}
"""What is counted exactly."""
TOLERANCE = 0.005
STEPS = 50
MOST_EXCHANGES = 400


@dataclass(frozen=True, kw_only=True)
class Allotment:
    """Numbers of filters.

    Attributes:
        counts: Choices kept of each family, in their order.
        amount: What the pruned design needs.
        target: What it may need.
        position: Of the allocation, before single filters were put back.
    """

    counts: Counts
    amount: float
    target: float
    position: float

    @property
    def gap(self) -> float:
        """Share of the target that is left over."""
        return 1 - self.amount / self.target


def planned(design: Design, plan: PruningPlan) -> Design:
    """The design with what a plan for its pruned form keeps."""
    return Design(
        architecture=design.architecture,
        policy=design.policy,
        plan=PruningPlan(kept={**design.plan.kept, **plan.kept}),
    )


def allot(
    design: Design,
    found: Families,
    allocation: Allocation,
    amount: Amount,
    target: float,
    tolerance: float = TOLERANCE,
    multiple: int = 1,
) -> Allotment:
    """Search the one number of an allocation so that the amount that truly remains is just under the target.

    What is removed from one layer also shrinks the layers beside it; every step counts the whole pruned design. Where
    whole numbers of filters leave more than `tolerance` unused, single filters are put back, then exchanged.

    Args:
        design: Of the network as it is.
        found: What can be removed from it.
        allocation: How families share.
        amount: Counted or predicted.
        target: The most that may remain, in its unit.
        tolerance: Share of the target that may be left unused.
        multiple: Numbers of filters are multiples of it, or all of a family.

    Raises:
        InvalidSelection: Nothing can be removed.
        OutOfReach: Even one filter (or `multiple`) everywhere needs more.
    """
    search = _Search(design, found, amount, target, multiple)
    sizes = [family.size for family in found.families]
    least, most = search.whole(allocation.wanted(0)), tuple(sizes)
    if search.fits(most):
        return search.found(most, 1.0)
    if not found.families:
        raise _nothing(design, found)
    if not search.fits(least):
        least = search.whole(np.zeros(len(sizes)))
        if not search.fits(least):
            raise _out_of_reach(design, found, target, float(search.amounts([least])[0]), multiple)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        own = search.whole(allocation.wanted(middle))
        if search.fits(own):
            low, least = middle, own
        else:
            high, most = middle, own
        if least == most:
            break
    wanted = allocation.wanted(high)
    return search.found(search.refined(least, wanted, tolerance), low)


def _nothing(design: Design, found: Families) -> InvalidSelection:
    return InvalidSelection(
        "a network to prune must have filters that can be removed",
        f"none: {'; '.join(causes(kept_whole(design.pruned, found))[:4]) or 'what it computes is what it gives out'}",
        "Put plain, grouped or depthwise convolutions in their place, or choose a smaller network.",
    )


def _out_of_reach(design: Design, found: Families, target: float, least: float, multiple: int) -> OutOfReach:
    filters = "one filter" if multiple == 1 else str(multiple)
    if any(family.blocks > 1 for family in found.families):
        filters += " (one or two in each group of grouped convolutions)"
    why = causes(kept_whole(design.pruned, found))
    left, looser = f"{filters} left everywhere", "Choose a smaller network, a looser limit"
    if why:
        left = f"{filters} left wherever filters can be removed"
        looser = f"Other layers are left whole: {'; '.join(why[:4])}. {looser}"
    return OutOfReach(target, least, left, looser + (", or a smaller multiple." if multiple > 1 else "."))


class _Search:
    """Amounts of numbers of filters, each computed once."""

    def __init__(self, design: Design, found: Families, amount: Amount, target: float, multiple: int) -> None:
        self._design, self._found, self._amount, self._target = design, found, amount, target
        self._sizes = [family.size for family in found.families]
        self._least = [family.least for family in found.families]
        self._steps = [multiple // math.gcd(multiple, family.blocks) for family in found.families]
        self._known: dict[Counts, float] = {}

    def whole(self, wanted: FloatArray) -> Counts:
        return whole(wanted, self._sizes, self._steps, self._least)

    def amounts(self, wanted: Sequence[Counts]) -> FloatArray:
        """Of each, those that are new in one call."""
        new = [one for one in dict.fromkeys(wanted) if one not in self._known]
        if new:
            designs = [planned(self._design, self._found.plan(one)) for one in new]
            self._known.update(zip(new, np.asarray(self._amount(designs)).tolist(), strict=True))
        return np.array([self._known[one] for one in wanted])

    def fits(self, counts: Counts) -> bool:
        return bool(self.amounts([counts])[0] <= self._target)

    def found(self, counts: Counts, position: float) -> Allotment:
        return Allotment(counts=counts, amount=float(self.amounts([counts])[0]), target=self._target, position=position)

    def refined(self, counts: Counts, wanted: FloatArray, tolerance: float) -> Counts:
        """Put filters back where most of one is wanted; at last exchange one for another."""
        sizes = self._sizes
        enough = self._target * (1 - tolerance)
        while self.amounts([counts])[0] < enough:
            more = [self._moved(counts, index) for index in range(len(sizes)) if counts[index] < sizes[index]]
            fitting = [one for one, own in zip(more, self.amounts(more), strict=True) if own <= self._target]
            if not fitting:
                break
            counts = max(fitting, key=lambda one: _missing(wanted, counts, one))
        if self.amounts([counts])[0] >= enough:
            return counts
        pairs = [
            self._moved(counts, index, other)
            for index in range(len(sizes))
            for other in range(len(sizes))
            if index != other and counts[index] < sizes[index] and self._fewer(counts, other) >= self._least[other]
        ][:MOST_EXCHANGES]
        found = [counts, *pairs]
        used = self.amounts(found)
        used[used > self._target] = -np.inf
        return found[int(np.argmax(used))]

    def _moved(self, counts: Counts, more: int, fewer: int | None = None) -> Counts:
        """One step more of a family, maybe one step fewer of another."""
        own = list(counts)
        own[more] = min((own[more] // self._steps[more] + 1) * self._steps[more], self._sizes[more])
        if fewer is not None:
            own[fewer] = self._fewer(counts, fewer)
        return tuple(own)

    def _fewer(self, counts: Counts, index: int) -> int:
        """One step fewer of a family."""
        return (counts[index] - 1) // self._steps[index] * self._steps[index]


def _missing(wanted: FloatArray, counts: Counts, more: Counts) -> float:
    """How far below what is wanted the family that gains a filter stands."""
    index = next(index for index, (one, other) in enumerate(zip(counts, more, strict=True)) if one != other)
    return float(wanted[index] - counts[index])
