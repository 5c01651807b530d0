"""Feedback: what a job measured, kept beside what was predicted, and given to the predictors.

The comparison stays with the job. The latency on the machine of the worker becomes a measurement of an own device that
stands for that machine, so that the next predictions for it use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from design.design import Design
from design.device import DeviceProfile
from service.devices import repository as devices
from service.measurements import repository as measurements
from service.measurements.sources import measured_design
from service.models import DeviceRow, JobRow, now

SAME = ("chip", "cores", "threads", "batch_size", "runtime")
"""Figures of a profile that tell machines apart; clock and free memory change from one look to the next."""
LONGEST_NOTE = 500
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """The latency of a job's model."""

    latency_ms: float
    measured_at: datetime
    note: str
    energy_mj: None = None


def keep(session: Session, row: JobRow, subject: Json, results: dict[str, Json]) -> None:
    """Write the comparison into a locked job that ends, and the latency into the measurements of its machine.

    Args:
        session: To write with.
        row: The job.
        subject: Its snapshot.
        results: Of its steps, as the engine recorded them.
    """
    reported = _result(results, "report")
    if reported is None or "comparisons" not in reported:
        return  # a job of other steps, which compare nothing
    row.result = {name: reported[name] for name in ("comparisons", "host", "pruning")}
    measured = _result(results, "measure")
    if measured is not None:
        device = _machine(session, DeviceProfile.model_validate(measured["host"]))
        _store(session, device, row.id, subject, measured)


def _result(results: dict[str, Json], step: str) -> Json | None:
    found: Json | None = results.get(step, {}).get("result")
    return found


def _machine(session: Session, profile: DeviceProfile) -> DeviceRow:
    """The own device that stands for a machine; stored at its first job."""
    wanted = [getattr(profile, name) for name in SAME]
    query = select(DeviceRow).where(DeviceRow.name == profile.name, DeviceRow.origin.is_(None)).order_by(DeviceRow.id)
    for row in session.scalars(query):
        if [row.profile.get(name) for name in SAME] == wanted:
            return row
    return devices.add(session, profile)


def _store(session: Session, device: DeviceRow, job_id: str, subject: Json, measured: Json) -> None:
    measurements.lock(session, device.id)
    note = f"{job_id}, {measured['note']}"[:LONGEST_NOTE]
    timed = Timed(latency_ms=float(measured["latency_ms"]), measured_at=now(), note=note)
    network = measured_design(Design.model_validate(subject["design"]), subject["task"])
    measurements.add(session, measurements.new_rows(device.id, [timed], [network]))
    measurements.settle(session, device.id)
