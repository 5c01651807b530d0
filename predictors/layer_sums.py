"""LayerSums: sums over the layers of N designs of many figures at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from design.encoding import EncodedDesigns, FloatArray


class LayerSums:
    """A sparse matrix with a one for every layer of every design: a product with it sums figures of all of them.

    Pays where the same designs are summed over for several devices; `EncodedDesigns.total` is the slow twin (it adds
    row 0, the absent layer, of which every figure is 0).

    Args:
        designs: N, of R distinct layers.
    """

    def __init__(self, designs: EncodedDesigns) -> None:
        there = designs.row_ids > 0
        index = designs.row_ids[there]
        starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(there.sum(axis=1))])
        self._matrix = csr_array((np.ones(len(index)), index, starts), shape=(len(designs), len(designs.rows)))

    def of(self, *figures: FloatArray, number: int) -> Iterator[FloatArray]:
        """Sums of each figure (D x R, or R where all devices agree) over the layers of each design, D x N each.

        Args:
            figures: Of layers.
            number: D.
        """
        every = np.empty((self._matrix.shape[1], len(figures) * number))
        for first, figure in enumerate(figures):
            every[:, first * number : (first + 1) * number] = np.atleast_2d(figure).T
        sums = np.ascontiguousarray((self._matrix @ every).T)
        for first in range(0, len(sums), number):
            yield sums[first : first + number]
