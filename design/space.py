"""Space: what may vary. Vectors of choices (genotypes) become exact layers, and thousands at once become arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np

from design.architecture import INPUT
from design.channels import channel_groups, prune
from design.design import Design
from design.distinct import distinct_rows
from design.encoding import EncodedDesigns, IntArray, RowTable, layer_rows
from design.genes import Gene, GeneKind, GeneSpace, Part
from design.liveness import peak_bytes
from design.task import Task

__all__ = ["BlockSpace", "Fragment", "Gene", "GeneKind", "Slot", "Space"]


class Space(Protocol):
    """A family of designs. All methods refuse a task that is too small (TaskTooSmall) or does not fit."""

    name: str
    description: str

    def genes(self, task: Task) -> tuple[Gene, ...]:
        """The choices, in the order of the vector (G of them)."""
        ...

    def size(self, task: Task) -> int:
        """Number of distinct canonical genotypes, exact."""
        ...

    def canonical(self, task: Task, genotypes: IntArray) -> IntArray:
        """N x G with genes that have no effect set to 0, so that equal designs have equal vectors."""
        ...

    def sample(self, task: Task, count: int, rng: np.random.Generator) -> IntArray:
        """Canonical genotypes drawn at random, `count` x G."""
        ...

    def neighbours(self, task: Task, genotype: IntArray) -> IntArray:
        """All distinct canonical genotypes that differ from this one (G) in one choice, M x G."""
        ...

    def decode(self, task: Task, genotype: Sequence[int] | IntArray) -> Design:
        """The exact design of one genotype (G)."""
        ...

    def title(self, task: Task, values: IntArray) -> str:
        """What people call the network of one canonical genotype (G)."""
        ...

    def encode(self, design: Design) -> IntArray:
        """The canonical genotype (G) of a design of this space."""
        ...

    def rows(self, task: Task, genotypes: IntArray) -> EncodedDesigns:
        """Fast twin of `encode_designs([decode(g) for g in genotypes])`: N x G vectors to arrays."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fragment(Part):
    """The layers of one slot.

    Attributes:
        input_kept: Channels that arrive (after pruning).
    """

    input_kept: int


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One place of a space's chain of blocks.

    Attributes:
        genes: Indices of all genes that the fragment depends on.
        build: Their values (in that order) -> the fragment.
    """

    name: str
    genes: tuple[int, ...]
    build: Callable[[tuple[int, ...]], Fragment]


@dataclass(frozen=True)
class _Encoded:
    """A fragment in arrays: row numbers, bits it needs its input at, its own peak of activation bytes."""

    row_ids: tuple[int, ...]
    input_bits: int
    peak_bytes: int


class _Cache:
    """Encoded fragments of one space and task: (slot, choices, output bits) -> arrays. Safe among threads."""

    def __init__(self) -> None:
        self.table = RowTable()
        self.fragments: dict[tuple[int, tuple[int, ...], int], _Encoded] = {}
        self.lock = Lock()


class BlockSpace(GeneSpace[Slot]):
    """A space whose networks are chains of slots. Subclasses give `genes`, `slots` and what has no effect.

    Only one tensor crosses from slot to slot, so the peak of a network is the largest peak of its slots, and each
    slot's layers are expanded once for each combination of the few genes it depends on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._caches: dict[Task, _Cache] = {}

    def parts(self, task: Task, values: IntArray) -> Iterator[tuple[str, Part]]:
        """See GeneSpace."""
        for slot in self.slots(task):
            yield slot.name, slot.build(tuple(int(values[gene]) for gene in slot.genes))

    def rows(self, task: Task, genotypes: IntArray) -> EncodedDesigns:
        """See Space."""
        genotypes = self.canonical(task, genotypes)
        slots = self.slots(task)
        cache = self._caches.setdefault(task, _Cache())
        bits: IntArray = np.full(len(genotypes), 32)
        peaks = np.zeros(len(genotypes))
        parts: list[IntArray] = []
        with cache.lock:
            for number in reversed(range(len(slots))):
                slot = slots[number]
                keys = np.column_stack([genotypes[:, list(slot.genes)], bits])
                first, which = distinct_rows(keys)
                found = [
                    self._encoded(cache, task, number, tuple(int(v) for v in key[:-1]), int(key[-1]))
                    for key in keys[first]
                ]
                width = max((len(one.row_ids) for one in found), default=0)
                ids = np.zeros((len(found), width), dtype=np.int64)
                for index, one in enumerate(found):
                    ids[index, : len(one.row_ids)] = one.row_ids
                parts.append(ids[which])
                bits = np.array([one.input_bits for one in found], dtype=np.int64)[which]
                peaks = np.maximum(peaks, np.array([one.peak_bytes for one in found], dtype=np.float64)[which])
            rows, row_ids = cache.table.used(np.concatenate(parts[::-1], axis=1))
        return EncodedDesigns(
            rows=rows,
            row_ids=row_ids,
            peak_activation_bytes=peaks,
            genotypes=genotypes,
            space=self.name,
        )

    def _encoded(self, cache: _Cache, task: Task, number: int, choices: tuple[int, ...], bits: int) -> _Encoded:
        key = (number, choices, bits)
        if key not in cache.fragments:
            fragment = self.slots(task)[number].build(choices)
            cache.fragments[key] = _encode_fragment(fragment, cache.table, bits)
        return cache.fragments[key]


def _encode_fragment(fragment: Fragment, table: RowTable, output_bits: int) -> _Encoded:
    """A fragment in arrays when its output is needed at `output_bits`."""
    if not fragment.layers:
        return _Encoded((), output_bits, 0)
    first = next(layer for layer in fragment.layers if INPUT in layer.inputs)
    groups = channel_groups(fragment.layers, first.in_channels, output_fixed=False)
    left = dict(groups.width)
    left[groups.tensors[INPUT][0][0]] = fragment.input_kept
    for name, number in fragment.kept.items():
        group = groups.group_of(name)
        if group is not None:
            left[group] = number
    small = prune(fragment.layers, groups, left)
    rows, bits = layer_rows(small, fragment.layers, fragment.precision, fragment.residual_bits, output_bits)
    area = first.in_height * first.in_width
    return _Encoded(tuple(table.add(rows)), bits[INPUT], peak_bytes(small, bits, fragment.input_kept * area))
