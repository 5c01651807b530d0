"""Amounts: what the networks of a known space compute and move, per picture, in physical units."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from design.encoding import FloatArray, IntArray


class Amount(IntEnum):
    """Columns of the amounts of N networks, N x 9: multiply-adds, operations, elements, layers."""

    DENSE_MACS = 0  # convolutions over all channels, the classifier
    GROUPED_MACS = 1  # convolutions within groups of channels
    DEPTHWISE_MACS = 2
    POOL_OPERATIONS = 3  # window x output elements
    POOL_MACS = 4  # if pools ran as dense convolutions
    CONV_ELEMENTS = 5  # read and written by convolutions
    OTHER_ELEMENTS = 6  # read and written by pools and additions
    CONV_LAYERS = 7
    OTHER_LAYERS = 8


AMOUNTS = len(Amount)

# NAS-Bench-201 at 3 x 32 x 32: five cells of 16, 32 and 64 channels at sides 32, 16 and 8.
CELL_COPIES = 15
CELL_ELEMENTS = 5.0 * sum(channels * side**2 for channels, side in ((16, 32), (32, 16), (64, 8)))
"""Of one tensor of every cell, all fifteen."""
CELL_MACS = 5.0 * sum((channels * side) ** 2 for channels, side in ((16, 32), (32, 16), (64, 8)))
"""Of a 1x1 convolution on one edge of every cell."""
_WINDOW = 9.0
CELL_SKELETON = {
    Amount.DENSE_MACS: 7.78305e6,
    Amount.POOL_OPERATIONS: 4.0 * (16 * 16**2 + 32 * 8**2) + 64 * 8**2,
    Amount.CONV_ELEMENTS: 19_456 + 1.5 * 53_248,
    Amount.OTHER_ELEMENTS: 1.5 * 45_056,
    Amount.CONV_LAYERS: 8,
    Amount.OTHER_LAYERS: 5,
}
"""Stem, two residual reductions, global pool and classifier."""


def cell_amounts(convs_1x1: IntArray, convs_3x3: IntArray, pools: IntArray, additions: FloatArray) -> FloatArray:
    """Amounts of N NAS-Bench-201 networks, from how often each operation stands in the cell.

    Args:
        convs_1x1: N counts of edges.
        convs_3x3: Likewise.
        pools: Likewise.
        additions: N, sums of two tensors.
    """
    convs = np.asarray(convs_1x1 + convs_3x3, dtype=np.float64)
    found = np.zeros((len(convs), AMOUNTS))
    for amount, value in CELL_SKELETON.items():
        found[:, amount] = value
    found[:, Amount.DENSE_MACS] += CELL_MACS * (convs_1x1 + _WINDOW * convs_3x3)
    found[:, Amount.POOL_OPERATIONS] += _WINDOW * CELL_ELEMENTS * pools
    found[:, Amount.POOL_MACS] += _WINDOW * CELL_MACS * pools
    found[:, Amount.CONV_ELEMENTS] += 2 * CELL_ELEMENTS * convs
    found[:, Amount.OTHER_ELEMENTS] += CELL_ELEMENTS * (2 * pools + 3 * additions)
    found[:, Amount.CONV_LAYERS] += CELL_COPIES * convs
    found[:, Amount.OTHER_LAYERS] += CELL_COPIES * (pools + additions)
    return found


FBNET_SKELETON = {
    Amount.DENSE_MACS: 27.0 * 16 * 32**2 + 352 * 1504 * 16 + 1504 * 100,
    Amount.CONV_ELEMENTS: (3 + 16) * 32**2 + (352 + 1504) * 16,
    Amount.CONV_LAYERS: 3,
    Amount.OTHER_LAYERS: 1,
}
"""Stem, last 1x1 convolution, pool and classifier at 3 x 32 x 32 and 100 classes."""


def ofa_skeleton(resolution: FloatArray) -> FloatArray:
    """Stem, first block and head of N Once-for-all networks (MobileNetV3-Large), by the side of the picture."""
    half, last = (resolution / 2) ** 2, (resolution / 32) ** 2
    found = np.zeros((len(resolution), AMOUNTS))
    found[:, Amount.DENSE_MACS] = (27 * 16 + 16 * 16) * half + 160 * 960 * last + 960 * 1280 + 1280 * 1000
    found[:, Amount.DEPTHWISE_MACS] = 9 * 16 * half
    found[:, Amount.CONV_ELEMENTS] = (12 + 16 + 4 * 16) * half + (160 + 960) * last
    found[:, Amount.CONV_LAYERS] = 6
    found[:, Amount.OTHER_LAYERS] = 2
    return found
