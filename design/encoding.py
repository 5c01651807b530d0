"""Designs as arrays: distinct layers as rows of numbers, designs as row indices. Hot paths work on these alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from design.activation_steps import activation_steps
from design.blocks import Blocks, Fact, Runs, summed
from design.design import Design
from design.layer import Activation, Layer, Op, Role
from design.liveness import peak_bytes, stored_bits
from design.precision import Precision

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
OPS: tuple[Op, ...] = tuple(Op)
ROLES: tuple[Role, ...] = tuple(Role)


class Column(IntEnum):
    """What the numbers of a layer row are (per picture). Row 0 of every table is all zeros: no layer."""

    OP = 0  # 1 + index into OPS
    ROLE = 1  # 1 + index into ROLES
    KERNEL_HEIGHT = 2
    KERNEL_WIDTH = 3
    STRIDE = 4
    GROUPS = 5
    DEPTHWISE = 6
    IN_CHANNELS = 7
    OUT_CHANNELS = 8
    IN_POSITIONS = 9  # height x width
    OUT_POSITIONS = 10
    MACS = 11
    WEIGHTS = 12
    BIASES = 13
    BATCH_NORM_CHANNELS = 14
    ACTIVATION = 15  # a nonlinearity is fused
    IN_ELEMENTS = 16  # all inputs together
    OUT_ELEMENTS = 17
    WEIGHT_BITS = 18  # 0 without weights
    ACTIVATION_BITS = 19  # bits it reads: of a weighted layer its own, else those its input is stored at
    OUT_BITS = 20  # bits its output is stored at
    FULL_OUT_CHANNELS = 21  # before pruning
    INPUTS = 22
    ACTIVATION_STEPS = 23  # learned steps of what it reads (see design.activation_steps)


COLUMNS = len(Column)
Row = tuple[float, ...]
COUNTED_FROM = 100_000
"""Row ids from which on designs are summed by how often each distinct layer occurs."""


def layer_row(
    layer: Layer, precision: Precision | None, read_bits: int, out_bits: int, full_out: int, steps: int
) -> Row:
    """The numbers of one (pruned) layer, in the order of Column."""
    return (
        1 + OPS.index(layer.op),
        1 + ROLES.index(layer.role),
        layer.kernel_height,
        layer.kernel_width,
        layer.stride,
        layer.groups,
        int(layer.depthwise),
        layer.in_channels,
        layer.out_channels,
        layer.in_height * layer.in_width,
        layer.out_height * layer.out_width,
        layer.macs,
        layer.weights,
        layer.biases + layer.constants,
        layer.out_channels if layer.batch_norm or layer.op is Op.NORM else 0,
        int(layer.activation is not Activation.NONE or layer.op is Op.ACTIVATION),
        layer.in_elements,
        layer.out_elements,
        precision.weight_bits if precision else 0,
        precision.activation_bits if precision else read_bits,
        out_bits,
        full_out,
        len(layer.inputs),
        steps,
    )


def layer_rows(
    layers: Sequence[Layer],
    full: Sequence[Layer],
    precision: Mapping[str, Precision],
    residual_bits: int,
    output_bits: int,
) -> tuple[list[Row], dict[str, int]]:
    """Rows of all layers (`full`: the same before pruning) and the stored bits of every tensor."""
    bits = stored_bits(layers, precision, residual_bits, output_bits)
    steps = activation_steps(layers, precision, residual_bits)
    rows = []
    for layer, before in zip(layers, full, strict=True):
        own, read = precision.get(layer.name), max(bits[name] for name in layer.inputs)
        rows.append(layer_row(layer, own, read, bits[layer.name], before.out_channels, steps[layer.name]))
    return rows, bits


class RowTable:
    """Distinct layer rows, each with a number; row 0 is the absent layer. Grows, never changes a number."""

    def __init__(self) -> None:
        self._ids: dict[Row, int] = {(0.0,) * COLUMNS: 0}
        self._new: list[Row] = []
        self._array: FloatArray = np.zeros((1, COLUMNS))

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, rows: Iterable[Row]) -> list[int]:
        """Numbers of the rows, new ones added."""
        numbers = []
        for row in rows:
            number = self._ids.setdefault(row, len(self._ids))
            if number == len(self._array) + len(self._new):
                self._new.append(row)
            numbers.append(number)
        return numbers

    def array(self) -> FloatArray:
        """All rows so far, R x Column."""
        if self._new:
            self._array = np.concatenate([self._array, np.array(self._new, dtype=np.float64)])
            self._new = []
        return self._array

    def used(self, row_ids: IntArray) -> tuple[FloatArray, IntArray]:
        """The rows that `row_ids` (N x L) name, and the same ids counted among those alone.

        Row 0 comes first, the others as they first occur, so that sums over rows have the same order (and the same
        last digit) whatever the table was asked for before.
        """
        table = self.array()
        flat = row_ids.ravel()
        first = np.full(len(table), -1, dtype=np.int64)
        first[flat[::-1]] = np.arange(len(flat), 0, -1)  # the last assignment is the first occurrence
        first[0] = 0
        named = np.flatnonzero(first >= 0)
        named = named[np.argsort(first[named])]
        numbers = np.zeros(len(table), dtype=np.int64)
        numbers[named] = np.arange(len(named))
        return table[named], numbers[row_ids]


@dataclass(frozen=True, kw_only=True)
class EncodedDesigns:
    """N designs for the hot paths.

    Attributes:
        rows: Distinct layers, R x Column; row 0 is zeros. Fastest with columns in one piece.
        row_ids: N x L indices into `rows`, 0 where a design has fewer layers.
        peak_activation_bytes: N, per picture.
        genotypes: N x G if all are members of one space, else None.
        space: Name of that space.
        blocks: The same layers by blocks, where designs are known as chains of them.
    """

    rows: FloatArray
    row_ids: IntArray
    peak_activation_bytes: FloatArray
    genotypes: IntArray | None = None
    space: str | None = None
    blocks: Blocks | None = None

    def __len__(self) -> int:
        return len(self.row_ids)

    @cached_property
    def counts(self) -> FloatArray | None:
        """How often each distinct layer occurs in each design, N x R; None unless that is smaller than the row ids."""
        number, longest = self.row_ids.shape
        if self.blocks is not None or number * longest < COUNTED_FROM or len(self.rows) > longest:
            return None
        places = np.arange(number)[:, None] * len(self.rows) + self.row_ids
        found = np.bincount(places.ravel(), minlength=number * len(self.rows))
        return found.reshape(number, len(self.rows)).astype(np.float64)

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Which of the rows some design has, R; row 0 maybe."""
        if self.counts is not None:
            return np.asarray(self.counts.any(axis=0))
        found = np.zeros(len(self.rows), dtype=np.bool_)
        found[self.row_ids] = True
        return found

    @cached_property
    def facts(self) -> dict[Hashable, Fact]:
        """What was found of these designs alone, by keys of those who found it: kept with sets asked about often."""
        return {}

    @cached_property
    def _by_place(self) -> IntArray:
        """Row ids, L x N in one piece."""
        return np.ascontiguousarray(self.row_ids.T)

    @cached_property
    def _runs(self) -> Runs | None:
        """Row ids without what is not there; None where little is not."""
        return Runs.of(self.row_ids)

    def total(self, per_row: FloatArray) -> FloatArray:
        """Sums of figures of rows (R or R x K) over the layers of each design (N or N x K)."""
        if self.blocks is not None:
            return self.blocks.total(per_row)
        if self.counts is not None:
            return np.asarray(self.counts @ per_row)
        return summed(per_row, self._by_place) if self._runs is None else self._runs.total(per_row)

    def largest(self, per_row: FloatArray) -> FloatArray:
        """The largest of a per-row figure (R, none negative) among the layers of each design (N)."""
        if self.blocks is not None:
            return self.blocks.largest(per_row)
        if self.counts is not None:
            return np.asarray(np.where(self.counts > 0, per_row, 0.0).max(axis=1))
        return np.asarray(per_row.take(self._by_place).max(axis=0, initial=0.0))

    def column(self, column: Column) -> FloatArray:
        """One column of the distinct rows, R."""
        return self.rows[:, column]

    def compact(self) -> EncodedDesigns:
        """The same designs with only the distinct layers that occur in them, and row 0."""
        kept = self.named.copy()
        kept[0] = True
        numbers = np.cumsum(kept) - 1
        rows = np.asfortranarray(self.rows[kept])
        found = replace(self, rows=rows, row_ids=numbers[self.row_ids], blocks=None)
        found.facts.update(self.facts)
        return found

    def take(self, index: IntArray | NDArray[np.bool_]) -> EncodedDesigns:
        """The designs at `index`."""
        found = EncodedDesigns(
            rows=self.rows,
            row_ids=self.row_ids[index],
            peak_activation_bytes=self.peak_activation_bytes[index],
            genotypes=None if self.genotypes is None else self.genotypes[index],
            space=self.space,
            blocks=None if self.blocks is None else self.blocks.take(index),
        )
        found.facts.update({key: fact.take(index) for key, fact in tuple(self.facts.items())})
        return found


def encode_designs(designs: Sequence[Design]) -> EncodedDesigns:
    """Encode Design objects one by one: for single requests and user models, and the slow twin of `Space.rows`."""
    table = RowTable()
    ids: list[list[int]] = []
    peaks: list[float] = []
    for design in designs:
        small = design.pruned
        rows, bits = layer_rows(
            small.layers, design.architecture.layers, design.policy.layers, design.policy.residual_bits, 32
        )
        ids.append(table.add(rows))
        channels, height, width = small.input_shape
        peaks.append(peak_bytes(small.layers, bits, channels * height * width))
    longest = max((len(row) for row in ids), default=0)
    row_ids = np.zeros((len(ids), longest), dtype=np.int64)
    for index, own in enumerate(ids):
        row_ids[index, : len(own)] = own
    origins = [design.genotype for design in designs]
    spaces = {(origin.space, len(origin.values)) if origin else None for origin in origins}
    one = spaces.pop() if len(spaces) == 1 else None
    return EncodedDesigns(
        rows=table.array(),
        row_ids=row_ids,
        peak_activation_bytes=np.array(peaks, dtype=np.float64),
        genotypes=np.array([o.values for o in origins if o], dtype=np.int64) if one else None,
        space=one[0] if one else None,
    )
