"""Layers of MBConv networks: stem, block with squeeze and excitation, head."""

from __future__ import annotations

from dataclasses import dataclass

from design.architecture import INPUT
from design.layer import Activation, Layer, Op, Role
from design.layers import Shape, conv, elementwise, fully_connected, global_pool
from design.spaces.mobilenet_genes import (
    EDGE,
    EXPANSIONS,
    FAMILIES,
    FILTERS,
    FIRST_KERNELS,
    GROUPS,
    HEAD,
    HEAD_FILTERS,
    OUT,
    PRECISION,
    RESIDUAL,
    SQUEEZES,
    STEM_FILTERS,
    WIDTHS,
    block_gene,
    stream_gene,
)
from design.spaces.mobilenet_skeletons import SKELETONS, Skeleton, divisible
from design.task import Task
from design.template import Template

Choices = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Block:
    """One MBConv block: kernel, expansion, groups, squeeze and excitation, stride, whether it adds its input."""

    skeleton: Skeleton
    shape: Shape
    filters: int
    kernel: int
    expansion: float
    groups: int
    squeezes: bool
    stride: int
    adds: bool
    activation: Activation


def stem_template(task: Task, choices: Choices) -> Template:
    """3x3 convolution, from family and width."""
    skeleton = SKELETONS[FAMILIES[choices[0]]]
    layer = conv(
        "conv",
        INPUT,
        task.input_shape,
        skeleton.stem_filters(WIDTHS[choices[1]]),
        stride=skeleton.task_strides(task)[0],
        activation=skeleton.stem_activation,
        role=Role.STEM,
    )
    return Template(layers=(layer,), precision={"conv": EDGE}, kept={"conv": STEM_FILTERS})


def block_template(task: Task, stage: int, block: int, choices: Choices) -> Template:
    """A block, from family, width, kernel, expansion, groups and squeeze."""
    family, width_choice, kernel, expansion, groups, squeeze = choices
    skeleton, width = SKELETONS[FAMILIES[family]], WIDTHS[width_choice]
    if stage >= skeleton.stages or (kernel == OUT and block):
        return Template()
    first = block == 0
    sides = skeleton.sides(task)
    height, wide = sides[stage] if first else sides[stage + 1]
    before = skeleton.stem_filters(width) if stage == 0 else skeleton.stage_filters(stage - 1, width)
    filters = skeleton.stage_filters(stage, width)
    joins = skeleton.joins_stem and stage == 0
    own = _Block(
        skeleton=skeleton,
        shape=(before if first else filters, height, wide),
        filters=filters,
        kernel=FIRST_KERNELS[kernel],
        expansion=EXPANSIONS[expansion],
        groups=GROUPS[groups] if skeleton.groups else 1,
        squeezes=SQUEEZES[squeeze] == 1,
        stride=skeleton.task_strides(task)[stage + 1] if first else 1,
        adds=not first or joins,
        activation=skeleton.activations[stage],
    )
    stream, reads = stream_gene(skeleton, stage), stream_gene(skeleton, stage - 1 if first else stage)
    precision = block_gene(stage, block, PRECISION)
    if kernel == OUT:
        if joins:
            return Template()
        layer = conv("conv", INPUT, own.shape, filters, kernel=1, stride=own.stride, activation=own.activation)
        return Template(layers=(layer,), precision={"conv": precision}, kept={"conv": stream})
    layers = _block_layers(own)
    expands = any(layer.name == "expand" for layer in layers)
    inner = block_gene(stage, block, FILTERS) if expands else reads
    kept = {"expand": inner, "gate": inner, "project": stream}
    names = {layer.name for layer in layers}
    return Template(
        layers=tuple(layers),
        precision={
            layer.name: EDGE if layer.name in ("squeeze", "gate") else precision for layer in layers if layer.weighted
        },
        kept={} if own.groups > 1 else {name: gene for name, gene in kept.items() if name in names},
        residual=RESIDUAL if own.adds else None,
    )


def _block_layers(own: _Block) -> list[Layer]:
    """Expansion, depthwise convolution, squeeze and excitation, projection, sum."""
    layers: list[Layer] = []
    inner = own.shape
    if own.expansion != 1 or own.skeleton.expands_always:
        channels = 2 * round(own.shape[0] * own.expansion / 2)
        layers.append(
            conv("expand", INPUT, own.shape, channels, kernel=1, groups=own.groups, activation=own.activation)
        )
        inner = layers[-1].out_shape
        if own.groups > 1:
            layers.append(
                elementwise("shuffle", ("expand",), inner, op=Op.OTHER).model_copy(update={"groups": own.groups})
            )
    layers.append(
        conv(
            "depthwise",
            layers[-1].name if layers else INPUT,
            inner,
            inner[0],
            kernel=own.kernel,
            stride=own.stride,
            groups=inner[0],
            activation=own.activation,
        )
    )
    inner = layers[-1].out_shape
    if own.squeezes:
        squeezed = own.shape[0] // 4 if own.skeleton.squeeze_input else divisible(inner[0] / 4)
        layers += [
            global_pool("pool", "depthwise", inner),
            fully_connected("squeeze", "pool", inner[0], squeezed, activation=Activation.RELU),
            fully_connected("gate", "squeeze", squeezed, inner[0], activation=own.skeleton.gate),
            elementwise("scale", ("depthwise", "gate"), inner, op=Op.MULTIPLY),
        ]
    layers.append(conv("project", layers[-1].name, inner, own.filters, kernel=1, groups=own.groups))
    if own.adds:
        layers.append(elementwise("add", ("project", INPUT), layers[-1].out_shape))
    return layers


def head_template(task: Task, choices: Choices) -> Template:
    """1x1 convolution, global average, a hidden layer where the family has one, classifier; from family and width."""
    skeleton, width = SKELETONS[FAMILIES[choices[0]]], WIDTHS[choices[1]]
    sides = skeleton.sides(task)[skeleton.stages]
    shape = (skeleton.stage_filters(skeleton.stages - 1, width), *sides)
    layers = [
        conv(
            "conv",
            INPUT,
            shape,
            skeleton.head_filters(width, task),
            kernel=1,
            activation=skeleton.stem_activation,
        )
    ]
    layers.append(global_pool("pool", "conv", layers[0].out_shape))
    precision, kept = {"conv": HEAD, "classifier": EDGE}, {"conv": HEAD_FILTERS}
    if skeleton.mix:
        mixed = divisible(skeleton.mix * max(1.0, width))
        layers.append(
            fully_connected("mix", "pool", layers[0].out_channels, mixed, activation=skeleton.stem_activation)
        )
        precision["mix"], kept["mix"] = HEAD, HEAD_FILTERS
    last = layers[-1]
    layers.append(fully_connected("classifier", last.name, last.out_channels, task.classes, role=Role.CLASSIFIER))
    return Template(layers=tuple(layers), precision=precision, kept=kept)
