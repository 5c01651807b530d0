"""Listing: one page of stored designs, every figure already worded, and the figures of their chart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from design.constraints import Constraints
from service.dashboard.charts import DesignFigures
from service.dashboard.filters import Filters
from service.designs import repository
from service.designs.schemas import DesignFilter, DesignSort
from service.models import DesignRow
from service.problems import Refusal
from service.units import kilobytes, millijoules, milliseconds, percent
from service.verdicts import bound

PAGE = 25
CHOICES = 500
"""Most tasks, devices or spaces offered to choose from."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure and the limit it was designed under, if one was set."""

    value: str
    limit: str | None


@dataclass(frozen=True, kw_only=True)
class DesignLine:
    """One stored design, worded."""

    id: str
    name: str
    device: str
    task: str
    made: str
    made_iso: str
    accuracy: Cell
    latency: Cell
    energy: Cell
    model: Cell
    memory: Cell


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Everything that `designs.html` shows.

    Attributes:
        matching: Designs that pass the filters.
        stored: Designs there are.
        first: Query of the first page.
        following: Query of the next page; None on the last one.
    """

    filters: Filters
    lines: tuple[DesignLine, ...]
    matching: int
    stored: int
    first: str
    following: str | None
    tasks: tuple[str, ...]
    devices: tuple[str, ...]
    spaces: tuple[str, ...]


def read_listing(session: Session, filters: Filters) -> Listing:
    """One page of the list; a cursor that does not fit begins again."""
    wanted = filters.wanted()
    try:
        rows, after = repository.listed(session, wanted, filters.sort, PAGE, filters.cursor or None)
    except Refusal:
        filters = replace(filters, cursor="")
        rows, after = repository.listed(session, wanted, filters.sort, PAGE, None)
    return Listing(
        filters=filters,
        lines=tuple(_line(row) for row in rows),
        matching=repository.count(session, wanted),
        stored=repository.count(session, DesignFilter()),
        first=replace(filters, cursor="").query(),
        following=replace(filters, cursor=after).query() if after else None,
        tasks=_choices(session, DesignRow.task),
        devices=_choices(session, DesignRow.device_name),
        spaces=_choices(session, DesignRow.space),
    )


def read_figures(session: Session, filters: Filters, most: int) -> list[DesignFigures]:
    """The newest designs that pass the filters, for the chart."""
    rows, _ = repository.listed(session, filters.wanted(), DesignSort.NEWEST, most, None)
    return [
        DesignFigures(
            id=row.id,
            name=row.name,
            device=row.device_name,
            task=row.task,
            latency_ms=row.latency_ms,
            energy_mj=row.energy_mj,
            accuracy=row.accuracy,
            model_bytes=row.model_bytes,
        )
        for row in rows
    ]


def _choices(session: Session, column: InstrumentedAttribute[Any]) -> tuple[str, ...]:
    found = session.scalars(select(column).where(column.is_not(None)).distinct().order_by(column).limit(CHOICES))
    return tuple(str(one) for one in found)


def _line(row: DesignRow) -> DesignLine:
    stated = Constraints.model_construct(**row.limits).limits()  # as it was asked, whatever is refused by now
    limits: dict[str, str] = {name: bound(name, value) for name, value in stated.items()}
    return DesignLine(
        id=row.id,
        name=row.name,
        device=row.device_name,
        task=row.task,
        made=row.created_at.strftime("%Y-%m-%d %H:%M"),
        made_iso=row.created_at.isoformat(timespec="seconds"),
        accuracy=Cell(value=percent(row.accuracy), limit=limits.get("min_accuracy")),
        latency=Cell(value=milliseconds(row.latency_ms), limit=limits.get("latency_ms")),
        energy=Cell(value=millijoules(row.energy_mj), limit=limits.get("energy_mj")),
        model=Cell(value=kilobytes(row.model_bytes), limit=limits.get("model_kb")),
        memory=Cell(value=kilobytes(row.peak_memory_bytes), limit=limits.get("peak_memory_kb")),
    )
