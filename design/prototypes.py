"""Prototypes: the distinct layers of a space and task, and their rows by layer keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from design.activation_steps import LEARNED_BITS, PROJECTIONS
from design.encoding import COLUMNS, OPS, Column, FloatArray, IntArray, Row, layer_row
from design.layer import Layer, Op
from design.precision import BITS

CODES: IntArray = np.full(33, 7)
CODES[list(BITS)] = np.arange(len(BITS))
"""Bits -> 3-bit code; 7 where a layer has no weights."""
BITS_OF: IntArray = np.array([*BITS, 0, 0])
CHANNEL_BITS = 20
"""A layer's key is one integer: prototype (14 bits), channels read and written (20 each), three codes: bits of the
weights (of a sum: learned steps of each tensor that it adds), bits read, bits written."""
_LEARNED: IntArray = np.zeros(33, dtype=np.int64)
_LEARNED[list(LEARNED_BITS)] = 1
_ADD, _ATTENTION = 1 + OPS.index(Op.ADD), 1 + OPS.index(Op.ATTENTION)


class Prototypes:
    """Distinct layers of a space and task before pruning and without bits; choices by gene."""

    def __init__(self, choices: Sequence[tuple[Any, ...]]) -> None:
        self.choices = choices
        self._numbers: dict[Row, int] = {(0.0,) * COLUMNS: 0}
        self._full: FloatArray = np.zeros((COLUMNS, 0))  # a column each

    def number(self, layer: Layer) -> int:
        """The number (1 and up) shared by layers that differ in their names alone."""
        number = self._numbers.setdefault(layer_row(layer, None, 0, 0, layer.out_channels, 0), len(self._numbers))
        if number >> 14 or max(layer.in_channels, layer.out_channels) >> CHANNEL_BITS:  # pragma: no cover
            raise OverflowError(f"a layer key must fit 63 bits, but got prototype {number} of {layer.name!r}")
        return number

    def rows(self, keys: IntArray) -> tuple[FloatArray, IntArray]:
        """Distinct rows (R x Column, row 0 zeros) of layer keys and the row number of each key (shape of `keys`).

        Rows stand in the order in which they first occur, which depends on nothing that was asked before: neither do
        the last digits of sums over them.
        """
        distinct, first, which = np.unique(np.insert(keys.reshape(-1), 0, 0), return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        distinct, which = distinct[order], place[which]
        if self._full.shape[1] < len(self._numbers):
            self._full = np.array(list(self._numbers), dtype=np.float64).T.copy()
        full = self._full.take(distinct >> (9 + 2 * CHANNEL_BITS), axis=1).T
        read, wrote = (distinct >> shift & ((1 << CHANNEL_BITS) - 1) for shift in (9 + CHANNEL_BITS, 9))
        rows = _pruned_rows(full, read.astype(np.float64), wrote.astype(np.float64))
        for column, shift in ((Column.WEIGHT_BITS, 6), (Column.ACTIVATION_BITS, 3), (Column.OUT_BITS, 0)):
            rows[:, column] = BITS_OF[distinct >> shift & 7]
        _set_steps(rows, distinct >> 6 & 7)
        rows[0] = 0
        return rows, which[1:].reshape(keys.shape)


def _set_steps(rows: FloatArray, codes: IntArray) -> None:
    """Learned steps, from the first code of each key (R); the array twin of `activation_steps`."""
    adds, weighted = rows[:, Column.OP] == _ADD, codes < len(BITS)
    rows[adds, Column.WEIGHT_BITS] = 0
    own = weighted * _LEARNED[rows[:, Column.ACTIVATION_BITS].astype(np.int64)]
    own = own * np.where(rows[:, Column.OP] == _ATTENTION, PROJECTIONS, 1)
    rows[:, Column.ACTIVATION_STEPS] = np.where(adds, codes * rows[:, Column.INPUTS], own)


def _pruned_rows(full: FloatArray, read: FloatArray, wrote: FloatArray) -> FloatArray:
    """Rows of layers that read and write fewer channels (R); the array twin of `channels.resized`.

    Weights and MACs go with channels read times channels written, in depthwise convolutions with channels written.
    Layers that cannot be pruned (attention) come with all their channels and stay as they are.
    """
    rows = full.copy(order="F")  # columns in one piece
    into, out = np.maximum(full[:, Column.IN_CHANNELS], 1), np.maximum(full[:, Column.OUT_CHANNELS], 1)
    depthwise = full[:, Column.DEPTHWISE] > 0
    pairs, left = np.where(depthwise, out, into * out), np.where(depthwise, wrote, read * wrote)
    changed = (read != into) | (wrote != out)
    for column in (Column.MACS, Column.WEIGHTS):
        rows[:, column] = np.where(changed, full[:, column] / pairs * left, full[:, column])
    for column in (Column.BIASES, Column.BATCH_NORM_CHANNELS, Column.OUT_ELEMENTS):
        rows[:, column] = full[:, column] / out * wrote
    rows[:, Column.IN_ELEMENTS] = full[:, Column.IN_ELEMENTS] / into * read
    rows[:, Column.IN_CHANNELS], rows[:, Column.OUT_CHANNELS] = read, wrote
    rows[:, Column.GROUPS] = np.where(depthwise, read, full[:, Column.GROUPS])
    rows[:, Column.DEPTHWISE] = depthwise & (read > 1)
    return rows
