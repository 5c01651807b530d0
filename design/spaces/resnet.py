"""ResNets of basic blocks: 20 to 56 layers for small pictures, 18 and 34 (He et al., arXiv 1512.03385).

Every convolution has a precision of its own, every block its inner filters, every stage the filters of its residual
stream. A stage change is a 1x1 convolution (option B of the paper) or, without parameters, every second position with
missing channels set to zero and surplus ones left out (option A).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from design.architecture import INPUT
from design.encoding import IntArray
from design.genes import Gene
from design.layer import Activation, Layer, Op, Role
from design.layers import Shape, conv, elementwise, fully_connected, global_pool, out_side, pool
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

BLOCKS: dict[int, tuple[int, ...]] = {
    34: (3, 4, 6, 3),
    18: (2, 2, 2, 2),
    **{depth: ((depth - 2) // 6,) * 3 for depth in (56, 50, 44, 38, 32, 26, 20)},
}
"""Depth -> blocks of each stage."""
WIDTHS = (4, 2, 1.5, 1, 0.75, 0.5)
LARGE_WIDTHS = (2, 1.5, 1, 0.75, 0.5)
SHORTCUTS = ("projection", "pad")
LARGE_SIDE = 64
"""From this side on: 7x7 stem with stride 2, max pool, four stages; below: 3x3 stem at full resolution."""
FOUR_STAGES_SIDE = 16
"""Smallest side for the four stages of ResNet-18 and -34 (the last map is 2 x 2)."""
DEPTH, WIDTH, SHORTCUT, SHORTCUT_PRECISION, EDGE, RESIDUAL = range(6)


class _BlockGenes(NamedTuple):
    """Where the genes of one block stand in the vector."""

    conv1: int
    conv2: int
    filters: int


class _Plan:
    """Genes of a task's layout, in order, and where those of stages and blocks stand."""

    def __init__(self, task: Task) -> None:
        side = min(task.input_height, task.input_width)
        self.large = side >= LARGE_SIDE
        self.depths = tuple(
            depth
            for depth, blocks in BLOCKS.items()
            if (len(blocks) == 4 and side >= FOUR_STAGES_SIDE) or (len(blocks) == 3 and not self.large)
        )
        self.widths: tuple[float, ...] = LARGE_WIDTHS if self.large else WIDTHS
        most = [max(_blocks(depth, stage) for depth in self.depths) for stage in range(4)]
        self.genes = [
            architecture_gene("depth", self.depths),
            architecture_gene("width", self.widths),
            architecture_gene("shortcut", SHORTCUTS),
            precision_gene("shortcut_precision", SHORTCUT_PRECISIONS),
            precision_gene("edge_precision", EDGE_PRECISIONS),
            residual_gene(),
        ]
        self.stage_filters: list[int] = []
        for stage in range(sum(number > 0 for number in most)):
            self.stage_filters.append(len(self.genes))
            self.genes.append(filters_gene(f"stage{stage + 1}.filters"))
        self.blocks: dict[tuple[int, int], _BlockGenes] = {}
        for stage, number in enumerate(most):
            for block in range(number):
                name = f"stage{stage + 1}.block{block + 1}"
                first = len(self.genes)
                self.blocks[stage, block] = _BlockGenes(first, first + 1, first + 2)
                self.genes += [precision_gene(f"{name}.conv1"), precision_gene(f"{name}.conv2")]
                self.genes.append(filters_gene(f"{name}.filters"))

    def activity(self) -> Activity:
        """Blocks beyond the depth and the precision of absent 1x1 convolutions have no effect."""
        by_depth = np.ones((len(self.depths), len(self.genes)), dtype=np.bool_)
        for row, depth in enumerate(self.depths):
            for stage, gene in enumerate(self.stage_filters):
                by_depth[row, gene] = _blocks(depth, stage) > 0
            for (stage, block), genes in self.blocks.items():
                by_depth[row, list(genes)] = block < _blocks(depth, stage)
        by_shortcut = np.ones((len(SHORTCUTS), len(self.genes)), dtype=np.bool_)
        by_shortcut[SHORTCUTS.index("pad"), SHORTCUT_PRECISION] = False
        return Activity([len(gene.choices) for gene in self.genes], {DEPTH: by_depth, SHORTCUT: by_shortcut})


