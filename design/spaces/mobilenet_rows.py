"""MBConv networks as arrays: the blocks of all places of all networks at once.

Every place (stem, blocks, head) of every network is one row of genes of its own: a "virtual" genotype with the same
few genes everywhere. Channels that arrive and bits that are needed behind follow from the genes of the neighbours, so
no place waits for another, and a population costs a handful of array operations for each kind of block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from design.blocks import Blocks
from design.encoding import FloatArray, IntArray
from design.expansion import Expansion
from design.gene_tables import GeneTables
from design.liveness import OUTPUT_BITS
from design.populations import distinct
from design.precision import BITS, Precision
from design.prototypes import Prototypes
from design.pruning import filters_kept
from design.spaces.choices import BODY_PRECISIONS, EDGE_PRECISIONS, FILTER_RATIOS, RESIDUAL_BITS
from design.spaces.mobilenet_blocks import block_template, head_template, stem_template
from design.spaces.mobilenet_genes import (
    BLOCKS,
    EDGE,
    EXPANSIONS,
    FAMILIES,
    FILTERS,
    FIRST_BLOCK,
    GROUPS,
    HEAD,
    HEAD_FILTERS,
    KERNELS,
    PRECISION,
    RESIDUAL,
    SKELETON,
    SQUEEZES,
    STEM_FILTERS,
    WIDTH,
    WIDTHS,
    block_gene,
    stream_gene,
)
from design.spaces.mobilenet_skeletons import SKELETONS, STAGES
from design.task import Task
from design.template import Template

OWN, EDGES, SUMS, INNER, STREAM, READS = range(6)
"""Virtual genes: precision of the block, of edge layers, bits of sums; shares of filters inside the block, in the
residual stream that it writes, and in the one that it reads."""
PLACES = STAGES * BLOCKS + 2
_HEAD_KIND = 2 * STAGES + 1
_SIZES = (_HEAD_KIND + 1, len(FAMILIES), len(WIDTHS), len(KERNELS), len(EXPANSIONS), len(GROUPS), len(SQUEEZES))
"""Of the key of a template: kind of place (stem; stage, first or further block; head), family, width, choices."""
_CHOICES: list[tuple[object, ...]] = [(), (), RESIDUAL_BITS, FILTER_RATIOS, FILTER_RATIOS, FILTER_RATIOS]
_PRECISIONS: list[tuple[Precision, ...]] = [BODY_PRECISIONS, EDGE_PRECISIONS, (), (), (), ()]

_VIRTUAL_SIZES = [max(len(one), len(other)) for one, other in zip(_CHOICES, _PRECISIONS, strict=True)]


def _streams() -> IntArray:
    """Gene of the residual stream of each stage, the stem before them: families x (1 + STAGES)."""
    return np.array([[stream_gene(one, stage) for stage in range(-1, STAGES)] for one in SKELETONS.values()])


def _kept() -> IntArray:
    """Channels kept of each residual stream: families x widths x (1 + STAGES) x shares."""
    found = np.zeros((len(FAMILIES), len(WIDTHS), 1 + STAGES, len(FILTER_RATIOS)), dtype=np.int64)
    for family, skeleton in enumerate(SKELETONS.values()):
        for width, factor in enumerate(WIDTHS):
            full = [skeleton.stem_filters(factor)]
            full += [skeleton.stage_filters(stage, factor) for stage in range(STAGES)]
            found[family, width] = [[filters_kept(one, ratio) for ratio in FILTER_RATIOS] for one in full]
    return found


STREAMS, KEPT = _streams(), _kept()
_STAGES = np.array([one.stages for one in SKELETONS.values()])
_BODY_BITS = np.array([one.activation_bits for one in BODY_PRECISIONS])
_EDGE_BITS = np.array([one.activation_bits for one in EDGE_PRECISIONS])


class TaskRows:
    """Templates of one task, expanded as they come up."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._prototypes = Prototypes(_CHOICES)
        self._expansion = Expansion(self._prototypes)
        self._numbers: IntArray = np.full(math.prod(_SIZES), -1)
        self._empty: list[bool] = []
        self._adds: list[bool] = []

    def encode(self, values: IntArray) -> tuple[FloatArray, Blocks, FloatArray]:
        """Distinct rows (R x Column), blocks of N networks, peak bytes (N) of canonical genotypes (N x G)."""
        blocks = self._blocks(values)
        virtual, arriving = self._virtual(values)
        output_bits = self._output_bits(values, virtual, blocks)
        first, ids = distinct(_states(blocks, virtual, output_bits))
        tables = GeneTables(virtual.reshape(-1, virtual.shape[2])[first], _PRECISIONS, _CHOICES)
        started, _ = self._expansion.forward(blocks.reshape(-1)[first], tables, arriving.reshape(-1)[first])
        keys, _, peaks = self._expansion.backward(started, tables, output_bits.reshape(-1)[first])
        rows, block_rows = self._prototypes.rows(keys)
        found = Blocks.of(ids, block_rows)
        return rows, found, peaks.take(found.ids).max(axis=0, initial=0.0)

    def _blocks(self, values: IntArray) -> IntArray:
        """Number of the template at each place, N x PLACES."""
        kinds = np.array(
            [0, *(1 + 2 * stage + (block > 0) for stage in range(STAGES) for block in range(BLOCKS)), _HEAD_KIND]
        )
        genes = np.zeros((len(_SIZES), len(values), PLACES), dtype=np.int64)
        genes[0] = kinds
        genes[1], genes[2] = values[:, SKELETON, None], values[:, WIDTH, None]
        of_blocks = values[:, FIRST_BLOCK:].reshape(len(values), STAGES * BLOCKS, 6)
        genes[3:, :, 1:-1] = np.moveaxis(of_blocks[..., : len(_SIZES) - 3], 2, 0)
        keys: IntArray = np.asarray(np.ravel_multi_index(tuple(genes), _SIZES), dtype=np.int64)
        missing = np.unique(keys[self._numbers[keys] < 0])
        for key in missing.tolist():
            self._numbers[key] = self._add(tuple(int(one) for one in np.unravel_index(key, _SIZES)))
        return np.asarray(self._numbers[keys])

    def _add(self, key: tuple[int, ...]) -> int:
        """Expand a template; its number."""
        kind, choices = key[0], key[1:]
        stage, block = divmod(kind - 1, 2)
        own = {EDGE: EDGES, RESIDUAL: SUMS}
        if kind == 0:
            template = stem_template(self._task, choices[:2])
            own |= {STEM_FILTERS: STREAM}
        elif kind == _HEAD_KIND:
            template = head_template(self._task, choices[:2])
            own |= {HEAD: OWN, HEAD_FILTERS: INNER}
        else:
            template = block_template(self._task, stage, block, choices)
            streams = STREAMS[choices[0]]
            own |= {int(streams[stage]): READS, int(streams[stage + 1]): STREAM}
            own |= {block_gene(stage, block, PRECISION): OWN, block_gene(stage, block, FILTERS): INNER}
        template = _renamed(template, own)
        self._empty.append(not template.layers)
        self._adds.append(template.residual is not None)
        return self._expansion.add(template.layers, template.precision, template.kept, template.residual)

    def _virtual(self, values: IntArray) -> tuple[IntArray, IntArray]:
        """Virtual genes, N x PLACES x 6, and channels that arrive at each place, N x PLACES."""
        number = np.arange(len(values))[:, None]
        of_blocks = values[:, FIRST_BLOCK:].reshape(len(values), STAGES * BLOCKS, 6)
        family, width = values[:, SKELETON], values[:, WIDTH]
        writes = np.array([0, *np.repeat(np.arange(STAGES) + 1, BLOCKS), 0])
        reads = np.maximum(writes - (np.arange(PLACES) % BLOCKS == 1), 0)
        reads_here = np.broadcast_to(reads, (len(values), PLACES)).copy()
        reads_here[:, -1] = _STAGES[family]
        streams = values[number, STREAMS[family]]
        virtual = np.zeros((len(values), PLACES, 6), dtype=np.int64)
        virtual[:, 1:-1, OWN], virtual[:, -1, OWN] = of_blocks[..., PRECISION], values[:, HEAD]
        virtual[..., EDGES], virtual[..., SUMS] = values[:, EDGE, None], values[:, RESIDUAL, None]
        virtual[:, 1:-1, INNER], virtual[:, -1, INNER] = of_blocks[..., FILTERS], values[:, HEAD_FILTERS]
        virtual[..., STREAM], virtual[..., READS] = streams[:, writes], streams[number, reads_here]
        arriving = KEPT[family[:, None], width[:, None], reads_here, virtual[..., READS]]
        arriving[:, 0] = self._task.input_channels
        return virtual, arriving

    def _output_bits(self, values: IntArray, virtual: IntArray, blocks: IntArray) -> IntArray:
        """Bits at which the next layers need the output of each place, N x PLACES.

        A block reads its input with its first convolution and, where it adds, with its sum.
        """
        needed = _BODY_BITS[virtual[..., OWN]]
        needed[:, 0] = _EDGE_BITS[values[:, EDGE]]
        sums = np.array(RESIDUAL_BITS)[virtual[..., SUMS]]
        needed = np.maximum(needed, sums * np.array(self._adds)[blocks])
        empty = np.array(self._empty)[blocks]
        found: IntArray = np.full(blocks.shape, OUTPUT_BITS)
        for place in reversed(range(PLACES - 1)):
            found[:, place] = np.where(empty[:, place + 1], found[:, place + 1], needed[:, place + 1])
        return found


def _states(blocks: IntArray, virtual: IntArray, output_bits: IntArray) -> IntArray:
    """One number for all that the layers of a place follow from, N x PLACES: channels that arrive do, too."""
    found = blocks
    for gene, size in enumerate(_VIRTUAL_SIZES):
        found = found * size + virtual[..., gene]
    return found * (max(BITS) + 1) + output_bits


def _renamed(template: Template, own: Mapping[int, int]) -> Template:
    """The template with virtual genes."""
    return Template(
        layers=template.layers,
        precision={name: own[gene] for name, gene in template.precision.items()},
        kept={name: own[gene] for name, gene in template.kept.items()},
        residual=None if template.residual is None else own[template.residual],
    )
