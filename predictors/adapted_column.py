"""Adapted column: one measured figure of a device after conditioning - deviations, verdicts, errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from design.encoding import EncodedDesigns, FloatArray, IntArray
from predictors.deviations import NOTHING, DeviationPrior, Deviations, condition
from predictors.measurement_verdicts import (
    REPEATS_AGREE,
    Figure,
    MeasurementVerdict,
    advice,
    grid_of,
    grouped,
    is_constant,
    verdicts,
)

_LEAST_RANKED = 3


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How well predictions meet the measurements that count (those set aside do not).

    Attributes:
        count: Designs.
        mape_median: Median of |predicted / measured - 1|.
        within_10: Share within 10 %.
        srcc: Spearman's rank correlation; None below three designs or where all values are equal.
    """

    count: int
    mape_median: float
    within_10: float
    srcc: float | None


def _srcc(predicted: FloatArray, measured: FloatArray) -> float | None:
    if len(measured) < _LEAST_RANKED or np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return None
    return float(np.corrcoef(rankdata(predicted), rankdata(measured))[0, 1])


def _errors(log_predicted: FloatArray, log_measured: FloatArray) -> Errors | None:
    if len(log_measured) == 0:
        return None
    relative = np.abs(np.expm1(log_predicted - log_measured))
    return Errors(
        count=len(log_measured),
        mape_median=float(np.median(relative)),
        within_10=float((relative <= 0.1).mean()),
        srcc=_srcc(log_predicted, log_measured),
    )


@dataclass(frozen=True, kw_only=True)
class AdaptedColumn:
    """One measured figure after conditioning.

    Attributes:
        positions, log_left_out: n, measurements that count and what the others say of each (log, of the figure).
        before, after: Errors without any measurement, and from the other measurements (leave one out).
    """

    positions: IntArray
    log_left_out: FloatArray
    deviations: Deviations
    verdicts: list[MeasurementVerdict]
    before: Errors | None
    after: Errors | None
    advice: list[str]

    def advised(self, sentences: list[str]) -> AdaptedColumn:
        """The same with other advice."""
        return replace(self, advice=sentences)


def adapt_column(
    figure: Figure,
    designs: EncodedDesigns,
    positions: IntArray,
    values: FloatArray,
    prior: DeviationPrior,
    predicted: FloatArray,
    traits: FloatArray,
    left_out_value: FloatArray,
    before: FloatArray | None = None,
    aside: str = "",
    added_variance: FloatArray | None = None,
    shift: FloatArray | None = None,
    scatter: FloatArray | None = None,
) -> AdaptedColumn:
    """Condition one figure.

    Args:
        figure: Latency or energy.
        designs: The n designs measured.
        positions: n, among all measurements.
        values: n.
        prior: Of the deviation.
        predicted: n, what the deviations are taken from.
        traits: n x K, of the deviations.
        left_out_value: n, better leave-one-out predictions; NaN where there is none.
        before: n, predictions without any measurement, where these are not `predicted`.
        aside: Why none of the values counts, if so.
        added_variance: n, of each deviation beside the common noise.
        shift: n, log that turns `predicted` into what was predicted without this very design's measurements.
        scatter: n, of each design in units of the prior's noise; 1 for all if None.
    """
    groups, grid = grouped(designs, values), grid_of(values)
    one = groups.first
    deviation = groups.log_value - np.log(predicted[one])
    added = grid**2 / 12 / np.exp(2 * groups.log_value) if grid > 0 else np.zeros(len(one))
    added = added + np.where(groups.ratio > REPEATS_AGREE, (np.log(groups.ratio) / 2) ** 2, 0.0)
    if is_constant(values, predicted):
        added = added + float(np.var(np.log(predicted)))
        fixed = prior.variances * (np.arange(len(prior.variances)) == 0)
        prior = DeviationPrior(variances=np.maximum(fixed, 1e-12), noise=prior.noise)
    if added_variance is not None:
        added = added + added_variance[one]
    if aside:
        added = np.full(len(one), NOTHING)
    found = condition(prior, traits[one], deviation, added, None if scatter is None else scatter[one])
    extra = np.where(groups.ratio > REPEATS_AGREE, found.added, np.maximum(found.added - added, 0.0))
    left_out = np.log(predicted[one]) + found.left_out
    told = verdicts(figure, positions, values, groups, left_out, np.where(found.added >= NOTHING, NOTHING, extra))
    if aside:
        told = [replace(verdict, verdict="set aside", reason=aside) for verdict in told]
    better = np.log(left_out_value[one])
    after = np.where(np.isnan(better), left_out if shift is None else left_out + shift[one], better)
    counts = found.added < NOTHING
    without = predicted if before is None else before
    return AdaptedColumn(
        positions=positions[one][counts],
        log_left_out=after[counts],
        deviations=found,
        verdicts=told,
        before=_errors(np.log(without[one])[counts], groups.log_value[counts]),
        after=_errors(after[counts], groups.log_value[counts]) if len(one) > 1 else None,
        advice=list(advice(figure, values, without, groups, grid, float(np.median(deviation)))),
    )
