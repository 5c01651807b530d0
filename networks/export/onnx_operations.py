"""Nodes of the operations of a network that have no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from design.layer import Layer
from networks import operations
from networks.errors import UnsupportedLayer
from networks.export.graph import Graph
from networks.layers import Norm
from networks.pad import Pad

_FAR = 2**31 - 1


def weightless(graph: Graph, operation: nn.Module, layer: Layer, sources: Sequence[str], output: str) -> str:
    """An operation without weights, sums excepted.

    Args:
        graph: Where.
        operation: Of a unit.
        layer: What it does; the node that does the work is called after it.
        sources: What it reads.
        output: What it computes.

    Raises:
        UnsupportedLayer: An operation that is not known.
    """
    first, name = sources[0], layer.name
    if isinstance(operation, operations.Pass):
        return graph.node("Identity", [first], output, name=name)
    if isinstance(operation, operations.Concat):
        return graph.node("Concat", sources, output, name=name, axis=1)
    if isinstance(operation, operations.Product):
        return folded_left(graph, "Mul", sources, output, name)
    if isinstance(operation, operations.Flatten):
        flat = graph.node("Flatten", [first], f"{output}/flat", axis=1)
        return reshaped(graph, flat, output, (0, layer.out_channels, 1, 1), name)
    if isinstance(operation, operations.GlobalAverage):
        return graph.node("GlobalAveragePool", [first], output, name=name)
    if isinstance(operation, operations.Softmax):
        return graph.node("Softmax", [first], output, name=name, axis=1)
    if isinstance(operation, operations.Zeros):
        return graph.node("Sub", [first, first], output, name=name)
    if isinstance(operation, Pad):
        return _pad(graph, operation, layer, first, output)
    if isinstance(operation, operations.Shuffle):
        return _shuffle(graph, operation, layer, first, output)
    if isinstance(operation, operations.Resize):
        return _resize(graph, operation, first, output, name)
    if isinstance(operation, nn.MaxPool2d | nn.AvgPool2d):
        return _pool(graph, operation, first, output, name)
    raise UnsupportedLayer(f"layer {name!r} must be an operation that can be exported", f"a {type(operation).__name__}")


def folded_left(graph: Graph, op: str, sources: Sequence[str], output: str, name: str) -> str:
    """A binary operator over several values, from left to right."""
    total = sources[0]
    for place, other in enumerate(sources[1:], 1):
        last = place == len(sources) - 1
        total = graph.node(op, [total, other], output if last else f"{output}/{place}", name=name if last else "")
    return total


def scaled_and_shifted(graph: Graph, norm: nn.Module, source: str, output: str) -> str:
    """A norm that cannot be folded into weights: its scale and shift per channel."""
    assert isinstance(norm, Norm)
    scale, shift = (value.detach().cpu().numpy() for value in norm.folded())
    names = [
        graph.constant(f"{output}/{part}", value)
        for part, value in (
            ("norm_scale", scale),
            ("norm_shift", shift),
            ("norm_mean", np.zeros_like(scale)),
            ("norm_variance", np.ones_like(scale)),
        )
    ]
    return graph.node("BatchNormalization", [source, *names], output, epsilon=0.0)


def reshaped(graph: Graph, source: str, output: str, shape: Sequence[int], name: str = "") -> str:
    """Another view of the elements; 0 keeps the axis, -1 takes the rest."""
    target = graph.constant(f"{output}/shape", np.asarray(shape, dtype=np.int64))
    return graph.node("Reshape", [source, target], output, name=name)


def _pad(graph: Graph, operation: Pad, layer: Layer, source: str, output: str) -> str:
    """Every `stride`-th position, the channels that are used, zeros before, behind and around.

    Channels that follow each other are a slice; others are gathered, zeros from one channel more behind them.
    """
    stride, border = operation.stride, operation.border
    first, last, before = _run(operation.channel_sources)
    gathered = before is None
    slices = {
        "starts": [0 if gathered else first, 0, 0],
        "ends": [layer.in_channels if gathered else last + 1, _FAR, _FAR],
        "axes": [1, 2, 3],
        "steps": [1, stride, stride],
    }
    names = [graph.constant(f"{output}/{key}", np.asarray(value, dtype=np.int64)) for key, value in slices.items()]
    value = graph.node("Slice", [source, *names], f"{output}/sliced")
    behind = 1 if before is None else operation.channels - before - (last + 1 - first)
    pads = np.asarray([0, before or 0, border, border, 0, behind, border, border], dtype=np.int64)
    padded = [value, graph.constant(f"{output}/pads", pads)]
    if not gathered:
        return graph.node("Pad", padded, output, name=layer.name)
    value = graph.node("Pad", padded, f"{output}/padded")
    places = np.asarray(operation.channel_sources, dtype=np.int64)
    places[places < 0] = layer.in_channels
    chosen = graph.constant(f"{output}/channels", places)
    return graph.node("Gather", [value, chosen], output, name=layer.name, axis=1)


def _run(sources: Sequence[int]) -> tuple[int, int, int | None]:
    """First and last channel of the one run that is read, and zeros before it; None where it is not one run."""
    read = [(place, channel) for place, channel in enumerate(sources) if channel >= 0]
    if not read:
        return 0, -1, None
    (place, first), (_, last) = read[0], read[-1]
    whole = [channel for _, channel in read] == list(range(first, last + 1))
    together = [own for own, _ in read] == list(range(place, place + len(read)))
    return first, last, place if whole and together else None


def _shuffle(graph: Graph, operation: operations.Shuffle, layer: Layer, source: str, output: str) -> str:
    """Channels seen as groups x members, exchanged."""
    channels, height, width = layer.in_shape
    groups = operation.groups
    apart = reshaped(graph, source, f"{output}/apart", (0, groups, channels // groups, height, width))
    turned = graph.node("Transpose", [apart], f"{output}/turned", name=layer.name, perm=[0, 2, 1, 3, 4])
    return reshaped(graph, turned, output, (0, channels, height, width))


def _resize(graph: Graph, operation: operations.Resize, source: str, output: str, name: str) -> str:
    sizes = graph.constant(f"{output}/sizes", np.asarray(operation.size, dtype=np.int64))
    return graph.node(
        "Resize",
        [source, "", "", sizes],
        output,
        name=name,
        axes=[2, 3],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _pool(graph: Graph, operation: nn.MaxPool2d | nn.AvgPool2d, source: str, output: str, name: str) -> str:
    rows, columns = _pair(operation.padding)
    common = {
        "kernel_shape": list(_pair(operation.kernel_size)),
        "strides": list(_pair(operation.stride)),
        "pads": [rows, columns, rows, columns],
        "ceil_mode": int(operation.ceil_mode),
    }
    if isinstance(operation, nn.AvgPool2d):
        return graph.node("AveragePool", [source], output, name=name, count_include_pad=0, **common)
    return graph.node("MaxPool", [source], output, name=name, dilations=list(_pair(operation.dilation)), **common)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
