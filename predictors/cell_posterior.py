"""CellPosterior: latency of NAS-Bench-201 cells at full precision after measurements of some, by the known space.

The table's task alone: 32 x 32 pictures. Of designs at other precisions, of other spaces and sides it says nothing. The
FBNet and Once-for-all tables have no such way: their blocks (channel shuffles, other widths and strides, squeeze and
excitation, one kernel a block) are no members of the `mobilenet` space.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from design.encoding import Column, EncodedDesigns, FloatArray, IntArray
from design.spaces.nasbench201 import NasBench201Space
from design.spaces.nasbench201_cells import CELLS, all_cells
from predictors.cell_features import cell_features
from predictors.condensed_space import CondensedSpace
from predictors.descriptor import Descriptor
from predictors.known_space import KnownSpace
from predictors.known_weights import VERSION, shipped
from predictors.measurement import Measurements
from predictors.predictor import Estimates

SPACE, TABLE = "nasbench201", "nb201"
LEAST_CELLS = 5
"""Distinct cells that must be measured. On known devices left out with their whole kind (eight rows, four draws) the
known space ranks better than the general form from five on, and its errors are smaller and its intervals hold better:
Spearman .881, .907, .943 against .904, .905, .905 at 3, 5, 10 measurements, intervals of 90 % hold .95, .94, .96
against .85, .86, .88."""
MOST_CELLS = 200
"""More bring nothing that is worth the time; these are drawn among them."""
OPERATIONS = 6
SIDE = 32
REFERENCES = 256
_LEAST_SHARE = 1e-3
_AT_ONCE = 2500


@cache
def known_cells() -> CondensedSpace:
    """The shipped known space on all cells."""
    return on_all_cells(shipped(TABLE))


def on_all_cells(known: KnownSpace) -> CondensedSpace:
    """A known space on all 15,625 cells, in the order of `NasBench201Space.cell_numbers`."""
    cells = all_cells().ops.T
    parts = (cell_features(cells[start : start + _AT_ONCE]) for start in range(0, len(cells), _AT_ONCE))
    return CondensedSpace.of(known, parts)


def cells_of(designs: EncodedDesigns) -> IntArray:
    """Number of the cell of each design (N); -1 where it is none at full precision on the table's pictures."""
    found = np.full(len(designs), -1, dtype=np.int64)
    if designs.space != SPACE or designs.genotypes is None or not len(designs):
        return found
    first = designs.rows[designs.row_ids[:, 0]]
    own = (designs.genotypes[:, OPERATIONS:] == 0).all(axis=1)
    own &= (first[:, Column.IN_POSITIONS] == SIDE**2) & (first[:, Column.IN_CHANNELS] == 3)
    found[own] = NasBench201Space.cell_numbers(designs.genotypes[own, :OPERATIONS])
    return found


class CellPosterior:
    """See the module.

    Attributes:
        left_out_ms: n, what the other measurements say of each; NaN of designs that are no such cells.
    """

    name = "known-cells"
    version = VERSION

    def __init__(self, cells: IntArray, latency_ms: FloatArray, left_out_ms: FloatArray, space: CondensedSpace) -> None:
        self._cells, self._latency_ms, self._space = cells, latency_ms, space
        self.left_out_ms = left_out_ms
        _, spread = self._log_normal(reference_cells())
        self._common_spread = float(np.median(spread))

    def answers(self, designs: EncodedDesigns) -> NDArray[np.bool_]:
        """Which of N designs it answers for."""
        return np.asarray(cells_of(designs) >= 0)

    def latency_ms(self, designs: EncodedDesigns) -> Estimates:
        """Of N designs, all of which it answers for; a cell's figure does not depend on the others asked for."""
        asked, place = np.unique(cells_of(designs), return_inverse=True)
        median, spread = self._log_normal(asked)
        common = np.full(len(place), self._common_spread)
        return Estimates(median=median[place], spread=spread[place], scale="log", common_spread=common)

    def _log_normal(self, asked: IntArray) -> tuple[FloatArray, FloatArray]:
        """Median and standard deviation of log latency of cells."""
        mean, variance, _ = _posterior(self._space, self._cells, self._latency_ms, asked)
        median = np.maximum(mean, _LEAST_SHARE * float(self._latency_ms.min()))
        return median, np.sqrt(np.log1p(variance / median**2))


@cache
def reference_cells() -> IntArray:
    """Cells whose median spread stands for how well a device is known."""
    return np.sort(np.random.default_rng(0).choice(CELLS, REFERENCES, replace=False))


def _posterior(
    space: CondensedSpace, cells: IntArray, latency_ms: FloatArray, asked: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and variance of the cells asked for, and the measured ones as told by the others."""
    taken = space.features.take(np.concatenate([cells, asked]))
    count = len(cells)
    found = space.known.posterior(taken, np.arange(count), latency_ms, np.arange(count, len(taken)))
    return found.mean_ms, found.variance_ms2, found.left_out_ms


def cell_posterior(
    device: Descriptor, measurements: Measurements, space: CondensedSpace | None = None
) -> CellPosterior | None:
    """The posterior of measured cells; None where too few were measured.

    Repeats of a cell count once, by their median.

    Args:
        device: Has no part in it.
        measurements: Of any designs; those of cells count.
        space: What is known of other devices; None = the shipped space, which knows all rows of the table.
    """
    del device
    space = space or known_cells()
    timed = measurements.latency_index
    cells = cells_of(measurements.designs)[timed]
    own = np.flatnonzero(cells >= 0)
    distinct, place = np.unique(cells[own], return_inverse=True)
    if len(distinct) < LEAST_CELLS:
        return None
    values = measurements.latency_ms[timed[own]]
    latency_ms = np.array([np.median(values[place == number]) for number in range(len(distinct))])
    chosen = np.arange(len(distinct))
    if len(distinct) > MOST_CELLS:
        chosen = np.sort(np.random.default_rng(0).choice(len(distinct), MOST_CELLS, replace=False))
    others = np.setdiff1d(np.arange(len(distinct)), chosen)
    mean, _, told = _posterior(space, distinct[chosen], latency_ms[chosen], distinct[others])
    left_out_ms = np.full(len(measurements), np.nan)
    by_cell = np.zeros(len(distinct))
    by_cell[chosen], by_cell[others] = told, mean
    left_out_ms[timed[own]] = np.maximum(by_cell[place], _LEAST_SHARE * float(latency_ms.min()))
    return CellPosterior(distinct[chosen], latency_ms[chosen], left_out_ms, space)
