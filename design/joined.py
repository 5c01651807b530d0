"""Several sets of encoded designs as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from design.encoding import COLUMNS, EncodedDesigns


def joined(parts: Sequence[EncodedDesigns]) -> EncodedDesigns:
    """The designs of all parts in their order; layers that parts share stay as many rows as there are parts.

    Of several parts only layers that occur in a design are kept. Genotypes are kept if all parts are of one space and
    task (vectors of one length).
    """
    if len(parts) == 1:
        return parts[0]
    longest = max((part.row_ids.shape[1] for part in parts), default=0)
    row_ids = np.zeros((sum(map(len, parts)), longest), dtype=np.int64)
    kept = [np.flatnonzero(part.named[1:]) + 1 for part in parts]
    rows = np.zeros((1 + sum(map(len, kept)), COLUMNS), order="F")
    begun, first = 0, 1
    for part, own in zip(parts, kept, strict=True):
        numbers = np.zeros(len(part.rows), dtype=np.int64)
        numbers[own] = np.arange(first, first + len(own))
        row_ids[begun : begun + len(part), : part.row_ids.shape[1]] = numbers.take(part.row_ids)
        rows.T[:, first : first + len(own)] = part.rows.T.take(own, axis=1)
        begun, first = begun + len(part), first + len(own)
    vectors = [part.genotypes for part in parts if part.genotypes is not None]
    widths = {vector.shape[1] for vector in vectors}
    one = len(vectors) == len(parts) and len({part.space for part in parts}) == len(widths) == 1
    return EncodedDesigns(
        rows=rows,
        row_ids=row_ids,
        peak_activation_bytes=np.concatenate([part.peak_activation_bytes for part in parts]) if parts else np.zeros(0),
        genotypes=np.concatenate(vectors) if one else None,
        space=parts[0].space if one else None,
    )
