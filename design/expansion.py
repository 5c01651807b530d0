"""Templates expanded for many genotypes at once: channels, stored bits, row numbers and peaks as arrays of N.

The array twin of `channels.prune`, `liveness.stored_bits`, `liveness.peak_bytes` and `encoding.layer_row`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from design.architecture import INPUT
from design.bypasses import bypasses
from design.channels import ChannelGroups, Segments, channel_groups
from design.encoding import FloatArray, IntArray
from design.gene_tables import GeneTables
from design.layer import IN_PLACE, Layer, Op
from design.prototypes import CHANNEL_BITS, CODES, Prototypes
from design.pruning import filters_kept


class _Graph:
    """Blocks that differ in their numbers alone: one graph, figures as arrays over blocks."""

    def __init__(
        self,
        layers: Sequence[Layer],
        groups: ChannelGroups,
        precision: Mapping[str, int],
        residual: int | None,
        bypassed: Mapping[int, tuple[int, int]],
    ) -> None:
        place = {INPUT: 0} | {layer.name: step + 1 for step, layer in enumerate(layers)}
        self.ops = [layer.op for layer in layers]
        self.inputs = [tuple(place[name] for name in layer.inputs) for layer in layers]
        self.last = {tensor: step for step, read in enumerate(self.inputs) for tensor in read}
        self.tensors: list[Segments] = [groups.tensors[name] for name in place]
        self.genes = [precision.get(layer.name) for layer in layers]
        self.residual = residual
        self.bypassed = bypassed
        self.figures: list[tuple[list[int], list[int], dict[int, int], dict[int, list[int]]]] = []
        self._stacked: tuple[IntArray, IntArray, dict[int, IntArray], dict[int, IntArray]] | None = None

    def add(self, prototypes: list[int], area: list[int], width: dict[int, int], kept: dict[int, list[int]]) -> int:
        """One more block: prototype of each layer, positions of each tensor, width and choices of kept by group."""
        self.figures.append((prototypes, area, width, kept))
        self._stacked = None
        return len(self.figures) - 1

    @property
    def stacked(self) -> tuple[IntArray, IntArray, dict[int, IntArray], dict[int, IntArray]]:
        """The figures of all blocks: layers x T, tensors x T, group -> T, group -> T x choices."""
        if self._stacked is None:
            _, _, width, kept = self.figures[0]
            self._stacked = (
                np.array([one[0] for one in self.figures], dtype=np.int64).T,
                np.array([one[1] for one in self.figures], dtype=np.int64).T,
                {group: np.array([one[2][group] for one in self.figures], dtype=np.int64) for group in width},
                {group: np.array([one[3][group] for one in self.figures], dtype=np.int64) for group in kept},
            )
        return self._stacked

    def leaves(self, local: int, genes: Mapping[int, int]) -> list[tuple[int, int, list[int]]]:
        """Terms of the channels that leave one block: copies, gene (-1: of what arrives), channels by its choice."""
        _, _, width, kept = self.figures[local]
        found = []
        for group, copies in self.tensors[-1]:
            if group == self.tensors[0][0][0]:
                found.append((copies, -1, [0]))
            elif group in kept:
                found.append((copies, genes[group], kept[group]))
            else:
                found.append((copies, 0, [width[group]]))
        return found

    def reads(self) -> tuple[list[int], bool, int]:
        """At which bits it reads its input: those of genes, of its output or not, so many (see `bits`)."""
        need: list[set[int]] = [set() for _ in range(len(self.inputs) + 1)]
        need[-1] = {_OUTPUT}
        for step in reversed(range(len(self.inputs))):
            own, gene = need[step + 1] or {_OUTPUT}, self.genes[step]
            if gene is not None:
                own = {gene}
            elif self.ops[step] is Op.ADD:
                own = {_FULL if self.residual is None else self.residual}
            for tensor in self.inputs[step]:
                need[tensor] |= own
        found = need[0] or {_OUTPUT}
        return sorted(found - {_OUTPUT, _FULL}), _OUTPUT in found, 32 if _FULL in found else 0

    def channels(self, local: IntArray, chosen: Mapping[int, IntArray], arriving: IntArray) -> list[IntArray]:
        """Channels of each tensor after pruning: blocks (M), choice per pruned group, channels that arrive (M)."""
        _, _, width, kept = self.stacked
        left = {group: kept[group][local, chosen[group]] if group in kept else of[local] for group, of in width.items()}
        left[self.tensors[0][0][0]] = arriving
        return [_total(left, segments) for segments in self.tensors]

    def bits(self, tables: GeneTables, where: IntArray, output_bits: IntArray) -> list[IntArray]:
        """Stored bits of each tensor (see `liveness.stored_bits`) for the genotypes at `where` (M)."""
        need: list[IntArray | None] = [None] * (len(self.inputs) + 1)
        need[-1] = output_bits
        for step in reversed(range(len(self.inputs))):
            own, gene = need[step + 1], self.genes[step]
            if own is None:
                own = need[step + 1] = output_bits
            if gene is not None:
                wanted = tables.activation_bits(gene)[where]
            elif self.ops[step] is Op.ADD:
                wanted = own * 0 + 32 if self.residual is None else tables.number(self.residual)[where]
            else:
                wanted = own
            for tensor in self.inputs[step]:
                before = need[tensor]
                need[tensor] = wanted if before is None else np.maximum(before, wanted)
        return [output_bits if one is None else one for one in need]

    def keys(
        self, tables: GeneTables, where: IntArray, local: IntArray, channels: list[IntArray], bits: list[IntArray]
    ) -> IntArray:
        """Layer keys, M x layers."""
        prototypes = self.stacked[0]
        codes = [CODES[one] for one in bits]
        keys = np.zeros((len(where), len(self.inputs)), dtype=np.int64)
        for step, (read, gene) in enumerate(zip(self.inputs, self.genes, strict=True)):
            if gene is None:
                weight: IntArray | int = self._steps(tables, where, channels, step) if self.ops[step] is Op.ADD else 7
                reads = codes[read[0]]
                for tensor in read[1:]:
                    reads = np.maximum(reads, codes[tensor])
            else:
                weight = CODES[tables.weight_bits(gene)[where]]
                reads = CODES[tables.activation_bits(gene)[where]]
            arrive = channels[read[0]]
            if self.ops[step] is Op.CONCAT:
                arrive = np.sum([channels[tensor] for tensor in read], axis=0)
            shape = (prototypes[step][local] << CHANNEL_BITS | arrive) << CHANNEL_BITS | channels[step + 1]
            keys[:, step] = shape << 9 | weight << 6 | reads << 3 | codes[step + 1]
        return keys

    def _steps(self, tables: GeneTables, where: IntArray, channels: list[IntArray], add: int) -> IntArray | int:
        """Learned steps of each tensor that is added: two where there is a sum more, within the block (M)."""
        if self.residual is None:
            return 0
        steps = tables.learned(self.residual)[where]
        if add not in self.bypassed:
            return steps
        first, second = self.bypassed[add]
        one, other = self.genes[first], self.genes[second]
        assert one is not None
        assert other is not None
        signs = (tables.reads_signs(one) | tables.reads_signs(other))[where]
        return np.asarray(steps + steps * signs * (channels[first + 1] == channels[add + 1]))

    def peaks(self, local: IntArray, channels: list[IntArray], bits: list[IntArray]) -> IntArray:
        """Most bytes alive at once (see `liveness.peak_bytes`), M."""
        area = self.stacked[1]
        size = [-(-own * area[step][local] * bits[step] // 8) for step, own in enumerate(channels)]
        total: IntArray = size[0]
        peak: IntArray = size[0]
        for step, (op, read) in enumerate(zip(self.ops, self.inputs, strict=True)):
            wrote = size[step + 1]
            dying = {tensor for tensor in read if self.last[tensor] == step}
            needed = wrote
            if op in IN_PLACE:
                for tensor in dying:
                    needed = np.where(size[tensor] >= wrote, 0, needed)
            peak = np.maximum(peak, total + needed)
            total = total + wrote
            for tensor in dying:
                total = total - size[tensor]
            if step + 1 not in self.last and step + 1 < len(self.inputs):
                total = total - wrote
        return peak


_OUTPUT, _FULL = -1, -2
"""In place of a gene: the bits of the output, 32 bits."""
Started = list[tuple[_Graph, IntArray, IntArray, list[IntArray]]]
"""Per graph: itself, the genotypes it stands in (M), its blocks (M), channels of each tensor (M)."""


def _total(left: Mapping[int, IntArray], segments: Segments) -> IntArray:
    """Channels of a tensor put together from groups, M."""
    (group, copies), *others = segments
    found: IntArray = left[group] if copies == 1 else left[group] * copies
    for group, copies in others:
        found = found + left[group] * copies
    return found


class Expansion:
    """All blocks of a space and task, of whatever slot."""

    def __init__(self, prototypes: Prototypes) -> None:
        self._prototypes = prototypes
        self._graphs: dict[object, int] = {}
        self._kept: dict[tuple[int, int], list[int]] = {}
        self._order: list[tuple[_Graph, dict[int, int]]] = []
        self._blocks: list[tuple[int, int]] = []
        self._places: IntArray = np.zeros((0, 2), dtype=np.int64)
        self._width = 0

    def add(
        self, layers: Sequence[Layer], precision: Mapping[str, int], kept: Mapping[str, int], residual: int | None
    ) -> int:
        """One more block; its number."""
        if not layers:
            self._blocks.append((-1, 0))
            return len(self._blocks) - 1
        first = next(layer for layer in layers if INPUT in layer.inputs)
        groups = channel_groups(layers, first.in_channels, output_fixed=False)
        genes: dict[int, int] = {}
        choices: dict[int, list[int]] = {}
        for name, gene in kept.items():
            group = groups.group_of(name)
            if group is not None:
                genes[group] = gene
                choices[group] = self._kept_of(groups.width[group], gene)
        places = {layer.name: step for step, layer in enumerate(layers)}
        bypassed = {places[one.add]: (places[one.first], places[one.second]) for one in bypasses(layers)}
        signature = (
            tuple((layer.op, layer.inputs, precision.get(layer.name)) for layer in layers),
            tuple(groups.tensors.values()),
            tuple(sorted(genes.items())),
            residual,
            tuple(bypassed.items()),
        )
        number = self._graphs.get(signature)
        if number is None:
            number = len(self._order)
            self._order.append((_Graph(layers, groups, precision, residual, bypassed), genes))
            self._graphs[signature] = number
        graph = self._order[number][0]
        area = [first.in_height * first.in_width, *(layer.out_height * layer.out_width for layer in layers)]
        prototypes = [self._prototypes.number(layer) for layer in layers]
        local = graph.add(prototypes, area, dict(groups.width), choices)
        self._width = max(self._width, len(layers))
        self._blocks.append((number, local))
        return len(self._blocks) - 1

    def _kept_of(self, width: int, gene: int) -> list[int]:
        """Filters kept of so many, by the choices of a gene."""
        found = self._kept.get((width, gene))
        if found is None:
            found = [filters_kept(width, ratio) for ratio in self._prototypes.choices[gene]]
            self._kept[width, gene] = found
        return found

    def leaves(self, block: int) -> list[tuple[int, int, list[int]]]:
        """Terms of the channels that leave a block, each copies x channels: copies, gene, channels by its choice.

        A gene of -1 stands for the channels that arrive; with a single choice, the gene does not matter.
        """
        number, local = self._blocks[block]
        if number < 0:
            return [(1, -1, [0])]
        graph, genes = self._order[number]
        return graph.leaves(local, genes)

    def reads(self, block: int) -> tuple[list[int], bool, int]:
        """At which bits a block reads its input, the most of: bits of some genes, of its output or not, so many."""
        number, _ = self._blocks[block]
        return ([], True, 0) if number < 0 else self._order[number][0].reads()

    def forward(self, blocks: IntArray, tables: GeneTables, channels: IntArray) -> tuple[Started, IntArray]:
        """Channels through the slot: block and channels that arrive of each genotype (N), then those that leave."""
        if len(self._places) < len(self._blocks):
            self._places = np.array(self._blocks, dtype=np.int64)
        graph_of, local_of = self._places[blocks].T
        leaving = channels.copy()
        started: Started = []
        for number in np.unique(graph_of[graph_of >= 0]).tolist():
            graph, genes = self._order[number]
            where = np.flatnonzero(graph_of == number)
            local = local_of[where]
            chosen = {group: tables.values[where, gene] for group, gene in genes.items()}
            own = graph.channels(local, chosen, channels[where])
            leaving[where] = own[-1]
            started.append((graph, where, local, own))
        return started, leaving

    def backward(
        self, started: Started, tables: GeneTables, output_bits: IntArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Layer keys (N x layers of the longest block), bits the slot needs its input at (N), peak bytes (N)."""
        keys = np.zeros((len(output_bits), self._width), dtype=np.int64)
        input_bits = output_bits.copy()
        peaks: FloatArray = np.zeros(len(output_bits))
        for graph, where, local, channels in started:
            bits = graph.bits(tables, where, output_bits[where])
            keys[where, : len(graph.inputs)] = graph.keys(tables, where, local, channels, bits)
            input_bits[where] = bits[0]
            peaks[where] = graph.peaks(local, channels, bits)
        return keys, input_bits, peaks
