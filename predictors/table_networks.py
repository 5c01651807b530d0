"""Table networks: the networks of the measured tables layer by layer, as encoded designs in float32.

FBNet's CIFAR form follows the layout of the table (Wu et al., arXiv 1812.03443; stem 16, head 1504), Once-for-all its
MobileNetV3 form (Cai et al., arXiv 1908.09791), the cells of NAS-Bench-201 the space of that name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray, RowTable, layer_rows
from design.layer import Activation, Layer, Op
from design.layers import Shape, conv, elementwise, flatten, fully_connected, global_pool
from design.precision import precision
from design.spaces.registry import find_space
from design.task import find_task
from predictors.block_features import (
    FBNET_CHANNELS,
    FBNET_OPERATIONS,
    FBNET_SIDE,
    FBNET_STRIDES,
    OFA_CHANNELS,
    OFA_STRIDES,
)

FBNET_STEM, FBNET_HEAD, FBNET_CLASSES = 16, 1504, 100
OFA_FIRST, OFA_LAST, OFA_MIX, OFA_CLASSES = 16, 960, 1280, 1000
OFA_SQUEEZED = (False, True, False, True, True)
_RELU, _NONE = Activation.RELU, Activation.NONE


class _Chain:
    """Layers one after another."""

    def __init__(self, shape: Shape) -> None:
        self.layers: list[Layer] = []
        self.shape, self.last = shape, "input"

    def add(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.shape, self.last = layer.out_shape, layer.name

    def conv(
        self, filters: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, activation: Activation = _RELU
    ) -> None:
        name = f"layer{len(self.layers)}"
        made = conv(
            name, self.last, self.shape, filters, kernel=kernel, stride=stride, groups=groups, activation=activation
        )
        self.add(made)

    def plain(self, op: Op, *sources: str) -> None:
        self.add(elementwise(f"layer{len(self.layers)}", sources or (self.last,), self.shape, op=op))

    def head(self, classes: int) -> None:
        """Classifier on C x 1 x 1."""
        self.add(flatten(f"layer{len(self.layers)}", self.last, self.shape))
        self.add(fully_connected(f"layer{len(self.layers)}", self.last, self.shape[0], classes))

    def pool(self) -> None:
        self.add(global_pool(f"layer{len(self.layers)}", self.last, self.shape))

    def block(
        self,
        filters: int,
        *,
        kernel: int,
        expansion: int,
        stride: int,
        groups: int = 1,
        squeezed: bool = False,
        always: bool = False,
    ) -> None:
        """Inverted residual: expand, depthwise, (squeeze and excite,) project, add where the shapes agree.

        `always`: a 1x1 convolution comes first even where nothing expands.
        """
        before, start = self.shape, self.last
        middle = before[0] * expansion
        if expansion > 1 or always:
            self.conv(middle, groups=groups)
            if groups > 1:
                self.plain(Op.OTHER)
        self.conv(middle, kernel=kernel, stride=stride, groups=middle)
        if squeezed:
            wide, full = self.shape, self.last
            self.pool()
            self.conv(max(8, (middle // 4 + 4) // 8 * 8))
            self.conv(middle)
            self.shape = wide
            self.plain(Op.MULTIPLY, full, self.last)
        self.conv(filters, groups=groups, activation=_NONE)
        if groups > 1:
            self.plain(Op.OTHER)
        if stride == 1 and before[0] == filters:
            self.plain(Op.ADD, start, self.last)


def _fbnet(operations: Sequence[int]) -> list[Layer]:
    chain = _Chain((3, FBNET_SIDE, FBNET_SIDE))
    chain.conv(FBNET_STEM, kernel=3)
    for operation, filters, stride in zip(operations, FBNET_CHANNELS, FBNET_STRIDES, strict=True):
        own = FBNET_OPERATIONS[operation]
        if own is not None:
            kernel, expansion, groups = own
            chain.block(filters, kernel=kernel, expansion=expansion, stride=stride, groups=groups, always=True)
        elif stride != 1 or chain.shape[0] != filters:
            chain.conv(filters, stride=stride)
    chain.conv(FBNET_HEAD)
    chain.pool()
    chain.head(FBNET_CLASSES)
    return chain.layers


def _ofa(kernels: Sequence[int], expansions: Sequence[int], depths: Sequence[int], side: int) -> list[Layer]:
    chain = _Chain((3, side, side))
    chain.conv(OFA_FIRST, kernel=3, stride=2)
    chain.block(OFA_FIRST, kernel=3, expansion=1, stride=1)
    slots = len(kernels) // len(depths)
    for stage, (filters, stride, squeezed) in enumerate(zip(OFA_CHANNELS, OFA_STRIDES, OFA_SQUEEZED, strict=True)):
        for block in range(depths[stage]):
            place = stage * slots + block
            chain.block(
                filters,
                kernel=kernels[place],
                expansion=expansions[place],
                stride=stride if block == 0 else 1,
                squeezed=squeezed,
            )
    chain.conv(OFA_LAST)
    chain.pool()
    chain.conv(OFA_MIX)
    chain.head(OFA_CLASSES)
    return chain.layers


def encode_layers(networks: Sequence[Sequence[Layer]]) -> EncodedDesigns:
    """Networks as encoded designs in float32; working memory is not counted."""
    table = RowTable()
    ids = []
    for layers in networks:
        full = {layer.name: precision(32) for layer in layers if layer.weighted}
        ids.append(table.add(layer_rows(layers, layers, full, 32, 32)[0]))
    row_ids = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
    for index, own in enumerate(ids):
        row_ids[index, : len(own)] = own
    return EncodedDesigns(rows=table.array(), row_ids=row_ids, peak_activation_bytes=np.zeros(len(ids)))


def fbnet_networks(operations: IntArray) -> EncodedDesigns:
    """N networks of the FBNet table, N x 22 choices."""
    return encode_layers([_fbnet(row) for row in operations.tolist()])


def ofa_networks(kernel: IntArray, expansion: IntArray, depth: IntArray, resolution: IntArray) -> EncodedDesigns:
    """N networks of the Once-for-all table: N x 20, N x 20, N x 5, N."""
    rows = zip(kernel.tolist(), expansion.tolist(), depth.tolist(), resolution.tolist(), strict=True)
    return encode_layers([_ofa(*row) for row in rows])


def cell_networks(operations: IntArray, classes: int = 10) -> EncodedDesigns:
    """N cells of NAS-Bench-201 in float32, N x 6 choices in the order of the table."""
    space, task = find_space("nasbench201"), find_task("cifar10" if classes == 10 else "cifar100")
    genotypes = np.zeros((len(operations), len(space.genes(task))), dtype=np.int64)  # 0 is float32
    genotypes[:, : operations.shape[1]] = operations
    return space.rows(task, space.canonical(task, genotypes))


def single_layers(shapes: FloatArray, bits: IntArray) -> EncodedDesigns:
    """N convolutions, each a network of its own.

    Args:
        shapes: N x (input channels, output channels, side, kernel, stride, groups).
        bits: N x (weights, activations).
    """
    table, ids = RowTable(), []
    for own, (weight, activation) in zip(shapes.astype(np.int64).tolist(), bits.tolist(), strict=True):
        before, after, side, kernel, stride, groups = own
        layer = conv("layer", "input", (before, side, side), after, kernel=kernel, stride=stride, groups=groups)
        policy = {"layer": precision(weight, activation)}
        ids.append(table.add(layer_rows([layer], [layer], policy, 32, activation)[0]))
    return EncodedDesigns(
        rows=table.array(), row_ids=np.array(ids, dtype=np.int64), peak_activation_bytes=np.zeros(len(ids))
    )
