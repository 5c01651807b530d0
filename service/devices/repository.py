"""The user's own devices in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from design.device import DeviceKind, DeviceProfile
from service.ids import new_id
from service.models import DeviceRow
from service.names import mentions

PREFIX = "dev"


def add(
    session: Session, profile: DeviceProfile, *, device_id: str | None = None, origin: str | None = None
) -> DeviceRow:
    """Store a profile.

    Args:
        session: To write with.
        profile: Of the device.
        device_id: A new id, made before; None = make one.
        origin: Address of the catalogue device it is a copy of.
    """
    row = DeviceRow(
        id=device_id or new_id(PREFIX),
        name=profile.name,
        kind=profile.kind.value,
        profile=profile.model_dump(mode="json"),
        origin=origin,
    )
    session.add(row)
    session.flush()
    return row


def find(session: Session, device_id: str) -> DeviceRow | None:
    """The device of that id."""
    return session.get(DeviceRow, device_id) if device_id.isprintable() else None


def remove(session: Session, device_id: str) -> bool:
    """Delete the device of that id; whether there was one."""
    if not device_id.isprintable():
        return False
    found = session.execute(delete(DeviceRow).where(DeviceRow.id == device_id).returning(DeviceRow.id))
    return found.first() is not None


def listed(
    session: Session, *, kind: DeviceKind | None, text: str, before: str | None, limit: int
) -> Sequence[DeviceRow]:
    """Own devices, newest first.

    Args:
        session: To read with.
        kind: Only devices of this kind.
        text: Part of the name, in any case; empty = all.
        before: Only ids that sort before this one.
        limit: Most rows.
    """
    query = select(DeviceRow).order_by(DeviceRow.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(DeviceRow.kind == kind.value)
    if text:
        query = query.where(mentions(DeviceRow.name, text))
    if before is not None:
        query = query.where(DeviceRow.id < before)
    return session.scalars(query).all()
