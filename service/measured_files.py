"""Measured files: from a CSV table named on the command line to what it says of a device, without a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from design.device import DeviceProfile
from predictors.adapt import Adaptation
from predictors.energy import find_energy_model
from service.documents import InvalidDocument
from service.measurements import repository, suggestions
from service.measurements.adaptations import Adapted, adapted
from service.measurements.csv_rows import read_table
from service.measurements.operations import networks_of
from service.measurements.schemas import Suggestion
from service.models import MeasurementRow

MAX_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class MeasuredFile:
    """The rows of a table, as they would be stored, the lines they end at, and what they say."""

    rows: tuple[MeasurementRow, ...]
    lines: tuple[int, ...]
    adapted: Adapted


def read_measurements(path: Path, profile: DeviceProfile, energy_model: str) -> MeasuredFile:
    """Adapt to the measurements in a file; nothing is stored.

    Args:
        path: A CSV table as docs/measurements.md describes it.
        profile: Of the device that was measured.
        energy_model: That energies are predicted under.

    Raises:
        InvalidDocument: The file cannot be read.
        Refusal: Something in it does not hold.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidDocument(f"{path} must be at most {MAX_BYTES:,} bytes", f"{path.stat().st_size:,}")
        content = path.read_bytes()
    except OSError as error:
        raise InvalidDocument(f"{path} must be a readable file", str(error)) from error
    table = read_table(content)
    with table.placed():
        networks = networks_of(None, table.rows)
    rows = tuple(repository.new_rows("", table.rows, networks))
    return MeasuredFile(rows=rows, lines=table.lines, adapted=adapted(profile, rows, energy_model))


def suggest(file: MeasuredFile, profile: DeviceProfile, task: str, space: str | None) -> tuple[Suggestion, ...]:
    """What to measure next."""
    measured = frozenset(row.key for row in file.rows)
    return suggestions.suggest(
        profile, file.adapted.adaptation, measured, task=task, space=space, count=suggestions.DEFAULT
    )


def adaptation_from(path: Path | None, profile: DeviceProfile, energy_model: str) -> Adaptation | None:
    """What the measurements in a file say of a device; None without a file.

    Raises:
        InvalidDocument: The file cannot be read.
        Refusal: Something in it does not hold.
        UnknownName: No such energy model.
    """
    if path is None:
        return None
    return read_measurements(path, profile, find_energy_model(energy_model).name).adapted.adaptation
