"""Stored designs in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from optimizer.problem import Answer, FrontPoint, Problem
from service.designs.schemas import DesignFilter, DesignSort, Versions
from service.devices.schemas import RestsOn
from service.ids import new_id
from service.models import DesignRow
from service.names import mentions
from service.paging import Key, from_cursor, to_cursor

PREFIX = "dsn"
KILOBYTE = 1_000
_EVERYTHING = (DesignRow.device, DesignRow.versions, DesignRow.design, DesignRow.prediction, DesignRow.front)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks.

    Attributes:
        device_id: None for an inline profile.
        rests_on: The measurements of the device that the problem's adaptation is derived from.
    """

    device_id: str | None
    rests_on: RestsOn | None
    problem: Problem


def add(session: Session, asked: Asked, answer: Answer, versions: Versions) -> DesignRow:
    """Store an answer with what was asked."""
    design, prediction, problem = answer.design, answer.prediction, asked.problem
    row = DesignRow(
        id=new_id(PREFIX),
        name=design.architecture.name,
        digest=design.digest,
        task=problem.task.name,
        space=design.genotype.space if design.genotype else None,
        device_id=asked.device_id,
        device_name=problem.device.name,
        device=problem.device.model_dump(mode="json"),
        measurements=asked.rests_on.model_dump(mode="json") if asked.rests_on else None,
        limits=problem.constraints.model_dump(mode="json"),
        preferences=problem.preferences.model_dump(mode="json"),
        spaces=list(problem.spaces),
        seed=answer.seed,
        energy_model=prediction.energy_model,
        method=problem.method,
        approach=answer.approach,
        evaluations=answer.evaluations,
        accuracy_basis=prediction.accuracy_basis,
        accuracy=prediction.known_accuracy.value,
        latency_ms=prediction.latency_ms.value,
        energy_mj=prediction.energy_mj.value,
        model_bytes=prediction.model_bytes,
        peak_memory_bytes=prediction.peak_memory_bytes,
        versions=versions.model_dump(mode="json"),
        design=design.model_dump(mode="json"),
        prediction=prediction.model_dump(mode="json"),
        front=_dumped(answer.front or ()),
    )
    session.add(row)
    session.flush()
    return row


def keep_front(session: Session, design_id: str, points: Sequence[FrontPoint]) -> None:
    """Store the front of a design that has none yet."""
    row = session.get(DesignRow, design_id, with_for_update=True)
    if row is not None and not row.front:
        row.front = _dumped(points)


def _dumped(points: Sequence[FrontPoint]) -> list[dict[str, Any]]:
    return [point.model_dump(mode="json") for point in points]


def find(session: Session, design_id: str) -> DesignRow | None:
    """The design of that id with all its documents."""
    if not design_id.isprintable():
        return None
    options = [undefer(attribute) for attribute in _EVERYTHING]
    return session.scalars(select(DesignRow).where(DesignRow.id == design_id).options(*options)).one_or_none()


def remove(session: Session, design_id: str) -> bool:
    """Delete the design of that id; whether there was one."""
    if not design_id.isprintable():
        return False
    found = session.execute(delete(DesignRow).where(DesignRow.id == design_id).returning(DesignRow.id))
    return found.first() is not None


def count(session: Session, wanted: DesignFilter) -> int:
    """Designs that pass the filter."""
    return session.scalar(select(func.count()).select_from(DesignRow).where(*_conditions(wanted))) or 0


def listed(
    session: Session, wanted: DesignFilter, sort: DesignSort, limit: int, cursor: str | None
) -> tuple[Sequence[DesignRow], str | None]:
    """One page of designs without their large documents, and the cursor of the next one."""
    column, falling = _column(sort), sort.value.startswith("-")
    by_id = column is DesignRow.id
    keys: list[InstrumentedAttribute[str] | InstrumentedAttribute[float]] = [DesignRow.id]
    if not by_id:
        keys.insert(0, column)
    query = select(DesignRow).where(*_conditions(wanted)).limit(limit + 1)
    query = query.order_by(*(key.desc() if falling else key.asc() for key in keys))
    if cursor is not None:
        place = from_cursor(cursor, sort.value, (str,) if by_id else (float, str))
        after = tuple_(*keys)
        query = query.where(after < place if falling else after > place)
    rows = session.scalars(query).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    key: Key = (last.id,) if by_id else (getattr(last, column.key), last.id)
    return rows[:limit], to_cursor(sort.value, key)


def _column(sort: DesignSort) -> InstrumentedAttribute[str] | InstrumentedAttribute[float]:
    name = sort.value.removeprefix("-")
    found: InstrumentedAttribute[str] | InstrumentedAttribute[float]
    found = DesignRow.id if name == "created_at" else getattr(DesignRow, name)  # ids sort by time
    return found


def _conditions(wanted: DesignFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.task is not None:
        found.append(DesignRow.task == wanted.task)
    if wanted.space is not None:
        found.append(DesignRow.space == wanted.space)
    if wanted.device is not None:
        found.append(or_(DesignRow.device_id == wanted.device, mentions(DesignRow.device_name, wanted.device)))
    if wanted.min_accuracy is not None:
        found.append(DesignRow.accuracy >= wanted.min_accuracy)
    if wanted.max_latency_ms is not None:
        found.append(DesignRow.latency_ms <= wanted.max_latency_ms)
    if wanted.max_energy_mj is not None:
        found.append(DesignRow.energy_mj <= wanted.max_energy_mj)
    if wanted.max_model_kb is not None:
        found.append(DesignRow.model_bytes <= wanted.max_model_kb * KILOBYTE)
    return found
