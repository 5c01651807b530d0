"""Offers: what the devices of a fleet judge - the libraries of their spaces, adapted to their precisions.

Designs adapted to different precisions are mostly the same: all that a fleet needs are expanded once for each space,
and each set of precisions takes its own from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from design.distinct import distinct_rows
from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from design.task import Task
from optimizer.library import SupportedBits, adapted
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
        parts: Of each space, in the same order.
        names: N.
    """

    designs: EncodedDesigns
    parts: tuple[tuple[Space, EncodedDesigns], ...]
    names: tuple[Name, ...]

    def of(self, index: int) -> tuple[Space, EncodedDesigns]:
        """Space and design (N = 1) of one of them."""
        for space, part in self.parts:
            if index < len(part):
                return space, part.take(np.array([index]))
            index -= len(part)
        raise IndexError(index)

    def take(self, kept: NDArray[np.bool_]) -> Offers:
        """Those kept (N); together they have the layers that occur in them alone."""
        begun = np.cumsum([0, *(len(part) for _, part in self.parts)])
        parts = [
            (space, part.take(kept[first:end]))
            for (space, part), first, end in zip(self.parts, begun[:-1], begun[1:], strict=True)
            if kept[first:end].any()
        ]
        names = tuple(name for name, one in zip(self.names, kept.tolist(), strict=True) if one)
        return Offers(designs=self.designs.take(kept).compact(), parts=tuple(parts), names=names)


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
    parts: dict[tuple[Space, SupportedBits], EncodedDesigns] = {}
    for space in dict.fromkeys(space for spaces, _ in keys for space in spaces):
        precisions = list(dict.fromkeys(bits for spaces, bits in keys if space in spaces))
        own = [adapted(space, task, bits, count) for bits in precisions]
        every = np.concatenate(own)
        first_of, number = distinct_rows(every)
        designs = space.rows(task, every[first_of])
        own_figures(designs, task)  # the same on every device
        ends = np.cumsum([0, *(len(one) for one in own)])
        for bits, first, end in zip(precisions, ends[:-1], ends[1:], strict=True):
            parts[space, bits] = designs.take(number[first:end]).compact()
    return {(spaces, bits): _joined([(space, parts[space, bits]) for space in spaces], task) for spaces, bits in keys}


def _joined(parts: list[tuple[Space, EncodedDesigns]], task: Task) -> Offers:
    names: list[Name] = []
    for space, own in parts:
        names += [name_of(space, values) for values in genotypes_of(own)]
    return Offers(designs=together([own for _, own in parts], task), parts=tuple(parts), names=tuple(names))


def name_of(space: Space, genotype: IntArray) -> Name:
    """The name of a design (G choices)."""
    return space.name, genotype.astype(np.uint8).tobytes()


def numbered(names: Iterable[Name], known: dict[Name, int]) -> IntArray:
    """Numbers of names, N; new ones are added to those known."""
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def genotypes_of(designs: EncodedDesigns) -> IntArray:
    """N x G; the designs must be of one space."""
    assert designs.genotypes is not None
    return designs.genotypes
