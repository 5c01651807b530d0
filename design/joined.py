"""Several sets of encoded designs as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from design.encoding import COLUMNS, EncodedDesigns


def joined(parts: Sequence[EncodedDesigns]) -> EncodedDesigns:
    """The designs of all parts in their order; layers that parts share stay as many rows as there are parts.

    Genotypes are kept if all parts are of one space and task (vectors of one length).
    """
    if len(parts) == 1:
        return parts[0]
    longest = max((part.row_ids.shape[1] for part in parts), default=0)
    tables, ids, first = [np.zeros((1, COLUMNS))], [], 0
    for part in parts:
        moved = np.where(part.row_ids > 0, part.row_ids + first, 0)
        ids.append(np.pad(moved, ((0, 0), (0, longest - moved.shape[1]))))
        tables.append(part.rows[1:])
        first += len(part.rows) - 1
    vectors = [part.genotypes for part in parts if part.genotypes is not None]
    widths = {vector.shape[1] for vector in vectors}
    one = len(vectors) == len(parts) and len({part.space for part in parts}) == len(widths) == 1
    return EncodedDesigns(
        rows=np.asfortranarray(np.concatenate(tables)),
        row_ids=np.concatenate(ids) if ids else np.zeros((0, 0), dtype=np.int64),
        peak_activation_bytes=np.concatenate([part.peak_activation_bytes for part in parts]) if parts else np.zeros(0),
        genotypes=np.concatenate(vectors) if one else None,
        space=parts[0].space if one else None,
    )
