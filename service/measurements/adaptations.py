"""Adaptations: what the measurements of a device say of it - derived from the stored rows, never stored itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from threading import Lock

import numpy as np

from design.device import DeviceProfile
from predictors.adapt import Adaptation, adapt
from predictors.adapted_latency import AdaptedLatency
from predictors.descriptor import describe
from predictors.measurement import LEAST, Measurements
from service.database import Database
from service.measurements import repository
from service.measurements.schemas import Figure, FigureVerdict
from service.measurements.sources import encoded
from service.models import DeviceRow, MeasurementRow

MOST_KEPT, MOST_ROWS_KEPT = 256, 200_000
"""Adaptations remembered, and the rows behind all of them."""
FIGURES: tuple[Figure, ...] = ("latency_ms", "energy_mj")
_ZERO = "0 is what a profiler reports that failed silently: kept, never used"
_TOO_SMALL = "no device is that fast or frugal: kept, never used"
_UNBUILDABLE = "this version can no longer build the network: kept, not used"


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A device's measurements and what they say.

    Attributes:
        count: Rows.
        digest: Of their content.
        adaptation: What predictors take.
        latency_ms: Key of each network whose latency is believed -> median of its measurements.
        verdicts: Row id -> one verdict for each figure measured.
    """

    count: int
    digest: str
    adaptation: Adaptation
    latency_ms: dict[str, float]
    verdicts: dict[str, tuple[FigureVerdict, ...]]

    @cached_property
    def latency(self) -> AdaptedLatency:
        """A predictor of latencies on this device, the same as long as this is remembered."""
        return AdaptedLatency(self.adaptation)


def adapted(profile: DeviceProfile, rows: Sequence[MeasurementRow], energy_model: str) -> Adapted:
    """Adapt to measurements; the same content gives the same answer, in whatever order the rows came.

    Args:
        profile: Of the device.
        rows: At least one.
        energy_model: That energies are predicted under.
    """
    ordered = sorted(rows, key=lambda row: (row.key, row.latency_ms or 0.0, row.energy_mj or 0.0, row.id))
    designs, places = encoded([row.source for row in ordered])
    known = [ordered[place] for place in places]
    values = {figure: np.array([_value(row, figure) for row in known], dtype=np.float64) for figure in FIGURES}
    measurements = Measurements(designs=designs, latency_ms=values["latency_ms"], energy_mj=values["energy_mj"])
    found = adapt(describe(profile), measurements, energy_model=energy_model)
    told: dict[tuple[str, Figure], FigureVerdict] = {
        (known[one.position].id, one.figure): FigureVerdict(figure=one.figure, use=one.verdict, reason=one.reason)
        for one in found.verdicts
    }
    return Adapted(
        count=len(rows),
        digest=repository.digest([(row.key, row.latency_ms, row.energy_mj) for row in rows]),
        adaptation=found,
        latency_ms=_believed(known, told),
        verdicts={row.id: _verdicts(row, told) for row in rows},
    )


def _believed(rows: Sequence[MeasurementRow], told: dict[tuple[str, Figure], FigureVerdict]) -> dict[str, float]:
    """Latency of each network, of the rows that were not set aside."""
    found: dict[str, list[float]] = {}
    for row in rows:
        verdict = told.get((row.id, "latency_ms"))
        if row.latency_ms and verdict is not None and verdict.use != "set aside":
            found.setdefault(row.key, []).append(row.latency_ms)
    return {key: median(values) for key, values in found.items()}


def _value(row: MeasurementRow, figure: Figure) -> float:
    """As measured; NaN where it was not, where the profiler failed, or below what any device shows."""
    value: float | None = getattr(row, figure)
    return np.nan if value is None or value < LEAST else value


def _verdicts(row: MeasurementRow, told: dict[tuple[str, Figure], FigureVerdict]) -> tuple[FigureVerdict, ...]:
    found = []
    for figure in FIGURES:
        value = getattr(row, figure)
        if value is None:
            continue
        reason = _ZERO if value == 0 else _TOO_SMALL if value < LEAST else _UNBUILDABLE
        ignored = FigureVerdict(figure=figure, use="set aside", reason=reason)
        found.append(told.get((row.id, figure), ignored))
    return tuple(found)


class Adaptations:
    """The adaptations asked for last, by device, content of its measurements and energy model; safe among threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], Adapted] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, database: Database, device: DeviceRow, energy_model: str) -> Adapted | None:
        """What is known of an own device from measurements; None without any.

        Args:
            database: That holds them.
            device: As read from the database.
            energy_model: That energies are predicted under.
        """
        if device.measured_digest is None:
            return None
        key = (device.id, device.measured_digest, energy_model)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with database.reading() as session:
            rows = repository.every(session, device.id)
        if not rows:  # deleted since
            return None
        found = adapted(DeviceProfile.model_validate(device.profile), rows, energy_model)
        self.keep(device.id, found)
        return found

    def keep(self, device_id: str, found: Adapted) -> None:
        """Remember an adaptation."""
        with self._lock:
            self._kept[(device_id, found.digest, found.adaptation.energy_model)] = found
            while len(self._kept) > MOST_KEPT or (
                len(self._kept) > 1 and sum(one.count for one in self._kept.values()) > MOST_ROWS_KEPT
            ):
                self._kept.popitem(last=False)
