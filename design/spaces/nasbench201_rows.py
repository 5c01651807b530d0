"""Networks of NAS-Bench-201 as arrays, from tables over all cells and the few fragments between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from design.activation_steps import activation_steps, own_steps
from design.architecture import INPUT
from design.encoding import FloatArray, IntArray, RowTable, layer_row
from design.layer import Layer
from design.liveness import OUTPUT_BITS, peak_bytes, stored_bits
from design.precision import BITS, Precision
from design.spaces.nasbench201_cells import (
    CODE_COUNT,
    CODES,
    KINDS,
    POSITIONS,
    STEPS_2,
    STEPS_3,
    Cells,
    all_cells,
    prototype,
)
from design.spaces.nasbench201_skeleton import CELLS_PER_STAGE, FILTERS, STAGES, head, reduction, stage_shapes, stem
from design.task import Task

PARTS = 3
"""Last, inner and first cell of a stage."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """N networks: cell numbers and residual bits (N), weight and activation bits (N x 2 each)."""

    cells: IntArray
    body: Sequence[IntArray]
    shortcut: IntArray
    edge: IntArray
    residual: IntArray


class _Fragment(NamedTuple):
    """Layers between cells, in arrays."""

    row_ids: tuple[int, ...]
    input_bits: int
    peak_bytes: int


_Part = tuple[IntArray, IntArray, IntArray]
"""Row ids (N x layers), bits needed of the input (N), peak bytes (N)."""


class _Behind(NamedTuple):
    """What follows the cells of a stage: its place, what it depends on (N x 1 or 2 each), how it is made."""

    place: int
    bits: Sequence[IntArray]
    build: Callable[[tuple[int, ...]], _Fragment]


class _Chain:
    """N networks put together from the last part to the first."""

    def __init__(self, number: int) -> None:
        self.parts: list[IntArray] = []
        self.bits: IntArray = np.full(number, OUTPUT_BITS)
        self.peaks: FloatArray = np.zeros(number)

    def add(self, row_ids: IntArray, bits: IntArray, peaks: IntArray) -> None:
        self.parts.append(row_ids)
        self.bits = bits
        self.peaks = np.maximum(self.peaks, peaks)


class TaskRows:
    """Rows of all layers that a task can need; grows with the fragments seen."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._shapes = stage_shapes(task)
        self._table = RowTable()
        self._fragments: dict[tuple[int, ...], _Fragment] = {}
        self._cell_ids: IntArray = np.zeros((STAGES, len(BITS), CODE_COUNT), dtype=np.int64)
        for stage in range(STAGES):
            for kind in range(1, KINDS):
                self._fill(stage, kind)

    def encode(self, choices: Choices) -> tuple[FloatArray, IntArray, FloatArray]:
        """Distinct rows (R x Column), row ids (N x L), peak bytes of activations (N)."""
        chain = _Chain(len(choices.cells))
        cells, thrice = (all_cells().take(np.tile(choices.cells, times)) for times in (1, PARTS))
        nothing = np.zeros_like(chain.bits)
        for stage in reversed(range(STAGES)):
            build: Callable[[tuple[int, ...]], _Fragment] = self._head
            bits = [choices.edge]
            if stage + 1 < STAGES:
                build = self._reduction(stage + 1)
                bits = [choices.body[stage + 1], choices.shortcut, choices.residual[:, None]]
            behind = _Behind(stage + 1, [*bits, chain.bits[:, None]], build)
            own, kept = self._cells((cells, thrice), stage, choices, self._fragments_of(behind, nothing)[1])
            chain.add(*self._fragments_of(behind, kept))
            for part in own:
                chain.add(*part)
        stem_bits = [choices.edge, chain.bits[:, None]]
        chain.add(*self._fragments_of(_Behind(0, stem_bits, self._stem), nothing))
        rows, row_ids = self._table.used(np.concatenate(chain.parts[::-1], axis=1))
        return rows, row_ids[:, _repeated([part.shape[1] for part in chain.parts[::-1]])], chain.peaks

    def _fill(self, stage: int, kind: int) -> None:
        """Row numbers of one kind of layer at all bits."""
        layer = prototype(kind, self._shapes[stage])
        first = kind * len(BITS) ** 2
        for number, weight_bits in enumerate(BITS):
            rows = []
            for read in BITS:
                own = Precision(weight_bits=weight_bits, activation_bits=read) if layer.weighted else None
                steps = len(layer.inputs) if kind in (STEPS_2, STEPS_3) else own_steps(layer, own)
                rows += [layer_row(layer, own, read, wrote, layer.out_channels, steps) for wrote in BITS]
            self._cell_ids[stage, number, first : first + len(rows)] = self._table.add(rows)

    def _cells(
        self, known: tuple[Cells, Cells], stage: int, choices: Choices, output_bits: IntArray
    ) -> tuple[list[_Part], IntArray]:
        """Last, inner and first cell of a stage, and the bits at which the stage's output is kept (N).

        A cell needs its input at bits that do not change when its output is needed at just these, so all cells but
        the last write alike. An output can be kept at more bits than are needed behind, where the cell itself reads
        it once more: the next cell then finds its input at these.

        Args:
            known: The cells, and the same PARTS times one behind the other.
            stage: Counted from 0.
            choices: Of the networks.
            output_bits: At which the output is needed, N.
        """
        cells, thrice = known
        elements = self._shapes[stage][0] * self._shapes[stage][1] * self._shapes[stage][2]
        weight, active = CODES[choices.body[stage][:, 0]], choices.body[stage][:, 1]
        last = cells.stored_bits(active, choices.residual, output_bits)
        needed = last[0].copy()
        first = cells.stored_bits(active, choices.residual, needed)
        inner = first.copy()
        inner[0] = np.maximum(needed, cells.of_output(first))
        last[0] = inner[0]
        bits, read = np.concatenate([last, inner, first], axis=1), np.tile(active, PARTS)
        codes = thrice.codes(bits, read, np.tile(choices.residual, PARTS))
        row_ids = self._cell_ids[stage][np.tile(weight, PARTS)[:, None], codes]
        peaks = thrice.peak_bits(bits, read) * elements // 8
        parts = [(ids, needed, own) for ids, own in zip(np.split(row_ids, PARTS), np.split(peaks, PARTS), strict=True)]
        return parts, cells.of_output(last)

    def _fragments_of(self, behind: _Behind, arriving_bits: IntArray) -> _Part:
        """The layers between cells for each network, when their input is kept at `arriving_bits` (N) or more."""
        keys = np.column_stack([*behind.bits, arriving_bits])
        packed = keys @ (64 ** np.arange(keys.shape[1]))
        _, first, which = np.unique(packed, return_index=True, return_inverse=True)
        found = []
        for key in (tuple(int(one) for one in row) for row in keys[first]):
            if (behind.place, *key) not in self._fragments:
                self._fragments[behind.place, *key] = behind.build(key)
            found.append(self._fragments[behind.place, *key])
        return (
            np.array([one.row_ids for one in found], dtype=np.int64)[which],
            np.array([one.input_bits for one in found], dtype=np.int64)[which],
            np.array([one.peak_bytes for one in found], dtype=np.int64)[which],
        )

    def _fragment(
        self, layers: Sequence[Layer], own: dict[str, Precision], residual_bits: int, bits: tuple[int, int]
    ) -> _Fragment:
        """Layers that read `input` in arrays, with the bits of their output and the least of their input."""
        stored = stored_bits(layers, own, residual_bits, bits[0])
        steps = activation_steps(layers, own, residual_bits)
        needed = stored[INPUT]
        stored[INPUT] = max(needed, bits[1])
        rows = [
            layer_row(
                layer,
                own.get(layer.name),
                max(stored[name] for name in layer.inputs),
                stored[layer.name],
                layer.out_channels,
                steps[layer.name],
            )
            for layer in layers
        ]
        first = layers[0]
        elements = first.in_channels * first.in_height * first.in_width
        return _Fragment(tuple(self._table.add(rows)), needed, peak_bytes(layers, stored, elements))

    def _stem(self, key: tuple[int, ...]) -> _Fragment:
        layer = stem(self._task)
        return self._fragment([layer], {layer.name: _precision(key)}, OUTPUT_BITS, (key[-2], 0))

    def _head(self, key: tuple[int, ...]) -> _Fragment:
        layers = head(INPUT, self._shapes[-1], self._task.classes)
        return self._fragment(layers, {layers[-1].name: _precision(key)}, OUTPUT_BITS, (key[-2], key[-1]))

    def _reduction(self, stage: int) -> Callable[[tuple[int, ...]], _Fragment]:
        def build(key: tuple[int, ...]) -> _Fragment:
            layers = reduction("reduction", INPUT, self._shapes[stage - 1], FILTERS[stage])
            body, shortcut = _precision(key[:2]), _precision(key[2:4])
            own = {layer.name: body for layer in layers if layer.weighted} | {"reduction.shortcut": shortcut}
            return self._fragment(layers, own, key[4], (key[-2], key[-1]))

        return build


def _precision(bits: Sequence[int]) -> Precision:
    return Precision.model_validate({"weight_bits": bits[0], "activation_bits": bits[1]})


def _repeated(widths: Sequence[int]) -> IntArray:
    """Columns of a whole network among those of its distinct parts: of three cells the second stands for several."""
    columns: list[int] = []
    start = cells_seen = 0
    for width in widths:
        own = list(range(start, start + width))
        if width == POSITIONS:
            cells_seen += 1
            own *= CELLS_PER_STAGE - 2 if cells_seen % 3 == 2 else 1
        columns += own
        start += width
    return np.array(columns)
