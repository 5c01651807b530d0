"""Genes of the mobilenet space: where they stand, which of them have an effect, how many vectors there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.encoding import IntArray
from design.genes import Gene
from design.spaces.choices import (
    BODY_PRECISIONS,
    EDGE_PRECISIONS,
    FILTER_RATIOS,
    RESIDUAL_BITS,
    architecture_gene,
    filters_gene,
    precision_gene,
    residual_gene,
)
from design.spaces.mobilenet_skeletons import SKELETONS, STAGES, Skeleton

BLOCKS = 4
"""Most blocks of a stage."""
FAMILIES = tuple(SKELETONS)
WIDTHS = (1.4, 1.2, 1.0, 0.75, 0.5, 0.35, 0.25)
FIRST_KERNELS = (7, 5, 3, 1)
"""Of the first block of a stage; 1: instead of the block a 1x1 convolution, and nothing where the shape stays."""
KERNELS = (7, 5, 3, 0)
"""Of further blocks; 0: this block and those behind it are left out."""
OUT = 3
"""The last choice of a kernel: no MBConv block."""
EXPANSIONS = (6, 4, 3, 2.5, 2.3, 1)
GROUPS = (1, 2)
SQUEEZES = (1, 0)
SKELETON, WIDTH, EDGE, RESIDUAL, STEM_FILTERS, HEAD, HEAD_FILTERS = range(7)
STAGE_FILTERS = 7
KERNEL, EXPANSION, GROUP, SQUEEZE, PRECISION, FILTERS = range(6)
"""Genes of one block, from `block_gene` on."""
FIRST_BLOCK = STAGE_FILTERS + STAGES
GENES = FIRST_BLOCK + 6 * BLOCKS * STAGES


def block_gene(stage: int, block: int, which: int = KERNEL) -> int:
    """Where a gene of a block stands, stages and blocks counted from 0."""
    return FIRST_BLOCK + 6 * (BLOCKS * stage + block) + which


def stream_gene(skeleton: Skeleton, stage: int) -> int:
    """The gene of the filters of a stage's residual stream (-1: of the stem)."""
    return STEM_FILTERS if stage < 0 or (stage == 0 and skeleton.joins_stem) else STAGE_FILTERS + stage


def all_genes() -> tuple[Gene, ...]:
    """The genes, in the order of the vector; the same for all tasks."""
    genes = [
        architecture_gene("skeleton", FAMILIES),
        architecture_gene("width", WIDTHS),
        precision_gene("edge_precision", EDGE_PRECISIONS),
        residual_gene(),
        filters_gene("stem.filters"),
        precision_gene("head.precision"),
        filters_gene("head.filters"),
        *(filters_gene(f"stage{stage + 1}.filters") for stage in range(STAGES)),
    ]
    for stage in range(STAGES):
        for block in range(BLOCKS):
            name = f"stage{stage + 1}.block{block + 1}"
            genes += [
                architecture_gene(f"{name}.kernel", KERNELS if block else FIRST_KERNELS),
                architecture_gene(f"{name}.expansion", EXPANSIONS),
                architecture_gene(f"{name}.groups", GROUPS),
                architecture_gene(f"{name}.squeeze", SQUEEZES),
                precision_gene(f"{name}.precision"),
                filters_gene(f"{name}.filters"),
            ]
    return tuple(genes)


def canonical(genotypes: IntArray) -> IntArray:
    """N x G with genes that have no effect set to 0; a block that is left out has the last choice of kernel.

    Two groups keep the channels on both sides of a block's convolutions: its own filters and those of the residual
    streams that it reads and writes are not pruned in this space.
    """
    found = np.ascontiguousarray(genotypes.astype(np.uint8).T)  # G x N: the same gene of many networks in one piece
    blocks = found[FIRST_BLOCK:].reshape(STAGES, BLOCKS, 6, -1)
    families, own = [SKELETONS[name] for name in FAMILIES], found[SKELETON]
    joins = np.array([one.joins_stem for one in families])[own]
    exists = np.arange(STAGES)[:, None] < np.array([one.stages for one in families])[own]
    expands = np.array([one.expands_always for one in families])[own]
    grouped = np.array([one.groups for one in families])[own]
    kernels = blocks[:, :, KERNEL]
    present = kernels != OUT
    np.logical_and.accumulate(present[:, 1:], axis=1, out=present[:, 1:])
    present &= exists[:, None]
    pointwise = (kernels[:, 0] == OUT) & exists
    pointwise[0] &= ~joins
    np.copyto(kernels, OUT, where=~present)
    blocks[:, :, GROUP] *= grouped & present
    two = blocks[:, :, GROUP] == GROUPS.index(2)
    inner = expands | (blocks[:, :, EXPANSION] != EXPANSIONS.index(1))
    blocks[:, :, FILTERS] *= present & inner & ~two
    for gene in (EXPANSION, SQUEEZE):
        blocks[:, :, gene] *= present
    blocks[:, 1:, PRECISION] *= present[:, 1:]
    blocks[:, 0, PRECISION] *= present[:, 0] | pointwise
    _fix_streams(found, two, joins, exists)
    found[RESIDUAL] *= present[:, 1:].any(axis=(0, 1)) | (joins & present[0, 0])
    return np.ascontiguousarray(found.T).astype(np.int64)


