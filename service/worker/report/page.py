"""Page: a job's report as one HTML file that opens from a disk, without network and without scripts."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from networks.training.monitor.figure import edge_figure
from networks.training.monitor.record import MonitorRecord
from service.dashboard.glance import strip
from service.release import RELEASE
from service.units import DASH, TIMES, count, kilobytes, milliseconds, percent, shape, significant
from service.wording import BASES, assumed_value, bits, filters, operation
from service.worker.report.document import Comparison, JobReport, Training
from service.worker.report.figures import Band, Plot, band, significance_plot, training_plots

BYTES, FRACTION = "bytes", "fraction"
NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'
"""Of no use within HTML."""

_environment = Environment(
    loader=PackageLoader("service.worker.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {
    "bits": bits,
    "filters": filters,
    "operation": operation,
    "shape": shape,
    "count": count,
    "kilobytes": kilobytes,
    "milliseconds": milliseconds,
    "percent": percent,
    "significant": significant,
    "assumed_value": assumed_value,
    "times": TIMES,
    "dash": DASH,
}


@dataclass(frozen=True, kw_only=True)
class ComparedLine:
    """A comparison in words."""

    name: str
    predicted: str
    interval: str
    measured: str
    verdict: str
    kept: bool | None
    how: str
    band: Band | None


@dataclass(frozen=True, kw_only=True)
class WatchedTraining:
    """A training with its pictures.

    Attributes:
        edge: Curvature against the threshold of stability, as one SVG element; empty where nothing was read.
        words: What the readings mean; the last sentence says how the training stood at its end.
    """

    training: Training
    plots: tuple[Plot, ...]
    edge: Markup
    words: tuple[str, ...]


def report_page(report: JobReport) -> str:
    """The report as HTML."""
    template = _environment.get_template("report.html")
    return template.render(
        report=report,
        strip=strip(report.layers),
        compared=[compared_line(one) for one in report.comparisons],
        trainings=[watched(training) for training in report.trainings],
        significance=significance_plot(report.significance),
        basis=BASES[report.prediction.accuracy_basis],
        version=RELEASE,
    )


def watched(training: Training) -> WatchedTraining:
    """A training with what its monitor saw, where it had one."""
    record = None if training.monitor is None else MonitorRecord.from_json(training.monitor)
    words = () if record is None else tuple(verdict.words for verdict in record.verdicts)
    if record is not None and record.start is not None:
        words = (record.start.words, *words)
    edge = Markup("") if record is None else Markup(edge_figure(record).replace(NAMESPACE, ""))
    return WatchedTraining(training=training, plots=training_plots(training), edge=edge, words=words)


def compared_line(comparison: Comparison) -> ComparedLine:
    """A comparison as the table shows it."""
    interval, predicted = comparison.interval, comparison.predicted
    verdict = ""
    if interval is not None:
        share = f"{interval.coverage * 100:.0f} % interval"
        verdict = f"inside the {share}" if comparison.inside else f"outside the {share}"
    elif predicted:
        verdict = f"{100 * (comparison.measured / predicted - 1):+.1f} % of the count"
    return ComparedLine(
        name=comparison.name,
        predicted=DASH if predicted is None else written(predicted, comparison.unit),
        interval=DASH
        if interval is None
        else f"{written(interval.low, comparison.unit)} to {written(interval.high, comparison.unit)}",
        measured=written(comparison.measured, comparison.unit),
        verdict=verdict or "nothing was predicted",
        kept=comparison.inside,
        how=comparison.how,
        band=band(comparison),
    )


def written(value: float, unit: str) -> str:
    """A figure with its unit."""
    if unit == FRACTION:
        return percent(value)
    return kilobytes(value) if unit == BYTES else milliseconds(value)
