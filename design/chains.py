"""Chain: the slots of one space and task as arrays, all places of all networks at once.

Only one tensor crosses from slot to slot. Channels flow forward and bits flow backward along the chain in a few array
operations a slot; what a slot then computes follows from its block, its own genes, the channels that arrive and the
bits needed behind it. Slots of one shape share their graph whatever their genes are called (the genes of a slot are
renamed to "virtual" ones), and each distinct state is expanded once, in however many networks it stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from design.blocks import Blocks
from design.encoding import FloatArray, IntArray
from design.expansion import Expansion
from design.gene_tables import GeneTables
from design.genes import Gene
from design.liveness import OUTPUT_BITS
from design.populations import distinct
from design.precision import BITS, Precision
from design.prototypes import Prototypes
from design.template import Template, TemplateSlot

_ARRIVES = -1
"""In place of a gene: the channels that arrive."""


class Chain:
    """What one space has expanded for one task, and how it expands more.

    Args:
        slots: In order.
        genes: Of the space.
        input_channels: Of the task.
    """

    def __init__(self, slots: Sequence[TemplateSlot], genes: Sequence[Gene], input_channels: int) -> None:
        self._slots, self._genes, self._input_channels = slots, genes, input_channels
        self._precisions: list[tuple[Precision, ...]] = [()]  # the first virtual gene is always 0
        self._choices: list[tuple[object, ...]] = [(0,)]
        self._virtual: list[dict[int, int]] = [{} for _ in slots]
        self._prototypes = Prototypes(self._choices)
        self._expansion = Expansion(self._prototypes)
        sizes = [[len(genes[gene].choices) for gene in slot.genes] for slot in slots]
        most = max(map(len, sizes), default=0)
        self._read: IntArray = np.zeros((len(slots), most), dtype=np.int64)
        self._steps: IntArray = np.zeros((len(slots), most), dtype=np.int64)
        for row, (slot, own) in enumerate(zip(slots, sizes, strict=True)):
            self._read[row, : len(own)] = slot.genes
            self._steps[row, : len(own)] = [math.prod(own[:index]) for index in range(len(own))]
        counts = [math.prod(own) for own in sizes]
        self._starts: IntArray = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        self._sizes = sizes
        self._numbers: IntArray = np.full(sum(counts), -1, dtype=np.int64)
        self._ends: list[_Ends] = []
        self._arrays: _Arrays | None = None

    def encode(self, values: IntArray) -> tuple[FloatArray, Blocks, FloatArray]:
        """Distinct rows (R x Column), blocks, peak bytes (N) of canonical genotypes (N x G)."""
        blocks = self._blocks(values)
        arrays = self._known()
        own = np.column_stack([values, np.zeros(len(values), dtype=np.int64)])
        virtual = np.stack([own[:, genes] for genes in arrays.gather.T])
        arriving = self._arriving(blocks, virtual, arrays)
        output_bits = self._output_bits(blocks, virtual, arrays)
        first, ids = distinct(arrays.states(blocks, virtual, arriving, output_bits))
        tables = GeneTables(virtual.reshape(len(virtual), -1)[:, first].T, self._precisions, self._choices)
        started, _ = self._expansion.forward(blocks.reshape(-1)[first], tables, arriving.reshape(-1)[first])
        keys, _, peaks = self._expansion.backward(started, tables, output_bits.reshape(-1)[first])
        rows, block_rows = self._prototypes.rows(keys)
        found = Blocks.of(ids, block_rows)
        return rows, found, peaks.take(found.ids).max(axis=0, initial=0.0)

    def _blocks(self, values: IntArray) -> IntArray:
        """Number of the block in each slot, N x slots."""
        keys = (values[:, self._read] * self._steps).sum(axis=2) + self._starts
        numbers: IntArray = self._numbers[keys]
        if numbers.min(initial=0) < 0:
            for key in np.unique(keys[numbers < 0]).tolist():
                self._numbers[key] = self._add(key)
            self._arrays = None
            numbers = self._numbers[keys]
        return numbers

    def _add(self, key: int) -> int:
        """Expand the template of a key; its number."""
        slot = int(np.searchsorted(self._starts, key, side="right")) - 1
        left, choices = key - int(self._starts[slot]), []
        for size in self._sizes[slot]:
            left, choice = divmod(left, size)
            choices.append(choice)
        template = self._renamed(self._slots[slot].build(tuple(choices)), slot)
        number = self._expansion.add(template.layers, template.precision, template.kept, template.residual)
        self._ends.append(_Ends(self._expansion, number))
        return number

    def _renamed(self, template: Template, slot: int) -> Template:
        """The template with virtual genes."""
        own = self._virtual[slot]
        for layer in template.layers:
            for gene in (template.precision.get(layer.name), template.kept.get(layer.name)):
                self._name(own, gene)
        self._name(own, template.residual)
        return Template(
            layers=template.layers,
            precision={name: own[gene] for name, gene in template.precision.items()},
            kept={name: own[gene] for name, gene in template.kept.items()},
            residual=None if template.residual is None else own[template.residual],
        )

    def _name(self, own: dict[int, int], gene: int | None) -> None:
        """Give a gene of a slot the first virtual one of its kind that no other of its genes has."""
        if gene is None or gene in own:
            return
        kind = (self._genes[gene].precisions, self._genes[gene].choices)
        known = list(zip(self._precisions, self._choices, strict=True))
        free = [at for at, one in enumerate(known) if at and one == kind and at not in own.values()]
        if not free:
            free = [len(known)]
            self._precisions.append(kind[0])
            self._choices.append(kind[1])
        own[gene] = free[0]

    def _known(self) -> _Arrays:
        if self._arrays is None:
            bits = [
                [one.activation_bits for one in precisions] if precisions else _numbers(choices)
                for precisions, choices in zip(self._precisions, self._choices, strict=True)
            ]
            self._arrays = _Arrays(self._virtual, len(self._genes), bits, self._ends)
        return self._arrays

    def _arriving(self, blocks: IntArray, virtual: IntArray, arrays: _Arrays) -> IntArray:
        """Channels that arrive at each slot, N x slots."""
        number, slot = np.arange(len(blocks))[:, None], np.arange(blocks.shape[1])
        leaving, copies = np.zeros(blocks.shape, dtype=np.int64), np.zeros(blocks.shape, dtype=np.int64)
        for part in arrays.parts:
            gene, own = part.genes[blocks], part.copies[blocks]
            arrives = gene == _ARRIVES
            kept = part.kept[blocks, virtual[np.maximum(gene, 0), number, slot]]
            leaving += own * np.where(arrives, 0, kept)
            copies += own * arrives
        found = np.empty(blocks.shape, dtype=np.int64)
        found[:, 0] = self._input_channels
        found[:, 1:] = leaving[:, :-1]
        for before in np.flatnonzero(copies[:, :-1].any(axis=0)).tolist():
            found[:, before + 1] += copies[:, before] * found[:, before]
        return found

    def _output_bits(self, blocks: IntArray, virtual: IntArray, arrays: _Arrays) -> IntArray:
        """Bits at which what follows reads the output of each slot, N x slots."""
        needed = arrays.least[blocks]
        for gene in np.flatnonzero(arrays.reads.any(axis=0)).tolist():
            needed = np.maximum(needed, arrays.bits[gene][virtual[gene]] * arrays.reads[:, gene][blocks])
        passes = arrays.passes[blocks]
        found = np.empty(blocks.shape, dtype=np.int64)
        found[:, -1] = OUTPUT_BITS
        found[:, :-1] = needed[:, 1:]
        for behind in np.flatnonzero(passes[:, 1:].any(axis=0))[::-1].tolist():
            passed = np.where(passes[:, behind + 1], found[:, behind + 1], 0)
            found[:, behind] = np.maximum(found[:, behind], passed)
        return found


def _numbers(choices: Sequence[object]) -> list[int]:
    """Bits of a gene of the residual stream; nothing of other genes without precisions."""
    return [one if isinstance(one, int) else 0 for one in choices]


class _Ends:
    """What leaves one block, and how it reads what arrives."""

    def __init__(self, expansion: Expansion, number: int) -> None:
        self.leaves = expansion.leaves(number)
        self.genes, self.passes, self.least = expansion.reads(number)


class _Part:
    """One term of the channels that leave a block: copies of what arrives, or of what a gene keeps of a group.

    Attributes:
        copies: B, 0 where a block has fewer terms.
        genes: B, virtual genes; _ARRIVES: the channels that arrive.
        kept: B x most choices, channels.
    """

    def __init__(self, terms: Sequence[tuple[int, int, Sequence[int]]]) -> None:
        most = max((len(kept) for _, _, kept in terms), default=1)
        self.copies: IntArray = np.array([copies for copies, _, _ in terms], dtype=np.int64)
        self.genes: IntArray = np.array([gene for _, gene, _ in terms], dtype=np.int64)
        self.kept: IntArray = np.array(
            [[*kept, *[kept[-1] if kept else 0] * (most - len(kept))] for _, _, kept in terms], dtype=np.int64
        )


class _Arrays:
    """What is known of slots and blocks, as arrays.

    Attributes:
        gather: Slots x virtual genes, the gene of the space behind each (one more than there are: always 0).
        bits: Virtual genes x most choices, bits at which each choice reads; 0 for genes that set none.
        parts: Terms of the channels that leave.
        reads: B x virtual genes, 1 for those at whose bits a block reads its input.
        passes: B, whether it reads its input at the bits of its output.
        least: B, bits that it needs whatever its genes are.
    """

    def __init__(
        self, virtual: Sequence[dict[int, int]], genes: int, bits: Sequence[Sequence[int]], ends: Sequence[_Ends]
    ) -> None:
        count = len(bits)
        self.gather: IntArray = np.full((len(virtual), count), genes, dtype=np.int64)
        for slot, own in enumerate(virtual):
            for gene, at in own.items():
                self.gather[slot, at] = gene
        self._sizes = [len(one) for one in bits]
        most = max(self._sizes, default=1)
        self.bits: IntArray = np.array([[*one, *[0] * (most - len(one))] for one in bits], dtype=np.int64).reshape(
            count, most
        )
        nothing: tuple[int, int, Sequence[int]] = (0, _ARRIVES, (0,))
        self.parts = [
            _Part([one.leaves[term] if term < len(one.leaves) else nothing for one in ends])
            for term in range(max((len(one.leaves) for one in ends), default=0))
        ]
        self.reads: IntArray = np.zeros((len(ends), count), dtype=np.int64)
        for block, one in enumerate(ends):
            self.reads[block, one.genes] = 1
        self.passes: NDArray[np.bool_] = np.array([one.passes for one in ends], dtype=np.bool_)
        self.least: IntArray = np.array([one.least for one in ends], dtype=np.int64)

    def states(self, blocks: IntArray, virtual: IntArray, arriving: IntArray, output_bits: IntArray) -> IntArray:
        """One number for all that the layers in a slot follow from, N x slots."""
        figures = [(output_bits, max(BITS) + 1), (arriving, int(arriving.max(initial=0)) + 1)]
        figures += [(virtual[at], size) for at, size in enumerate(self._sizes)]
        if math.prod(size for _, size in figures) * len(self.passes) >= 1 << 63:  # pragma: no cover
            raise OverflowError("the state of a slot must fit 63 bits")
        found = blocks
        for values, size in figures:
            found = found * size + values
        return found
