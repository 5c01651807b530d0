"""Sensible designs to start a search from: uniform bits, widths and sizes of network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import log2

import numpy as np

from design.encoding import IntArray
from design.space import Gene, GeneKind
from optimizer.repair import Mask

SIZES = (0.0, 1.0)
"""Shares of the way from the largest to the smallest network of a family."""
WIDTHS = (0.0, 0.5, 1.0)
"""Shares of the way from all filters kept to the fewest."""
RANDOM_NETWORKS = 32


@dataclass(frozen=True)
class Levels:
    """What each gene chooses when a design is uniform.

    Attributes:
        kinds: G.
        choices: Allowed choices, G.
        policies: Choice of each gene under each uniform precision that some layer can have, from most to least
            bits: the nearest allowed, P x G; 0 for genes that set no bits.
    """

    kinds: tuple[GeneKind, ...]
    choices: tuple[tuple[int, ...], ...]
    policies: IntArray

    @property
    def families(self) -> tuple[int, ...]:
        """Choices of the first gene: the spaces name the kind of network, such as its depth, first."""
        return self.choices[0]

    def design(self, family: int, size: float, width: float, policy: int) -> list[int]:
        """The genotype (G) of a family with a size of network, a share of filters and a policy throughout."""
        found = []
        for gene, (kind, allowed) in enumerate(zip(self.kinds, self.choices, strict=True)):
            if kind is GeneKind.PRECISION:
                found.append(int(self.policies[policy, gene]))
            else:
                found.append(part_way(allowed, width if kind is GeneKind.FILTERS else size))
        return [family, *found[1:]]


def levels(genes: Sequence[Gene], choices: tuple[tuple[int, ...], ...]) -> Levels:
    """The levels of a space's genes with their allowed choices."""
    bits = {
        (gene.precisions[at].weight_bits, gene.precisions[at].activation_bits)
        for gene, allowed in zip(genes, choices, strict=True)
        if gene.precisions
        for at in allowed
    }
    policies = sorted(bits, key=lambda own: (own[0] * own[1], own), reverse=True)
    known: dict[tuple[object, ...], list[int]] = {}
    columns = []
    for gene, allowed in zip(genes, choices, strict=True):
        key = (gene.kind, gene.choices, allowed)
        if key not in known:
            known[key] = [_nearest(gene, allowed, *own) for own in policies]
        columns.append(known[key])
    return Levels(
        kinds=tuple(gene.kind for gene in genes), choices=choices, policies=np.array(columns, dtype=np.int64).T
    )


def part_way(allowed: Sequence[int], share: float) -> int:
    """The allowed choice at this share of the way from the first to the last."""
    return allowed[round(share * (len(allowed) - 1))]


def first_designs(genes: Sequence[Gene], mask: Mask) -> IntArray:
    """What every search of a space starts with: uniform designs, and random networks with uniform policies, N x G."""
    rng = np.random.default_rng(0)
    return np.concatenate([uniform_designs(genes, mask.choices), uniform_policies(genes, mask, RANDOM_NETWORKS, rng)])


def uniform_designs(
    genes: Sequence[Gene], choices: tuple[tuple[int, ...], ...], *, sizes: Sequence[float] = SIZES
) -> IntArray:
    """Designs of every family with the same bits, share of filters and size throughout, N x G.

    Args:
        genes: Of the space.
        choices: Allowed choices of each.
        sizes: Shares of the way from the largest to the smallest network of a family.
    """
    own = levels(genes, choices)
    grid = product(own.families, sizes, WIDTHS, range(len(own.policies)))
    distinct = dict.fromkeys(tuple(own.design(*each)) for each in grid)
    return np.array(list(distinct), dtype=np.int64)


def uniform_policies(genes: Sequence[Gene], mask: Mask, count: int, rng: np.random.Generator) -> IntArray:
    """Random networks, each with uniform bits and a uniform share of filters, `count` x G."""
    own = levels(genes, mask.choices)
    found = mask.sample(count, rng)
    policies = rng.integers(0, len(own.policies), size=count)
    widths = rng.random(count)
    for gene, (kind, allowed) in enumerate(zip(own.kinds, own.choices, strict=True)):
        if kind is GeneKind.PRECISION:
            found[:, gene] = own.policies[policies, gene]
        elif kind is GeneKind.FILTERS:
            found[:, gene] = [part_way(allowed, float(width)) for width in widths]
    return found


def _nearest(gene: Gene, allowed: Sequence[int], weight_bits: int, activation_bits: int) -> int:
    """The allowed choice nearest to these bits, in doublings; 0 of genes that do not set bits."""
    if gene.kind is not GeneKind.PRECISION:
        return 0
    if gene.precisions:
        far = {
            at: abs(log2(gene.precisions[at].weight_bits / weight_bits))
            + abs(log2(gene.precisions[at].activation_bits / activation_bits))
            for at in allowed
        }
    else:
        far = {at: abs(log2(gene.choices[at] / activation_bits)) for at in allowed}
    return min(allowed, key=far.__getitem__)
