"""Networks of one space as blocks: which states of places are distinct, and designs put together from blocks."""

from __future__ import annotations

import numpy as np

from design.blocks import Blocks
from design.encoding import EncodedDesigns, FloatArray, IntArray


def distinct(states: IntArray) -> tuple[IntArray, IntArray]:
    """Where each distinct state first stands (in the flattened N x P states), and the number of each state, N x P.

    Neighbours differ from each other in a few places: only states that differ from the row above are sorted.
    """
    changed = np.ones(states.shape, dtype=np.bool_)
    changed[1:] = states[1:] != states[:-1]
    places = np.flatnonzero(changed)
    _, first, which = np.unique(states.reshape(-1)[places], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    numbers = np.zeros(states.shape, dtype=np.int64)
    numbers.reshape(-1)[places] = rank[which]
    above = np.where(changed, np.arange(len(states))[:, None], 0)
    np.maximum.accumulate(above, axis=0, out=above)
    return places[first[order]], np.take_along_axis(numbers, above, axis=0)


def of_blocks(
    rows: FloatArray, blocks: Blocks, peak_bytes: FloatArray, genotypes: IntArray, space: str
) -> EncodedDesigns:
    """Members of a space (N x G) from distinct rows (R x Column), blocks and peaks (N)."""
    places, (_, number) = len(blocks.ids), blocks.rows.shape
    seen = np.zeros((places, number), dtype=np.float32)
    seen[np.arange(places)[:, None], blocks.ids] = 1
    place, layer = np.nonzero(seen @ (blocks.rows > 0).T.astype(np.float32))
    return EncodedDesigns(
        rows=rows,
        row_ids=blocks.rows[layer, blocks.ids[place].T],
        peak_activation_bytes=peak_bytes,
        genotypes=genotypes,
        space=space,
        blocks=blocks,
    )
