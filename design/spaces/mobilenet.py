"""MobileNets: stacks of MBConv blocks, wide enough for MobileNetV2 and V3, once-for-all, MnasNet and FBNet networks.

A family (skeleton) gives widths, strides, activations and head; each of up to 28 blocks chooses kernel, expansion,
groups, squeeze and excitation, precision and inner filters; each stage the filters of its residual stream. The two
small layers of squeeze and excitation have the precision of the edge.
"""

from __future__ import annotations

from functools import partial
from threading import Lock

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.genes import Gene
from design.populations import of_blocks
from design.spaces import mobilenet_genes
from design.spaces.mobilenet_blocks import block_template, head_template, stem_template
from design.spaces.mobilenet_genes import (
    BLOCKS,
    EXPANSION,
    FAMILIES,
    GROUP,
    KERNEL,
    SKELETON,
    SQUEEZE,
    WIDTH,
    WIDTHS,
    all_genes,
    block_gene,
)
from design.spaces.mobilenet_rows import TaskRows
from design.spaces.mobilenet_skeletons import SMALLEST_LAST_SIDE, STAGES
from design.spaces.mobilenet_tables import mobilenet_v2, mobilenet_v3_large
from design.task import Task
from design.template import TemplateSlot
from design.templates import TemplateSpace

TITLES = {"mobilenet_v3": "MobileNetV3", "mobilenet_v2": "MobileNetV2", "mnasnet": "MnasNet", "fbnet": "FBNet"}


class MobileNetSpace(TemplateSpace):
    """MBConv networks with a precision for every block."""

    name = "mobilenet"
    description = "MBConv stacks: family, width, kernel, expansion, groups, squeeze, bits and filters of every block"
    minimum_side = SMALLEST_LAST_SIDE

    def __init__(self) -> None:
        super().__init__()
        self._task_rows: dict[Task, TaskRows] = {}
        self._task_lock = Lock()

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[TemplateSlot, ...]]:
        """See GeneSpace."""
        slots = [TemplateSlot(name="stem", genes=(SKELETON, WIDTH), build=partial(stem_template, task))]
        for stage in range(STAGES):
            for block in range(BLOCKS):
                own = tuple(block_gene(stage, block, which) for which in (KERNEL, EXPANSION, GROUP, SQUEEZE))
                slots.append(
                    TemplateSlot(
                        name=f"stage{stage + 1}.block{block + 1}",
                        genes=(SKELETON, WIDTH, *own),
                        build=partial(block_template, task, stage, block),
                    )
                )
        slots.append(TemplateSlot(name="head", genes=(SKELETON, WIDTH), build=partial(head_template, task)))
        return all_genes(), tuple(slots)

    def canonical(self, task: Task, genotypes: IntArray) -> IntArray:
        """See Space."""
        return mobilenet_genes.canonical(self._checked(task, genotypes))

    def size(self, task: Task) -> int:
        """See Space."""
        self.genes(task)
        return mobilenet_genes.size()

    def rows(self, task: Task, genotypes: IntArray) -> EncodedDesigns:
        """See Space."""
        values = self.canonical(task, genotypes)
        with self._task_lock:
            if task not in self._task_rows:
                self._task_rows[task] = TaskRows(task)
            rows, blocks, peaks = self._task_rows[task].encode(values)
        return of_blocks(rows, blocks, peaks, values, self.name)

    def title(self, task: Task, values: IntArray) -> str:
        """See GeneSpace."""
        del task
        width = WIDTHS[values[WIDTH]]
        return TITLES[FAMILIES[values[SKELETON]]] + ("" if width == 1 else f" x{width:g}")

    def mobilenet_v2(self, task: Task, width: float = 1.0) -> IntArray:
        """MobileNetV2 at 32 bits, G (Sandler et al., arXiv 1801.04381)."""
        return np.asarray(self.canonical(task, mobilenet_v2(width)[None])[0])

    def mobilenet_v3_large(self, task: Task, width: float = 1.0) -> IntArray:
        """MobileNetV3-large at 32 bits, G (Howard et al., arXiv 1905.02244)."""
        return np.asarray(self.canonical(task, mobilenet_v3_large(width)[None])[0])