def _fix_streams(
    found: NDArray[np.uint8], two: NDArray[np.bool_], joins: NDArray[np.bool_], exists: NDArray[np.bool_]
) -> None:
    """Set the genes of streams that a grouped convolution reads or writes to 0, in place; networks come last."""
    free = exists & ~two.any(axis=1)
    free[:-1] &= ~two[1:, 0]
    found[STEM_FILTERS] *= np.where(joins, free[0], ~two[0, 0])
    free[0] &= ~joins
    found[STAGE_FILTERS:FIRST_BLOCK] *= free


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many ways there are to choose one block, by what matters to its surroundings.

    Attributes:
        plain: Blocks without groups.
        grouped: Blocks with two groups.
        pointwise: 1x1 convolutions in place of a first block.
        ratios: Shares of a residual stream.
    """

    plain: int
    grouped: int
    pointwise: int
    ratios: int


def options(skeleton: Skeleton) -> Options:
    """The options of a family."""
    ratios = len(FILTER_RATIOS)
    alike = len(KERNELS[:OUT]) * len(SQUEEZES) * len(BODY_PRECISIONS)
    with_inner = len(EXPANSIONS) if skeleton.expands_always else len(EXPANSIONS) - 1
    return Options(
        plain=alike * (with_inner * ratios + len(EXPANSIONS) - with_inner),
        grouped=alike * len(EXPANSIONS) if skeleton.groups else 0,
        pointwise=len(BODY_PRECISIONS),
        ratios=ratios,
    )


def count_blocks(own: Options, stages: int, blocks: int, *, joins_stem: bool, additions: bool) -> int:
    """Ways to choose the blocks of all stages and the shares of all residual streams.

    Args:
        own: Ways to choose one block.
        stages: Number of stages.
        blocks: Most blocks of a stage.
        joins_stem: The stem shares the stream of the first stage, else it has one of its own.
        additions: Count all networks; False: only those without any addition.
    """
    longest = blocks if additions else 1
    any_tail = sum((own.plain + own.grouped) ** length for length in range(longest))
    clean_tail = sum(own.plain**length for length in range(longest))
    grouped_behind, free_behind = 0, 1  # ways from the stage behind on, by whether its first block has groups
    for stage in reversed(range(stages)):
        joined = joins_stem and stage == 0
        with_groups = 0 if joined and not additions else own.grouped
        plain = (0 if joined and not additions else own.plain) + (1 if joined else own.pointwise)
        grouped = with_groups * any_tail * (grouped_behind + free_behind)
        free = plain * (any_tail - clean_tail) * (grouped_behind + free_behind)
        free += plain * clean_tail * (own.ratios * free_behind + grouped_behind)
        grouped_behind, free_behind = grouped, free
    if joins_stem:
        return grouped_behind + free_behind
    return grouped_behind + own.ratios * free_behind


def size() -> int:
    """Number of distinct canonical genotypes."""
    total = 0
    for skeleton in SKELETONS.values():
        own = options(skeleton)
        every = count_blocks(own, skeleton.stages, BLOCKS, joins_stem=skeleton.joins_stem, additions=True)
        without = count_blocks(own, skeleton.stages, BLOCKS, joins_stem=skeleton.joins_stem, additions=False)
        total += len(RESIDUAL_BITS) * (every - without) + without
    return total * math.prod((len(WIDTHS), len(EDGE_PRECISIONS), len(BODY_PRECISIONS), len(FILTER_RATIOS)))
