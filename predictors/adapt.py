"""Adapt: a device from measurements of any designs - closed form, deterministic, no gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.errors import BespokeError
from predictors.costs import Costs, costs_of
from predictors.descriptor import Descriptor
from predictors.design_posterior import DesignPosterior, PosteriorMaker
from predictors.deviations import NOTHING, DeviationPrior, Deviations, condition
from predictors.measurement import Measurements
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
from predictors.predictor import Estimates

DEFAULT_ENERGY_MODEL = "horowitz"
VERSION = "1"
MAKERS: tuple[PosteriorMaker, ...] = ()
"""Asked in turn for designs that they know better than the general form; the first that answers counts."""
_LEAST_RANKED = 3


class OtherDevice(BespokeError):
    """Predictions asked for another device than the one measured."""


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


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """One device after measurements.

    Attributes:
        device: What was measured.
        count: Measurements (designs with a latency, an energy or both) given.
        version: Raised whenever the same measurements may give another answer.
        verdicts: One per measured value.
        latency_before, energy_before: Errors of the predictions without the measurements; None if not measured.
        latency_after, energy_after: Errors of predictions from the other measurements (leave one out).
        advice: Sentences for people.
        energy_model: That energies were compared under.
        latency, energy: What the measurements say of the device; None if not measured.
        latency_count, energy_count: Values measured.
        posteriors: Predictors that know some designs especially well.
    """

    device: Descriptor
    count: int
    version: str
    verdicts: tuple[MeasurementVerdict, ...]
    latency_before: Errors | None
    latency_after: Errors | None
    energy_before: Errors | None
    energy_after: Errors | None
    advice: tuple[str, ...]
    energy_model: str
    latency: Deviations | None
    energy: Deviations | None
    latency_count: int
    energy_count: int
    posteriors: tuple[DesignPosterior, ...] = ()

    def latency_ms(self, designs: EncodedDesigns, costs: Costs) -> Estimates:
        """Latency of N designs, given their costs before any measurement."""
        found = _moved(costs.latency_ms, self.latency, costs.traits)
        open_ = np.ones(len(designs), dtype=bool)
        for own in self.posteriors:
            index = np.flatnonzero(open_ & own.answers(designs))
            if len(index):
                better = own.latency_ms(designs.take(index))
                median, spread = found.median.copy(), found.spread.copy()
                median[index], spread[index] = better.median, better.spread
                found = Estimates(median=median, spread=spread, scale="log")
                open_[index] = False
        return found

    def energy_mj(self, prior: Estimates, traits: FloatArray) -> Estimates:
        """Energy of N designs, given the estimates at the adapted latency."""
        return _moved(prior, self.energy, traits)


def _moved(prior: Estimates, deviations: Deviations | None, traits: FloatArray) -> Estimates:
    """Estimates after the deviation of the device."""
    if deviations is None:
        return prior
    mean, variance = deviations.predict(traits)
    return Estimates(median=prior.median * np.exp(mean), spread=np.sqrt(variance), scale="log")


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
class _Column:
    """One measured figure after conditioning."""

    deviations: Deviations
    verdicts: list[MeasurementVerdict]
    before: Errors | None
    after: Errors | None
    advice: list[str]


def _adapt_column(
    figure: Figure,
    designs: EncodedDesigns,
    positions: IntArray,
    values: FloatArray,
    prior: DeviationPrior,
    predicted: FloatArray,
    traits: FloatArray,
    left_out_value: FloatArray,
) -> _Column:
    """Condition one figure.

    Args:
        figure: Latency or energy.
        designs: The n designs measured.
        positions: n, among all measurements.
        values: n.
        prior: Of the deviation.
        predicted: n, before any measurement.
        traits: n x TRAITS.
        left_out_value: n, better leave-one-out predictions; NaN where there is none.
    """
    groups, grid = grouped(designs, values), grid_of(values)
    one = groups.first
    deviation = groups.log_value - np.log(predicted[one])
    added = grid**2 / 12 / np.exp(2 * groups.log_value)
    added = added + np.where(groups.ratio > REPEATS_AGREE, (np.log(groups.ratio) / 2) ** 2, 0.0)
    if is_constant(values, predicted):
        added = added + float(np.var(np.log(predicted)))
        fixed = prior.variances * (np.arange(len(prior.variances)) == 0)
        prior = DeviationPrior(variances=np.maximum(fixed, 1e-12), noise=prior.noise)
    found = condition(prior, traits[one], deviation, added)
    extra = np.where(groups.ratio > REPEATS_AGREE, found.added, np.maximum(found.added - added, 0.0))
    left_out = np.log(predicted[one]) + found.left_out
    told = verdicts(figure, positions, values, groups, left_out, np.where(found.added >= NOTHING, NOTHING, extra))
    better = np.log(left_out_value[one])
    after = np.where(np.isnan(better), left_out, better)
    counts = found.added < NOTHING
    return _Column(
        deviations=found,
        verdicts=told,
        before=_errors(np.log(predicted[one])[counts], groups.log_value[counts]),
        after=_errors(after[counts], groups.log_value[counts]) if len(one) > 1 else None,
        advice=list(advice(figure, values, predicted, groups, grid, float(np.median(deviation)))),
    )


def adapt(device: Descriptor, measurements: Measurements, *, energy_model: str = DEFAULT_ENERGY_MODEL) -> Adaptation:
    """What n measurements say of a device.

    Repeats of one design count once, by their median. A measurement that the others contradict is down-weighted or
    set aside, and said so; nothing is lost, since the verdicts name every value.

    Args:
        device: What was measured.
        measurements: n >= 0.
        energy_model: That energies are predicted under.

    Raises:
        UnknownName: No such energy model.
    """
    designs, nothing = measurements.designs, np.full(len(measurements), np.nan)
    costs = costs_of(designs, device, energy_model)
    timed, metered = measurements.latency_index, measurements.energy_index
    made = [maker(device, measurements) for maker in MAKERS] if len(timed) else []
    posteriors = tuple(one for one in made if one is not None)
    left_out = nothing
    for one in posteriors:
        left_out = np.where(np.isnan(left_out), one.left_out_ms, left_out)
    latency = energy = None
    adapted = costs.latency_ms.median
    if len(timed):
        latency = _adapt_column(
            "latency_ms",
            designs.take(timed),
            timed,
            measurements.latency_ms[timed],
            costs.latency_prior,
            costs.latency_ms.median[timed],
            costs.traits[timed],
            left_out[timed],
        )
        adapted = _moved(costs.latency_ms, latency.deviations, costs.traits).median
    if len(metered):
        energy = _adapt_column(
            "energy_mj",
            designs.take(metered),
            metered,
            measurements.energy_mj[metered],
            costs.energy_prior,
            costs.energy_mj(adapted).median[metered],
            costs.traits[metered],
            nothing[metered],
        )
    columns = [column for column in (latency, energy) if column is not None]
    advised = [sentence for column in columns for sentence in column.advice]
    if not columns:
        advised = ["Nothing was measured: predictions rest on the profile alone."]
    return Adaptation(
        device=device,
        count=len(np.union1d(timed, metered)),
        version=VERSION,
        verdicts=tuple(verdict for column in columns for verdict in column.verdicts),
        latency_before=latency.before if latency else None,
        latency_after=latency.after if latency else None,
        energy_before=energy.before if energy else None,
        energy_after=energy.after if energy else None,
        advice=tuple(advised),
        energy_model=energy_model,
        latency=latency.deviations if latency else None,
        energy=energy.deviations if energy else None,
        latency_count=len(timed),
        energy_count=len(metered),
        posteriors=posteriors,
    )
