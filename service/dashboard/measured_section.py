"""MeasuredSection: what was measured on a device, what it did, what to measure next, and proxies, already worded."""

from __future__ import annotations

from dataclasses import dataclass

from design.device import DeviceProfile
from optimizer.problem import DEFAULT_ENERGY_MODEL
from service.context import Context
from service.gate import Busy
from service.measurements import repository, suggestions
from service.measurements.documents import adaptation_document
from service.measurements.schemas import ErrorFigures, FigureVerdict
from service.models import DeviceRow, MeasurementRow
from service.proxies import operations as proxies
from service.proxies.schemas import ProxyDocument
from service.units import DASH, millijoules, milliseconds, percent
from service.wording import factor

LINES = 25
PROXIES = 5


@dataclass(frozen=True, kw_only=True)
class MeasuredLine:
    """One measurement and what became of it."""

    name: str
    task: str
    latency: str
    energy: str
    uses: tuple[tuple[str, str], ...]
    stored: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ErrorLine:
    """Errors of one figure, before and after."""

    figure: str
    networks: str
    before: tuple[str, str, str]
    after: tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class NextLine:
    """A network worth measuring."""

    name: str
    task: str
    now: str
    then: str


@dataclass(frozen=True, kw_only=True)
class ProxyLine:
    """A device that may stand in."""

    name: str
    href: str
    verdict: str
    rank: str
    expected: str
    explanation: str


@dataclass(frozen=True, kw_only=True)
class MeasuredSection:
    """What `device.html` shows of measurements and proxies.

    Attributes:
        count: Measurements stored.
        own: They are kept with this very device; else a copy of it is made.
        uses: How many values are used, down-weighted and set aside, in words.
    """

    count: int
    own: bool
    uses: str
    errors: tuple[ErrorLine, ...]
    advice: tuple[str, ...]
    lines: tuple[MeasuredLine, ...]
    following: tuple[NextLine, ...]
    proxies: tuple[ProxyLine, ...]
    action: str
    api_href: str
    suggestions_href: str
    proxies_href: str


def measured_section(
    context: Context, device_id: str, profile: DeviceProfile, row: DeviceRow | None
) -> MeasuredSection:
    """The measurements and proxies of a device, of the catalogue where there is no row of it."""
    found = context.adaptations.of(context.database, row, DEFAULT_ENERGY_MODEL) if row else None
    rows: list[MeasurementRow] = []
    keys: frozenset[str] = frozenset()
    if row is not None and found is not None:
        with context.database.reading() as session:
            everything = repository.every(session, row.id)
        rows, keys = list(everything[::-1][:LINES]), frozenset(one.key for one in everything)
    verdicts = found.verdicts if found else {}
    uses = [verdict.use for told in verdicts.values() for verdict in told]
    document = adaptation_document(found) if found else None
    figures = (("Latency", document.latency), ("Energy", document.energy)) if document else ()
    home = f"/v1/devices/{device_id}"
    return MeasuredSection(
        count=found.count if found else 0,
        own=row is not None,
        uses=", ".join(f"{uses.count(use):,} {use}" for use in dict.fromkeys(sorted(uses, reverse=True))),
        errors=tuple(
            ErrorLine(
                figure=label,
                networks=f"{figure.before.count:,}",
                before=_words(figure.before),
                after=_words(figure.after),
            )
            for label, figure in figures
            if figure.before is not None
        ),
        advice=document.advice if document else (),
        lines=tuple(_line(one, verdicts.get(one.id, ())) for one in rows),
        following=tuple(
            NextLine(name=one.name, task=one.task, now=factor(one.spread_before), then=factor(one.spread_after))
            for one in suggestions.suggest(
                profile,
                found.adaptation if found else None,
                keys,
                task=rows[0].task if rows else suggestions.DEFAULT_TASK,
                space=None,
                count=suggestions.DEFAULT,
            )
        ),
        proxies=_proxies(context, device_id),
        action=f"/devices/{device_id}/measurements",
        api_href=f"{home}/measurements",
        suggestions_href=f"{home}/measurements/suggestions",
        proxies_href=f"{home}/proxies",
    )


def _proxies(context: Context, device_id: str) -> tuple[ProxyLine, ...]:
    """The best ones; none while too much else is under way."""
    try:
        found = proxies.every(context, device_id)
    except Busy:
        return ()
    return tuple(_proxy_line(document) for _, document in found[:PROXIES])


def _proxy_line(document: ProxyDocument) -> ProxyLine:
    measured = [space for space in document.spaces if space.basis == "measured"]
    least = min(measured or document.spaces, key=lambda space: (space.expected.low, space.rank.rho))
    return ProxyLine(
        name=document.name,
        href=f"/devices/{document.id.partition('@')[0]}",
        verdict=document.verdict,
        rank=f"{least.rank.rho:.3f} {least.basis}",
        expected=f"{least.expected.low:.2f} to {least.expected.high:.2f}",
        explanation=document.explanation,
    )


def _line(row: MeasurementRow, told: tuple[FigureVerdict, ...]) -> MeasuredLine:
    return MeasuredLine(
        name=row.name,
        task=row.task,
        latency=DASH if row.latency_ms is None else milliseconds(row.latency_ms),
        energy=DASH if row.energy_mj is None else millijoules(row.energy_mj),
        uses=tuple((verdict.use, verdict.reason) for verdict in told),
        stored=row.created_at.strftime("%Y-%m-%d %H:%M"),
        note=row.note or "",
    )


def _words(errors: ErrorFigures | None) -> tuple[str, str, str]:
    """Median error, share within 10 %, rank correlation."""
    if errors is None:
        return (DASH, DASH, DASH)
    rank = DASH if errors.spearman is None else f"{errors.spearman:.3f}"
    return (percent(errors.median_error), percent(errors.within_10), rank)
