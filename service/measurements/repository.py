"""Measurements of own devices in the database."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from service.ids import new_id
from service.measurements.sources import Figures, MeasuredNetwork
from service.models import DeviceRow, MeasurementRow, now

PREFIX = "msr"


def new_rows(device_id: str, inputs: Sequence[Figures], networks: Sequence[MeasuredNetwork]) -> list[MeasurementRow]:
    """Rows that are not stored yet, with their ids in the order given."""
    moment = now()
    return [
        MeasurementRow(
            id=new_id(PREFIX),
            device_id=device_id,
            created_at=moment,
            name=network.name,
            task=network.task,
            key=network.key,
            source=network.source,
            latency_ms=one.latency_ms,
            energy_mj=one.energy_mj,
            measured_at=one.measured_at,
            note=one.note,
        )
        for one, network in zip(inputs, networks, strict=True)
    ]


def add(session: Session, rows: Sequence[MeasurementRow]) -> None:
    """Store rows of a device that is locked; see `lock`."""
    columns = MeasurementRow.__table__.columns.keys()
    session.execute(insert(MeasurementRow), [{name: getattr(row, name) for name in columns} for row in rows])


def lock(session: Session, device_id: str) -> DeviceRow | None:
    """The device of that id, held until the transaction ends, so that its measurements change one after the other."""
    if not device_id.isprintable():
        return None
    return session.scalars(select(DeviceRow).where(DeviceRow.id == device_id).with_for_update()).one_or_none()


def settle(session: Session, device_id: str) -> None:
    """Write down how many measurements a locked device has, and the digest of their content."""
    columns = (MeasurementRow.key, MeasurementRow.latency_ms, MeasurementRow.energy_mj)
    rows = session.execute(select(*columns).where(MeasurementRow.device_id == device_id)).all()
    content = [(key, latency, energy) for key, latency, energy in rows]
    values = {"measured": len(content), "measured_digest": digest(content) if content else None}
    session.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(**values))


def digest(content: Sequence[tuple[str, float | None, float | None]]) -> str:
    """SHA-256 of (key, latency, energy) of every row: the same for the same rows, in whatever order they came."""
    lines = sorted(f"{key} {latency!r} {energy!r}" for key, latency, energy in content)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def every(session: Session, device_id: str) -> Sequence[MeasurementRow]:
    """All measurements of a device, oldest first."""
    query = select(MeasurementRow).where(MeasurementRow.device_id == device_id).order_by(MeasurementRow.id)
    return session.scalars(query).all()


def listed(session: Session, device_id: str, after: str | None, limit: int) -> Sequence[MeasurementRow]:
    """Measurements of a device, newest first.

    Args:
        session: To read with.
        device_id: Whose.
        after: Only ids that sort before this one.
        limit: Most rows.
    """
    query = select(MeasurementRow).where(MeasurementRow.device_id == device_id)
    if after is not None:
        query = query.where(MeasurementRow.id < after)
    return session.scalars(query.order_by(MeasurementRow.id.desc()).limit(limit)).all()


def count(session: Session, device_id: str) -> int:
    """Measurements of a device."""
    query = select(func.count()).select_from(MeasurementRow).where(MeasurementRow.device_id == device_id)
    return session.scalar(query) or 0


def remove(session: Session, device_id: str, measurement_id: str) -> bool:
    """Delete one measurement of a device; whether there was one."""
    if not measurement_id.isprintable():
        return False
    row = MeasurementRow
    wanted = delete(row).where(row.device_id == device_id, row.id == measurement_id).returning(row.id)
    return session.execute(wanted).first() is not None


def remove_all(session: Session, device_id: str) -> None:
    """Delete all measurements of a device."""
    session.execute(delete(MeasurementRow).where(MeasurementRow.device_id == device_id))