class ResNetSpace(TemplateSpace):
    """Residual networks of basic blocks with a precision for every convolution."""

    name = "resnet"
    description = "ResNet-20 to -56 and ResNet-18/34: depth, width, shortcuts, bits and filters of every block"
    minimum_side = 8

    def __init__(self) -> None:
        super().__init__()
        self._activities: dict[Task, Activity] = {}

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[TemplateSlot, ...]]:
        """See GeneSpace."""
        plan = _Plan(task)
        self._activities[task] = plan.activity()
        slots = [TemplateSlot(name="stem", genes=(DEPTH, WIDTH), build=partial(_stem, plan, task))]
        for stage, block in plan.blocks:
            genes = (DEPTH, WIDTH, SHORTCUT) if block == 0 and stage > 0 else (DEPTH, WIDTH)
            build = partial(_block, plan, task, stage, block)
            slots.append(TemplateSlot(name=f"stage{stage + 1}.block{block + 1}", genes=genes, build=build))
        slots.append(TemplateSlot(name="head", genes=(DEPTH, WIDTH), build=partial(_head, plan, task)))
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
        return f"ResNet-{depth}" + ("" if width == 1 else f" x{width:g}")


def _blocks(depth: int, stage: int) -> int:
    """Blocks of a stage (counted from 0), 0 where the network has fewer stages."""
    return BLOCKS[depth][stage] if stage < len(BLOCKS[depth]) else 0


def _map(plan: _Plan, task: Task, choices: tuple[int, ...], stage: int) -> Shape:
    """C x H x W behind a stage (-1: the stem) before pruning."""
    depth, width = plan.depths[choices[0]], plan.widths[choices[1]]
    base = 64 if len(BLOCKS[depth]) == 4 else 16
    sides = [task.input_height, task.input_width]
    for _ in range(max(stage, 0) + (2 if plan.large else 0)):
        sides = [out_side(side, 3, 2, 1) for side in sides]
    return (int(base * width) << max(stage, 0), sides[0], sides[1])


def _stem(plan: _Plan, task: Task, choices: tuple[int, ...]) -> Template:
    filters = _map(plan, task, choices, -1)[0]
    kernel, stride = (7, 2) if plan.large else (3, 1)
    first = conv(
        "conv",
        INPUT,
        task.input_shape,
        filters,
        kernel=kernel,
        stride=stride,
        activation=Activation.RELU,
        role=Role.STEM,
    )
    layers: tuple[Layer, ...] = (first,)
    if plan.large:
        layers = (first, pool("pool", "conv", first.out_shape, kernel=3, stride=2, padding=1))
    return Template(layers=layers, precision={"conv": EDGE}, kept={"conv": plan.stage_filters[0]})


def _block(plan: _Plan, task: Task, stage: int, block: int, choices: tuple[int, ...]) -> Template:
    if block >= _blocks(plan.depths[choices[0]], stage):
        return Template()
    own, filters = plan.blocks[stage, block], plan.stage_filters[stage]
    changes = block == 0 and stage > 0
    shape = _map(plan, task, choices, stage - 1 if changes else stage)
    out = _map(plan, task, choices, stage)
    stride = 2 if changes else 1
    layers = [
        conv("conv1", INPUT, shape, out[0], stride=stride, activation=Activation.RELU),
        conv("conv2", "conv1", out, out[0]),
    ]
    precision = {"conv1": own.conv1, "conv2": own.conv2}
    kept = {"conv1": own.filters, "conv2": filters}
    beside = INPUT
    if changes:
        beside = "shortcut"
        if SHORTCUTS[choices[2]] == "projection":
            layers.append(conv("shortcut", INPUT, shape, out[0], kernel=1, stride=stride, role=Role.SHORTCUT))
            precision["shortcut"] = SHORTCUT_PRECISION
            kept["shortcut"] = filters
        else:
            layers.append(_pad(shape, out))
    layers.append(elementwise("add", ("conv2", beside), out, activation=Activation.RELU))
    return Template(layers=tuple(layers), precision=precision, kept=kept, residual=RESIDUAL)


def _pad(shape: Shape, out: Shape) -> Layer:
    """Every second position, the missing channels zero (option A)."""
    return Layer(
        name="shortcut",
        op=Op.PAD,
        inputs=(INPUT,),
        in_channels=shape[0],
        in_height=shape[1],
        in_width=shape[2],
        out_channels=out[0],
        out_height=out[1],
        out_width=out[2],
        stride=2,
        role=Role.SHORTCUT,
    )


def _head(plan: _Plan, task: Task, choices: tuple[int, ...]) -> Template:
    shape = _map(plan, task, choices, len(BLOCKS[plan.depths[choices[0]]]) - 1)
    return Template(
        layers=(
            global_pool("pool", INPUT, shape),
            fully_connected("fc", "pool", shape[0], task.classes, role=Role.CLASSIFIER),
        ),
        precision={"fc": EDGE},
    )
