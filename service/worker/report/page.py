"""Page: a job's report as one HTML file that opens from a disk, without network and without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined

from service.dashboard.glance import strip
from service.units import DASH, TIMES, count, kilobytes, milliseconds, percent, shape, significant
from service.wording import BASES, assumed_value, bits, filters, operation
from service.worker.report.document import Comparison, JobReport
from service.worker.report.figures import Band, band, significance_plot, training_plots

BYTES, FRACTION = "bytes", "fraction"

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


def report_page(report: JobReport) -> str:
    """The report as HTML."""
    template = _environment.get_template("report.html")
    return template.render(
        report=report,
        strip=strip(report.layers),
        compared=[compared_line(one) for one in report.comparisons],
        trainings=[(training, training_plots(training)) for training in report.trainings],
        significance=significance_plot(report.significance),
        basis=BASES[report.prediction.accuracy_basis],
        version=version("bespoke"),
    )


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
