"""Published tables of measured latencies, by address in the catalogue; the product runs without them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from design.devices.catalogue import catalogue
from design.encoding import FloatArray
from predictors.monotonicity import RankMatrix, rank_matrix


@dataclass(frozen=True)
class LatencyTable:
    """Rows of one measured table.

    Attributes:
        name: Of the table.
        latency_ms: D x N; NaN = not measured.
        rows: Address in the catalogue -> row.
    """

    name: str
    latency_ms: FloatArray
    rows: dict[str, int]

    @cached_property
    def ranks(self) -> RankMatrix:
        """Of all rows with each other."""
        return rank_matrix(self.latency_ms)


@lru_cache(maxsize=32)
def read_latencies(path: Path) -> LatencyTable:
    """The table in a `.npz` file that is named after a table of the catalogue (`nb201.npz`, `fbnet.npz`).

    Raises:
        FileNotFoundError: No such table.
    """
    with np.load(path, allow_pickle=False) as stored:
        devices, latency = [str(one) for one in stored["devices"]], np.asarray(stored["latency_ms"], dtype=np.float64)
    rows = {
        device.id if setting == "default" else f"{device.id}@{setting}": devices.index(row)
        for device in catalogue().values()
        for row, setting in device.tables.get(path.stem, {}).items()
        if row in devices
    }
    return LatencyTable(path.stem, latency, rows)
