"""Networks that people know by name, at 32 bits and unpruned, for any task they are large enough for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from design.architecture import INPUT, Architecture
from design.binarynet import binarynet, perceptron
from design.design import Design
from design.errors import TaskTooSmall, UnknownName
from design.layer import Activation, Layer, Role
from design.layers import Shape, conv, elementwise, fully_connected, global_pool
from design.policies import full_precision
from design.spaces.resnet import ResNetSpace
from design.spaces.vgg import VggSpace
from design.task import Task, find_task

LARGE_SIDE = 64
"""MobileNets begin with strides made for ImageNet from this side on; below, the first two of five are 1."""
SMALLEST_SIDE = 16
_RESNET = ResNetSpace()
_VGG = VggSpace()


@dataclass(frozen=True, kw_only=True)
class NamedNetwork:
    """A network of the literature.

    Attributes:
        task: Name of the task it was published for.
        source: Where it is described.
        build: Task -> design.
    """

    name: str
    description: str
    task: str
    source: str
    build: Callable[[Task], Design]

    def design(self, task: Task | None = None) -> Design:
        """The network for a task (None: the one it was published for), 32 bits everywhere, nothing pruned.

        Raises:
            TaskTooSmall: The pictures are smaller than the network can take.
        """
        return self.build(task or find_task(self.task))


def find_network(name: str) -> NamedNetwork:
    """The network of that name.

    Raises:
        UnknownName: No such network.
    """
    if name not in NETWORKS:
        raise UnknownName(f"the network must be one of {', '.join(NETWORKS)}", repr(name))
    return NETWORKS[name]


def _member(space: ResNetSpace | VggSpace, choices: dict[str, Any], smallest: int, task: Task) -> Design:
    """The member of a space with these choices; every other gene at its first choice (most bits, all filters)."""
    _check_side(task, smallest)
    values = [gene.choices.index(choices[gene.name]) if gene.name in choices else 0 for gene in space.genes(task)]
    return space.decode(task, values)


def _check_side(task: Task, smallest: int) -> None:
    side = min(task.input_height, task.input_width)
    if side < smallest:
        raise TaskTooSmall(
            f"this network must have pictures of at least {smallest} x {smallest}",
            f"{task.input_height} x {task.input_width} of the task {task.name!r}",
            "Choose a shallower network.",
        )


def _whole(name: str, task: Task, layers: list[Layer]) -> Design:
    """A design of the layers, behind which global pool and classifier follow."""
    shape = layers[-1].out_shape
    layers = [
        *layers,
        global_pool("pool", layers[-1].name, shape),
        fully_connected("fc", "pool", shape[0], task.classes, role=Role.CLASSIFIER),
    ]
    architecture = Architecture(name=name, input_shape=task.input_shape, layers=tuple(layers))
    return Design(architecture=architecture, policy=full_precision(architecture))


def _strides(task: Task, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Published strides, the first two 1 for small pictures."""
    _check_side(task, SMALLEST_SIDE)
    if min(task.input_height, task.input_width) >= LARGE_SIDE:
        return strides
    twos = [index for index, stride in enumerate(strides) if stride == 2][:2]
    return tuple(1 if index in twos else stride for index, stride in enumerate(strides))


def _mobilenet_v1(task: Task) -> Design:
    filters = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    strides = _strides(task, (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1))
    relu = Activation.RELU
    layers = [conv("stem", INPUT, task.input_shape, filters[0], stride=strides[0], activation=relu, role=Role.STEM)]
    for index in range(1, len(filters)):
        shape = layers[-1].out_shape
        name = f"block{index}"
        depthwise = conv(
            f"{name}.depthwise",
            layers[-1].name,
            shape,
            shape[0],
            stride=strides[index],
            groups=shape[0],
            activation=relu,
        )
        pointwise = conv(
            f"{name}.pointwise", depthwise.name, depthwise.out_shape, filters[index], kernel=1, activation=relu
        )
        layers += [depthwise, pointwise]
    return _whole("MobileNetV1", task, layers)


