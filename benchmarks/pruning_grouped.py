"""Grouped convolutions that filters are cut around: the ways in which users' models have them, none is in a space."""

from __future__ import annotations

from collections.abc import Sequence

from design.architecture import INPUT, Architecture
from design.layer import Activation, Layer, Op, Role
from design.layers import Shape, conv, elementwise, flatten, fully_connected, global_pool, pool

PICTURE: Shape = (3, 16, 16)
RELU = Activation.RELU


def _whole(middle: Sequence[Layer], stem: int) -> Architecture:
    """A stem of so many filters, layers that read it, a pool and a classifier."""
    first = conv("stem", INPUT, PICTURE, stem, activation=RELU, role=Role.STEM)
    last = middle[-1]
    layers = [first, *middle, global_pool("pool", last.name, last.out_shape)]
    layers.append(fully_connected("classifier", "pool", last.out_channels, 10, role=Role.CLASSIFIER))
    return Architecture(name="grouped", input_shape=PICTURE, layers=tuple(layers))


def chain() -> Architecture:
    """One grouped convolution behind the other, and one without a norm."""
    first = conv("first", "stem", (12, 16, 16), 12, groups=3, activation=RELU)
    second = conv("second", "first", first.out_shape, 18, groups=3, stride=2, activation=RELU)
    third = conv("third", "second", second.out_shape, 24, groups=3, batch_norm=False, bias=True)
    return _whole((first, second, third), 12)


def two_counts() -> Architecture:
    """Two in a row with other numbers of groups: what is between them has blocks for both."""
    first = conv("first", "stem", (16, 16, 16), 24, groups=2, activation=RELU)
    second = conv("second", "first", first.out_shape, 18, groups=3, stride=2, activation=RELU)
    return _whole((first, second), 16)


def _bottleneck(name: str, source: str, shape: Shape, inner: int, filters: int, stride: int) -> list[Layer]:
    """A ResNeXt block (arXiv 1611.05431): 1x1, 3x3 in four groups, 1x1, a sum with a shortcut."""
    reduce = conv(f"{name}.reduce", source, shape, inner, kernel=1, activation=RELU)
    middle = conv(f"{name}.middle", reduce.name, reduce.out_shape, inner, groups=4, stride=stride, activation=RELU)
    expand = conv(f"{name}.expand", middle.name, middle.out_shape, filters, kernel=1)
    layers = [reduce, middle, expand]
    beside = source
    if stride > 1 or filters != shape[0]:
        layers.append(conv(f"{name}.shortcut", source, shape, filters, kernel=1, stride=stride, role=Role.SHORTCUT))
        beside = layers[-1].name
    layers.append(elementwise(f"{name}.add", (expand.name, beside), expand.out_shape, activation=RELU))
    return layers


def resnext() -> Architecture:
    """Three blocks, the second with a shortcut of its own."""
    layers = _bottleneck("block1", "stem", (16, 16, 16), 16, 16, 1)
    layers += _bottleneck("block2", "block1.add", (16, 16, 16), 24, 32, 2)
    layers += _bottleneck("block3", "block2.add", (32, 8, 8), 24, 32, 1)
    return _whole(layers, 16)


def gates() -> Architecture:
    """A block of RegNetY (arXiv 2003.13678): what a grouped convolution writes is scaled by a gate."""
    middle = conv("middle", "stem", (16, 16, 16), 16, groups=4, activation=RELU)
    squeeze = global_pool("squeeze", "middle", middle.out_shape)
    down = fully_connected("down", "squeeze", 16, 6, activation=RELU)
    up = fully_connected("up", "down", 6, 16, activation=Activation.SIGMOID)
    scale = elementwise("scale", ("middle", "up"), middle.out_shape, op=Op.MULTIPLY)
    expand = conv("expand", "scale", middle.out_shape, 16, kernel=1)
    add = elementwise("add", ("expand", "stem"), expand.out_shape, activation=RELU)
    return _whole((middle, squeeze, down, up, scale, expand, add), 16)


def put_together() -> Architecture:
    """What two layers give side by side is read in four groups: two of them read the one, two the other."""
    left = conv("left", "stem", (8, 16, 16), 12, activation=RELU)
    right = conv("right", "stem", (8, 16, 16), 12, kernel=1, activation=RELU)
    both = Layer(
        name="both", op=Op.CONCAT, inputs=("left", "right"), in_channels=24, in_height=16, in_width=16,
        out_channels=24, out_height=16, out_width=16,
    )  # fmt: skip
    return _whole((left, right, both, conv("read", "both", both.out_shape, 16, groups=4, activation=RELU)), 8)


def streams() -> Architecture:
    """A residual stream that convolutions of two and of four groups read and write, beside a depthwise one."""
    first = conv("first", "stem", (16, 16, 16), 16, groups=4)
    added = elementwise("add1", ("first", "stem"), first.out_shape, activation=RELU)
    second = conv("second", "add1", first.out_shape, 16, groups=2, activation=RELU)
    depthwise = conv("depthwise", "second", second.out_shape, 16, groups=16)
    again = elementwise("add2", ("depthwise", "add1"), first.out_shape, activation=RELU)
    return _whole((first, added, second, depthwise, again), 16)


def view() -> Architecture:
    """A map of 2 x 2 positions, flattened and read in groups."""
    body = conv("body", "stem", (8, 16, 16), 12, activation=RELU)
    small = pool("small", "body", body.out_shape, kernel=8, stride=8)
    flat = flatten("flat", "small", small.out_shape)
    return _whole((body, small, flat, conv("read", "flat", flat.out_shape, 16, kernel=1, groups=4)), 8)


GROUPED: dict[str, Architecture] = {
    "grouped chain": chain(),
    "grouped resnext": resnext(),
    "grouped gates": gates(),
    "grouped by two and three": two_counts(),
    "grouped put together": put_together(),
    "grouped streams": streams(),
    "grouped view": view(),
}
"""Name -> architecture."""
