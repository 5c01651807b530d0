"""Mask: the choices of a space that a device can run. Designs are moved into it, never merely punished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from design.encoding import IntArray
from design.errors import BespokeError, TaskTooSmall
from design.precision import Bits, Precision
from design.space import Gene, Space
from design.task import Task
from predictors.descriptor import Descriptor


class NoUsableSpace(BespokeError):
    """No space asked for has a design that the device can run for the task."""


@dataclass(frozen=True, kw_only=True)
class Mask:
    """Per gene the choices that may be used, and for each other choice the one that stands in for it.

    Attributes:
        choices: G tuples of allowed indices, rising, none empty.
        table: G x most choices; choice -> allowed choice.
    """

    choices: tuple[tuple[int, ...], ...]
    table: IntArray

    def apply(self, genotypes: IntArray) -> IntArray:
        """N x G with every choice allowed; choices that were allowed stay."""
        return np.asarray(self.table[np.arange(len(self.choices)), np.asarray(genotypes)], dtype=np.int64)

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Every gene uniform over its allowed choices, `count` x G."""
        return np.column_stack([rng.choice(np.array(allowed), size=count) for allowed in self.choices])

    @property
    def size(self) -> int:
        """Combinations of allowed choices."""
        return prod(len(allowed) for allowed in self.choices)


def open_mask(genes: Iterable[Gene]) -> Mask:
    """The mask that allows every choice."""
    sizes = [len(gene.choices) for gene in genes]
    table = np.zeros((len(sizes), max(sizes)), dtype=np.int64)
    for row, size in zip(table, sizes, strict=True):
        row[:size] = np.arange(size)
    return Mask(choices=tuple(tuple(range(size)) for size in sizes), table=table)


def distance(one: Precision, other: Precision) -> float:
    """How far apart two precisions are: doublings of weight bits plus doublings of activation bits."""
    return abs(float(np.log2(one.weight_bits / other.weight_bits))) + abs(
        float(np.log2(one.activation_bits / other.activation_bits))
    )


@lru_cache(maxsize=256)
def _nearest_first(precisions: tuple[Precision, ...]) -> tuple[tuple[int, ...], ...]:
    """For each precision all of them, nearest first; of equally near ones in order."""
    every = range(len(precisions))
    return tuple(tuple(sorted(every, key=lambda at: distance(precisions[at], wanted))) for wanted in precisions)


def _usable(gene: Gene, supported: set[tuple[Bits, Bits]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The choices of a gene that a device runs, and for every choice the one that is taken; empty if it runs none."""
    every = tuple(range(len(gene.choices)))
    if not gene.precisions:
        return every, every
    allowed = tuple(at for at, own in enumerate(gene.precisions) if (own.weight_bits, own.activation_bits) in supported)
    if not allowed:
        return (), ()
    return allowed, tuple(next(at for at in near if at in allowed) for near in _nearest_first(gene.precisions))


def mask_of(genes: Iterable[Gene], supported_bits: Iterable[tuple[Bits, Bits]]) -> Mask | None:
    """The mask of a space's genes on a device, or None if a layer has no precision that the device runs.

    Bits of the residual stream are storage, not arithmetic, and stay free. A precision that cannot run is replaced
    by the nearest that can, of two equally near by the one with more bits. The table cannot be written to.
    """
    supported, genes = set(supported_bits), tuple(genes)
    numbers: dict[tuple[int, int], int] = {}  # genes with one tuple of precisions and as many choices are alike
    alike: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    which: list[int] = []
    for gene in genes:
        key = id(gene.precisions), len(gene.choices)
        if key not in numbers:
            numbers[key] = len(alike)
            alike.append(_usable(gene, supported))
            if not alike[-1][0]:
                return None
        which.append(numbers[key])
    rows = np.zeros((len(alike), max(len(taken) for _, taken in alike)), dtype=np.int64)
    for row, (_, taken) in zip(rows, alike, strict=True):
        row[: len(taken)] = taken
    table = rows[which]
    table.setflags(write=False)
    return Mask(choices=tuple(alike[number][0] for number in which), table=table)


@lru_cache(maxsize=2048)
def mask_in(space: Space, task: Task, supported_bits: tuple[tuple[Bits, Bits], ...]) -> Mask | None:
    """`mask_of` the genes of a space for a task.

    Raises:
        TaskTooSmall: The space does not expand for the task.
    """
    return mask_of(space.genes(task), supported_bits)


def usable_spaces(
    names: tuple[str, ...], spaces: Mapping[str, Space], task: Task, device: Descriptor
) -> list[tuple[Space, Mask]]:
    """The spaces to search, each with its mask.

    Without names, all that expand for the task and run on the device: a space whose accuracy is only known from a
    prior still competes, with the wide spread that its prior states.

    Raises:
        TaskTooSmall: A space asked for by name does not expand for the task.
        NoUsableSpace: The device runs none of the precisions that a layer of every space needs.
    """
    found: list[tuple[Space, Mask]] = []
    too_small: list[TaskTooSmall] = []
    for name in names or spaces:
        try:
            mask = mask_in(spaces[name], task, tuple(device.supported_bits))  # type: ignore[arg-type]  # by identity
        except TaskTooSmall as error:
            too_small.append(error)
            continue
        if mask is not None:
            found.append((spaces[name], mask))
    if (names and too_small) or (too_small and not found):
        raise too_small[0]
    if not found:
        raise NoUsableSpace(
            f"the device must support a precision for every layer of one of the spaces {', '.join(names or spaces)}",
            "supported_bits of " + ", ".join(f"W{weight}A{act}" for weight, act in device.supported_bits),
            "First convolution and classifier need 8 bits or more: add (8, 8), (16, 16) or (32, 32).",
            pointer="/device/supported_bits",
        )
    return found
