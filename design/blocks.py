"""Blocks that designs share, and facts that are kept with a set of designs: what makes sums over many designs fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Fact(Protocol):
    """Something found of N designs."""

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Fact:
        """Of those at `index`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Designs as chains of blocks that many of them share: sums over layers are sums over far fewer blocks.

    What is summed over comes first: numpy adds whole columns of many designs several times as fast as many short rows.

    Attributes:
        ids: P x N, the block at each place of each design.
        rows: W x B, rows of the layers of each block, 0 where it has fewer.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> Blocks:
        """Blocks from the block at each place (N x P) and the rows of each block (B x W)."""
        return cls(ids=np.ascontiguousarray(ids.T), rows=np.ascontiguousarray(rows.T))

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Blocks:
        """Of the designs at `index`."""
        return replace(self, ids=self.ids[:, index])

    def total(self, per_row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the layers of each design (N or N x K) of figures of rows (R or R x K)."""
        return summed(summed(per_row, self.rows), self.ids)

    def largest(self, per_row: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest of a figure of rows (R, none negative) among the layers of each design, N."""
        per_block = per_row.take(self.rows).max(axis=0, initial=0.0)
        return np.asarray(per_block.take(self.ids).max(axis=0, initial=0.0))


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Designs of very different lengths, one behind the other: sums over layers without those that are not there.

    Attributes:
        ids: M, rows of all layers of the first design, then of the second and so on.
        starts: N, where each design begins; none is empty.
    """

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, row_ids: NDArray[np.int64]) -> Runs | None:
        """Runs of row ids (N x L, 0: no layer); None where they would hardly be shorter, or a design has no layer."""
        there = row_ids > 0
        lengths = there.sum(axis=1)
        if 2 * int(lengths.sum()) > there.size or int(lengths.min(initial=1)) == 0:
            return None
        return cls(ids=row_ids[there], starts=np.cumsum(lengths) - lengths)

    def total(self, per_row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the layers of each design (N or N x K) of figures of rows (R or R x K)."""
        return np.asarray(np.add.reduceat(per_row.take(self.ids, axis=0), self.starts, axis=0))


def summed(figures: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of the figures (M or M x K) named in each column of `index` (L x N): N or N x K."""
    return np.asarray(figures.take(index, axis=0).sum(axis=0))
