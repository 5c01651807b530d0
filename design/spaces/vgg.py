"""VGG networks: 11 to 19 layers (Simonyan and Zisserman, arXiv 1409.1556) and the small VGG of binary-network papers.

Small pictures: batch norm behind every convolution, one fully connected layer, optionally a hidden one before it.
Large pictures: biases, two hidden layers of 4,096, as in the original (batch norm as a choice). Optional 1x1 shortcuts
bypass the first convolution of every stage that changes the number of channels (see arXiv 1902.00460).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from design.architecture import INPUT
from design.encoding import IntArray
from design.genes import Gene
from design.layer import Activation, Layer, Op, Role
from design.layers import Shape, conv, elementwise, flatten, fully_connected, pool
from design.spaces.activity import Activity
from design.spaces.choices import (
    EDGE_PRECISIONS,
    SHORTCUT_PRECISIONS,
    architecture_gene,
    filters_gene,
    precision_gene,
    residual_gene,
)
from design.task import Task
from design.template import Template, TemplateSlot
from design.templates import TemplateSpace

STAGES: dict[str, tuple[int, ...]] = {
    "19": (2, 2, 4, 4, 4),
    "16": (2, 2, 3, 3, 3),
    "13": (2, 2, 2, 2, 2),
    "11": (1, 1, 2, 2, 2),
    "small": (2, 2, 2),
}
"""Depth -> convolutions of each stage."""
FILTERS = {"small": (128, 256, 512)}
DEEP_FILTERS = (64, 128, 256, 512, 512)
WIDTHS = (1, 0.75, 0.5, 0.25)
SHORTCUTS = ("none", "projection")
LARGE_SIDE = 64
"""From this side on: the original's biases and hidden layers; below: batch norms."""
FIVE_STAGES_SIDE = 16
"""Smallest side for VGG-11 to -19; a stage whose map is a single position is not pooled further."""
HIDDEN = (1024, 512, 0)
"""Features of the hidden layer for small pictures; 0: none."""
LARGE_HIDDEN = 4096
POOLED_SIDE = 7
"""Large maps are averaged down to about this side before the hidden layers."""
DEPTH, WIDTH, SHORTCUT, HEAD, SHORTCUT_PRECISION, EDGE, RESIDUAL = range(7)
"""HEAD: `hidden` for small pictures, `batch_norm` for large ones."""


class _Plan:
    """Genes of a task's layout, in order, and where those of layers stand."""

    def __init__(self, task: Task) -> None:
        side = min(task.input_height, task.input_width)
        self.large = side >= LARGE_SIDE
        self.depths = tuple(
            depth
            for depth, stages in STAGES.items()
            if (len(stages) == 5 and side >= FIVE_STAGES_SIDE) or (len(stages) == 3 and not self.large)
        )
        head = architecture_gene("batch_norm", (False, True)) if self.large else architecture_gene("hidden", HIDDEN)
        self.genes = [
            architecture_gene("depth", self.depths),
            architecture_gene("width", WIDTHS),
            architecture_gene("shortcut", SHORTCUTS),
            head,
            precision_gene("shortcut_precision", SHORTCUT_PRECISIONS),
            precision_gene("edge_precision", EDGE_PRECISIONS),
            residual_gene(),
        ]
        self.convolutions: dict[tuple[int, int], tuple[int, int]] = {}
        for stage in range(max(len(STAGES[depth]) for depth in self.depths)):
            for index in range(max(self.convs(row, stage) for row in range(len(self.depths)))):
                self.convolutions[stage, index] = self._layer(f"stage{stage + 1}.conv{index + 1}", stage + index > 0)
        self.hidden = [self._layer(f"head.hidden{n + 1}", True) for n in range(2 if self.large else 1)]

    def _layer(self, name: str, own_precision: bool) -> tuple[int, int]:
        """Genes of a layer's precision (the first convolution's is EDGE) and filters."""
        place = EDGE
        if own_precision:
            place = len(self.genes)
            self.genes.append(precision_gene(name))
        self.genes.append(filters_gene(f"{name}.filters"))
        return place, len(self.genes) - 1

    def convs(self, depth: int, stage: int) -> int:
        """Convolutions of a stage for a choice of DEPTH, 0 where there is no such stage."""
        stages = STAGES[self.depths[depth]]
        return stages[stage] if stage < len(stages) else 0

    def filters(self, choices: tuple[int, ...], stage: int) -> int:
        """Filters of a stage for choices of DEPTH and WIDTH."""
        depth = self.depths[choices[0]]
        return int(FILTERS.get(depth, DEEP_FILTERS)[stage] * WIDTHS[choices[1]])

    def activity(self) -> Activity:
        """Absent convolutions, shortcuts and hidden layers leave their genes without effect."""
        everything = len(self.genes)
        by_depth = np.ones((len(self.depths), everything), dtype=np.bool_)
        for row in range(len(self.depths)):
            for (stage, index), genes in self.convolutions.items():
                if index >= self.convs(row, stage):
                    by_depth[row, list(genes)] = False
        by_shortcut = np.ones((len(SHORTCUTS), everything), dtype=np.bool_)
        by_shortcut[SHORTCUTS.index("none"), [SHORTCUT_PRECISION, RESIDUAL]] = False
        switches = {DEPTH: by_depth, SHORTCUT: by_shortcut}
        if not self.large:
            by_hidden = np.ones((len(HIDDEN), everything), dtype=np.bool_)
            by_hidden[HIDDEN.index(0), list(self.hidden[0])] = False
            switches[HEAD] = by_hidden
        return Activity([len(gene.choices) for gene in self.genes], switches)


