"""Offers: what the devices of a fleet judge - the libraries of their spaces, adapted to their precisions.

Designs adapted to different precisions are mostly the same: all that a fleet needs are expanded once for each space,
and each set of precisions takes its own from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from design.task import Task
from optimizer.library import SupportedBits, adapted_to_each
from predictors.predictions import own_figures, together

Key = tuple[tuple[Space, ...], SupportedBits]
"""Spaces that fit a device, and its precisions."""
Name = tuple[str, bytes]
"""What tells designs apart: space and genotype, a byte a gene."""


@dataclass(frozen=True, eq=False)
class Offers:
    """What all devices with the same spaces and precisions judge.

    Attributes:
        designs: Of all spaces, N.
        sources: Of each space, in the same order, with layers of others beside them.
        names: N.
    """

    designs: EncodedDesigns
    sources: tuple[tuple[Space, EncodedDesigns], ...]
    names: tuple[Name, ...]

    @cached_property
    def parts(self) -> tuple[tuple[Space, EncodedDesigns], ...]:
        """Of each space, in the same order, with the layers that occur in them alone."""
        return tuple((space, own.compact()) for space, own in self.sources)

    def of(self, index: int) -> tuple[Space, EncodedDesigns]:
        """Space and design (N = 1) of one of them."""
        for space, part in self.sources:
            if index < len(part):
                return space, part.take(np.array([index]))
            index -= len(part)
        raise IndexError(index)

    def take(self, kept: NDArray[np.bool_]) -> Offers:
        """Those kept (N); together they have the layers that occur in them alone."""
        begun = np.cumsum([0, *(len(part) for _, part in self.sources)])
        sources = [
            (space, part.take(kept[first:end]))
            for (space, part), first, end in zip(self.sources, begun[:-1], begun[1:], strict=True)
            if kept[first:end].any()
        ]
        names = tuple(name for name, one in zip(self.names, kept.tolist(), strict=True) if one)
        return Offers(designs=self.designs.take(kept).compact(), sources=tuple(sources), names=names)


class Shelf:
    """Offers, kept for further fleets.

    Args:
        most: How many are kept; the least recently used go first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Key, Task, int], Offers] = OrderedDict()
        self._lock = Lock()

    def of(self, keys: Iterable[Key], task: Task, count: int) -> dict[Key, Offers]:
        """Offers for each key: the first `count` designs of each library."""
        wanted = list(dict.fromkeys(keys))
        with self._lock:
            found = {key: own for key in wanted if (own := self._kept.get((key, task, count))) is not None}
        found |= made([key for key in wanted if key not in found], task, count)
        with self._lock:
            for key, own in found.items():
                self._kept[key, task, count] = own
                self._kept.move_to_end((key, task, count))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return {key: found[key] for key in wanted}  # in an order that does not depend on what was kept


def made(keys: list[Key], task: Task, count: int) -> dict[Key, Offers]:
    """Offers for each key, all expanded together."""
    sources: dict[tuple[Space, SupportedBits], EncodedDesigns] = {}
    names: dict[tuple[Space, SupportedBits], list[Name]] = {}
    for space in dict.fromkeys(space for spaces, _ in keys for space in spaces):
        precisions = list(dict.fromkeys(bits for spaces, bits in keys if space in spaces))
        distinct, numbers = adapted_to_each(space, task, precisions, count)
        designs = space.rows(task, distinct)
        own_figures(designs, task)  # the same on every device
        every = names_of(space, distinct)
        for bits, own in zip(precisions, numbers, strict=True):
            sources[space, bits] = designs.take(own)
            names[space, bits] = [every[number] for number in own.tolist()]
    return {
        (spaces, bits): Offers(
            designs=_together([sources[space, bits] for space in spaces], task),
            sources=tuple((space, sources[space, bits]) for space in spaces),
            names=tuple(name for space in spaces for name in names[space, bits]),
        )
        for spaces, bits in keys
    }


def _together(parts: list[EncodedDesigns], task: Task) -> EncodedDesigns:
    """As one, with the layers that occur in them alone."""
    return together(parts, task) if len(parts) > 1 else parts[0].compact()


def names_of(space: Space, genotypes: IntArray) -> list[Name]:
    """The names of designs, N x G choices."""
    every, length = genotypes.astype(np.uint8).tobytes(), genotypes.shape[1]
    return [(space.name, every[first : first + length]) for first in range(0, len(every), length)]


def name_of(space: Space, genotype: IntArray) -> Name:
    """The name of a design (G choices)."""
    return names_of(space, genotype[None])[0]


def numbered(names: Iterable[Name], known: dict[Name, int]) -> IntArray:
    """Numbers of names, N; new ones are added to those known."""
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def genotypes_of(designs: EncodedDesigns) -> IntArray:
    """N x G; the designs must be of one space."""
    assert designs.genotypes is not None
    return designs.genotypes