def _mobilenet_v2(task: Task) -> Design:
    expansions, filters = (1, 6, 6, 6, 6, 6, 6), (16, 24, 32, 64, 96, 160, 320)
    repeats = (1, 2, 3, 4, 3, 3, 1)
    stem_stride, *strides = _strides(task, (2, 1, 2, 2, 2, 1, 2, 1))
    relu = Activation.RELU6
    layers = [conv("stem", INPUT, task.input_shape, 32, stride=stem_stride, activation=relu, role=Role.STEM)]
    for stage, repeat in enumerate(repeats):
        for block in range(repeat):
            layers += _inverted_residual(
                f"stage{stage + 1}.block{block + 1}",
                layers[-1].name,
                layers[-1].out_shape,
                filters[stage],
                expansions[stage],
                strides[stage] if block == 0 else 1,
            )
    layers.append(conv("features", layers[-1].name, layers[-1].out_shape, 1280, kernel=1, activation=relu))
    return _whole("MobileNetV2", task, layers)


def _inverted_residual(name: str, source: str, shape: Shape, filters: int, expansion: int, stride: int) -> list[Layer]:
    """Expand with a 1x1 convolution, 3x3 depthwise, project; the input is added where the shape stays."""
    relu = Activation.RELU6
    wide = shape[0] * expansion
    layers = []
    before, own = source, shape
    if expansion > 1:
        layers.append(conv(f"{name}.expand", source, shape, wide, kernel=1, activation=relu))
        before, own = layers[-1].name, layers[-1].out_shape
    layers.append(conv(f"{name}.depthwise", before, own, wide, stride=stride, groups=wide, activation=relu))
    layers.append(conv(f"{name}.project", layers[-1].name, layers[-1].out_shape, filters, kernel=1))
    out = layers[-1].out_shape
    if out == shape:
        layers.append(elementwise(f"{name}.add", (source, layers[-1].name), out))
    return layers


def _resnet(depth: int) -> NamedNetwork:
    four_stages = depth in (18, 34)
    blocks = "four stages of 64 to 512 filters" if four_stages else "three stages of 16 to 64 filters"
    return NamedNetwork(
        name=f"resnet{depth}",
        description=f"ResNet-{depth}: basic blocks in {blocks}, 1x1 convolutions where the shape changes",
        task="imagenet" if four_stages else "cifar10",
        source="He et al., arXiv 1512.03385",
        build=partial(_member, _RESNET, {"depth": depth, "width": 1}, 16 if four_stages else 8),
    )


def _vgg(depth: str) -> NamedNetwork:
    small = depth == "small"
    return NamedNetwork(
        name=f"vgg_{depth}" if small else f"vgg{depth}",
        description=(
            "VGG-small: six convolutions of 128 to 512 filters and one fully connected layer"
            if small
            else f"VGG-{depth}: 3x3 convolutions in five stages; on large pictures two hidden layers of 4,096"
        ),
        task="cifar10" if small else "imagenet",
        source="Zhang et al., arXiv 1807.10029" if small else "Simonyan and Zisserman, arXiv 1409.1556",
        build=partial(_member, _VGG, {"depth": depth, "hidden": 0}, 8 if small else 16),
    )


def _binarynet(task: Task) -> Design:
    _check_side(task, 8)
    architecture = binarynet(task)
    return Design(architecture=architecture, policy=full_precision(architecture))


def _perceptron(task: Task) -> Design:
    architecture = perceptron(task)
    return Design(architecture=architecture, policy=full_precision(architecture))


_FOUND = (
    *(_resnet(depth) for depth in (20, 32, 44, 56, 18, 34)),
    *(_vgg(depth) for depth in ("small", "11", "13", "16", "19")),
    NamedNetwork(
        name="mobilenet_v1",
        description="MobileNetV1: depthwise separable convolutions",
        task="imagenet",
        source="Howard et al., arXiv 1704.04861",
        build=_mobilenet_v1,
    ),
    NamedNetwork(
        name="mobilenet_v2",
        description="MobileNetV2: inverted residual blocks with linear bottlenecks",
        task="imagenet",
        source="Sandler et al., arXiv 1801.04381",
        build=_mobilenet_v2,
    ),
    NamedNetwork(
        name="binarynet",
        description="BinaryNet: six convolutions of 128 to 512 filters, two hidden layers of 1,024, norms throughout",
        task="cifar10",
        source="Courbariaux et al., arXiv 1602.02830",
        build=_binarynet,
    ),
    NamedNetwork(
        name="mlp",
        description="MLP: four hidden layers of 256 on all pixels, norms throughout",
        task="mnist",
        source="Wang et al., arXiv 2102.04270",
        build=_perceptron,
    ),
)
NETWORKS: dict[str, NamedNetwork] = {network.name: network for network in _FOUND}
"""All named networks."""
