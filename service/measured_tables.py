"""Measured tables: measurements, what they did and proxies, as the terminal shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from service.measured_files import MeasuredFile
from service.measurements.documents import adaptation_document, measurement_document
from service.measurements.schemas import AdaptationDocument, ErrorFigures, FigureVerdict, Suggestion
from service.models import MeasurementRow
from service.proxies.schemas import ProxyDocument
from service.tables import new_table
from service.units import DASH, millijoules, milliseconds, percent
from service.wording import factor

MOST_VERDICTS = 30
"""Values shown that do not count in full."""


def measured_view(name: str, file: MeasuredFile, next_ones: Sequence[Suggestion]) -> Group:
    """Measurements of a device: errors before and after, what became of each row, what to measure next."""
    document = adaptation_document(file.adapted)
    count = len(file.rows)
    head = Text(f"{count:,} measurement{'' if count == 1 else 's'} of {name}\n", style="bold")
    parts: list[RenderableType] = [head, error_table(document), ""]
    parts += [Text(sentence) for sentence in document.advice]
    parts += [""] if document.advice else []
    parts += [verdict_table(file), "", suggestion_table(next_ones)]
    return Group(*parts)


def measured_document(file: MeasuredFile, next_ones: Sequence[Suggestion]) -> dict[str, Any]:
    """The same as JSON values."""
    items = [measurement_document(row, file.adapted.verdicts[row.id]) for row in file.rows]
    return {
        "items": [one.model_dump(mode="json", exclude={"id", "created_at"}) for one in items],
        "adaptation": adaptation_document(file.adapted).model_dump(mode="json"),
        "next": [one.model_dump(mode="json") for one in next_ones],
    }


def error_table(document: AdaptationDocument) -> RenderableType:
    """How far predictions are from the measurements, before and after."""
    columns = ("figure", "networks", "median error", "within 10 %", "rank correlation")
    found = new_table("Errors, before -> after (each network predicted from the others)", *columns)
    for label, figure in (("Latency", document.latency), ("Energy", document.energy)):
        if figure.before is None:
            continue
        before, after = _words(figure.before), _words(figure.after)
        pairs = (f"{one} -> {other}" for one, other in zip(before, after, strict=True))
        found.add_row(label, f"{figure.before.count:,}", *pairs)
    return found if found.row_count else Text("No measurement could be compared.")


def _words(errors: ErrorFigures | None) -> tuple[str, str, str]:
    if errors is None:
        return (DASH, DASH, DASH)
    rank = DASH if errors.spearman is None else f"{errors.spearman:.3f}"
    return (percent(errors.median_error), percent(errors.within_10), rank)


def verdict_table(file: MeasuredFile) -> RenderableType:
    """How many measured values count, and why the others do not in full."""
    told = file.adapted.verdicts
    uses = Counter(verdict.use for row in file.rows for verdict in told[row.id])
    counts = ", ".join(f"{count:,} {use}" for use, count in uses.most_common())
    doubtful = [
        (line, row, verdict)
        for line, row in zip(file.lines, file.rows, strict=True)
        for verdict in told[row.id]
        if verdict.use != "used"
    ]
    if not doubtful:
        return Text(f"Measured values: {counts}.")
    found = new_table(f"Measured values: {counts}", "line", "network", "measured", "use", "why", left=5)
    for line, row, verdict in doubtful[:MOST_VERDICTS]:
        found.add_row(f"{line}", Text(row.name), measured_value(row, verdict), verdict.use, Text(verdict.reason))
    if len(doubtful) > MOST_VERDICTS:
        found.add_row("", f"{len(doubtful) - MOST_VERDICTS:,} more", "", "", "")
    return found


def measured_value(row: MeasurementRow, verdict: FigureVerdict) -> str:
    """The figure that a verdict is about, with its unit."""
    value = getattr(row, verdict.figure)
    return milliseconds(value) if verdict.figure == "latency_ms" else millijoules(value)


def suggestion_table(next_ones: Iterable[Suggestion]) -> RenderableType:
    """Networks worth measuring next, with the high over the low end of the 90 % interval of latency."""
    found = new_table("Measure next", "network", "task", "interval now", "and then", left=2)
    for one in next_ones:
        found.add_row(Text(one.name), one.task, factor(one.spread_before), factor(one.spread_after))
    return found


def proxy_table(name: str, documents: Iterable[ProxyDocument]) -> RenderableType:
    """Devices that may stand in for one, the best first."""
    found = new_table(f"Proxies of {name}", "device", "verdict", "why", left=3)
    limits = False
    for one in documents:
        least = min(one.spaces, key=lambda space: (space.basis != "measured", space.expected.low, space.rank.rho))
        words = one.explanation
        if least.limit is not None:
            limits = True
            place = "no design keeps it" if least.limit.proxy_ms is None else milliseconds(least.limit.proxy_ms)
            words += f" The limit there: {place}."
        found.add_row(Text(one.id), one.verdict, Text(words))
    return found if found.row_count or limits else Text("No device matches.")