class VggSpace(TemplateSpace):
    """Plain convolutional networks with a precision and a number of filters for every layer."""

    name = "vgg"
    description = "VGG-small and VGG-11 to -19: depth, width, optional 1x1 shortcuts, bits and filters of every layer"
    minimum_side = 8

    def __init__(self) -> None:
        super().__init__()
        self._activities: dict[Task, Activity] = {}

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[TemplateSlot, ...]]:
        """See GeneSpace."""
        plan = _Plan(task)
        self._activities[task] = plan.activity()
        genes = (DEPTH, WIDTH, SHORTCUT, HEAD)
        slots = [
            TemplateSlot(name=f"stage{stage + 1}", genes=genes, build=partial(_convolution, plan, task, stage, index))
            for stage, index in plan.convolutions
        ]
        slots.append(TemplateSlot(name="head", genes=genes, build=partial(_head, plan, task)))
        return tuple(plan.genes), tuple(slots)

    def canonical(self, task: Task, genotypes: IntArray) -> IntArray:
        """See Space."""
        checked = self._checked(task, genotypes)
        return self._activities[task].canonical(checked)

    def size(self, task: Task) -> int:
        """See Space."""
        self._layout(task)
        return self._activities[task].size()

    def title(self, task: Task, values: IntArray) -> str:
        """See GeneSpace."""
        depth, width = (self.genes(task)[gene].choices[values[gene]] for gene in (DEPTH, WIDTH))
        return f"VGG-{depth}" + ("" if width == 1 else f" x{width:g}")


def _map(plan: _Plan, task: Task, choices: tuple[int, ...], stage: int) -> Shape:
    """C x H x W behind a stage and its pool (-1: the picture) before pruning."""
    height, width = task.input_height, task.input_width
    for _ in range(stage + 1):
        if min(height, width) > 1:
            height, width = height // 2, width // 2
    return (plan.filters(choices, stage) if stage >= 0 else task.input_channels, height, width)


def _convolution(plan: _Plan, task: Task, stage: int, index: int, choices: tuple[int, ...]) -> Template:
    """One convolution, with the shortcut around it and the pool behind it where they belong."""
    if index >= plan.convs(choices[0], stage):
        return Template()
    before = _map(plan, task, choices, stage - 1)
    filters = plan.filters(choices, stage)
    shape = before if index == 0 else (filters, before[1], before[2])
    bare = plan.large and choices[3] == 0
    bypassed = SHORTCUTS[choices[2]] == "projection" and index == 0 and stage > 0 and before[0] != filters
    name = f"conv{index + 1}"
    own, kept_gene = plan.convolutions[stage, index]
    relu = Activation.NONE if bypassed else Activation.RELU
    role = Role.STEM if stage + index == 0 else Role.BODY
    layers: list[Layer] = [
        conv(name, INPUT, shape, filters, bias=bare, batch_norm=not bare, activation=relu, role=role)
    ]
    precision, kept = {name: own}, {name: kept_gene}
    if bypassed:
        beside = conv("shortcut", INPUT, shape, filters, kernel=1, bias=bare, batch_norm=not bare, role=Role.SHORTCUT)
        layers += [beside, elementwise("add", (name, "shortcut"), beside.out_shape, activation=Activation.RELU)]
        precision["shortcut"], kept["shortcut"] = SHORTCUT_PRECISION, kept_gene
    if index + 1 == plan.convs(choices[0], stage) and min(before[1:]) > 1:
        layers.append(pool("pool", layers[-1].name, layers[-1].out_shape, kernel=2, stride=2))
    return Template(layers=tuple(layers), precision=precision, kept=kept, residual=RESIDUAL if bypassed else None)


def _head(plan: _Plan, task: Task, choices: tuple[int, ...]) -> Template:
    shape = _map(plan, task, choices, len(STAGES[plan.depths[choices[0]]]) - 1)
    layers: list[Layer] = []
    before = INPUT
    step = min(shape[1:]) // POOLED_SIDE
    if plan.large and step > 1:
        layers.append(pool("pool", before, shape, op=Op.POOL_AVERAGE, kernel=step, stride=step))
        before, shape = "pool", layers[-1].out_shape
    if shape[1:] != (1, 1):
        layers.append(flatten("flatten", before, shape))
        before, shape = "flatten", layers[-1].out_shape
    sizes = (LARGE_HIDDEN, LARGE_HIDDEN) if plan.large else tuple(n for n in (HIDDEN[choices[3]],) if n)
    bare = plan.large and choices[3] == 0
    features = shape[0]
    precision, kept = {"fc": EDGE}, {}
    for number, (size, genes) in enumerate(zip(sizes, plan.hidden, strict=False)):
        name = f"hidden{number + 1}"
        layers.append(
            fully_connected(name, before, features, size, bias=bare, batch_norm=not bare, activation=Activation.RELU)
        )
        precision[name], kept[name] = genes
        before, features = name, size
    layers.append(fully_connected("fc", before, features, task.classes, role=Role.CLASSIFIER))
    return Template(layers=tuple(layers), precision=precision, kept=kept)
