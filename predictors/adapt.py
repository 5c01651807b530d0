"""Adapt: a device from measurements of any designs - closed form, deterministic, no gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.errors import BespokeError
from predictors.adapted_column import Errors, adapt_column
from predictors.cell_posterior import cell_posterior
from predictors.costs import LATENCY, Costs, costs_of
from predictors.descriptor import Descriptor
from predictors.design_posterior import DesignPosterior, PosteriorMaker
from predictors.deviations import Deviations
from predictors.energy_adaptation import EnergyAdaptation, adapt_energy
from predictors.measurement import Measurements
from predictors.measurement_verdicts import (
    MeasurementVerdict,
)
from predictors.ncnn_posterior import ncnn_posterior
from predictors.power_effects import PowerEffects
from predictors.predictor import Estimates
from predictors.price_model import runtime_class
from predictors.universal import UniversalLatency

DEFAULT_ENERGY_MODEL = "horowitz"
VERSION = "3"
MAKERS: tuple[PosteriorMaker, ...] = (cell_posterior, ncnn_posterior)
"""Asked in turn for designs that they know better than the general form; the first that answers counts."""
_LEAST_RANKED = 3


class OtherDevice(BespokeError):
    """Predictions asked for another device than the one measured."""


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
        latency, energy: What the measurements say of the device's time and power; None if not measured.
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
    energy: EnergyAdaptation | None
    latency_count: int
    energy_count: int
    posteriors: tuple[DesignPosterior, ...] = ()

    def latency_ms(self, designs: EncodedDesigns, costs: Costs) -> Estimates:
        """Latency of N designs, given their costs before any measurement."""
        widening = costs.model.weights.widening(self.latency_count, runtime_class(self.device))
        found = _moved(costs, self.latency, widening)
        open_ = np.ones(len(designs), dtype=bool)
        for own in self.posteriors:
            index = np.flatnonzero(open_ & own.answers(designs))
            if len(index):
                better = own.latency_ms(designs.take(index))
                median, spread = found.median.copy(), found.spread.copy()
                median[index], spread[index] = better.median, better.spread
                common = _common(found, better, index)
                found = Estimates(median=median, spread=spread, scale="log", common_spread=common)
                open_[index] = False
        return found

    def energy_mj(self, costs: Costs, latency_ms: Estimates) -> Estimates:
        """Energy of N designs, given their costs before any measurement and their latency as adapted."""
        return costs.energy_mj(latency_ms) if self.energy is None else self.energy.energy_mj(costs, latency_ms)


def _common(found: Estimates, better: Estimates, index: IntArray) -> FloatArray | None:
    """The common spreads after `better` answered for the designs at `index`; NaN where there is none."""
    if found.common_spread is None and better.common_spread is None:
        return None
    own = np.full(len(found.median), np.nan) if found.common_spread is None else found.common_spread.copy()
    own[index] = np.nan if better.common_spread is None else better.common_spread
    return own


def _moved(costs: Costs, deviations: Deviations | None, widening: float = 1.0) -> Estimates:
    """Latency after the deviation of the device; the spread is widened by what chips left out showed."""
    prior = costs.latency_ms
    if deviations is None:
        return prior
    mean, variance = deviations.predict(costs.traits, costs.scatter)
    return Estimates(median=prior.median * np.exp(mean), spread=widening * np.sqrt(variance), scale="log")


def adapt(
    device: Descriptor,
    measurements: Measurements,
    *,
    energy_model: str = DEFAULT_ENERGY_MODEL,
    power: PowerEffects | None = None,
    model: UniversalLatency = LATENCY,
) -> Adaptation:
    """What n measurements say of a device.

    Repeats of one design count once, by their median. A measurement that the others contradict is down-weighted or
    set aside, and said so; nothing is lost, since the verdicts name every value.

    Args:
        device: What was measured.
        measurements: n >= 0.
        energy_model: That energies are predicted under.
        power: How kinds of devices deviate from the closed form of energy; None = as shipped.
        model: What predicts latency before the measurements.

    Raises:
        UnknownName: No such energy model.
    """
    designs, nothing = measurements.designs, np.full(len(measurements), np.nan)
    costs = costs_of(designs, device, energy_model, power, model)
    timed, metered = measurements.latency_index, measurements.energy_index
    made = [maker(device, measurements) for maker in MAKERS] if len(timed) else []
    posteriors = tuple(one for one in made if one is not None)
    left_out = nothing
    for one in posteriors:
        left_out = np.where(np.isnan(left_out), one.left_out_ms, left_out)
    latency = energy = None
    adapted = costs.latency_ms.median
    believed, left_out_ms = np.zeros(len(measurements), dtype=bool), left_out.copy()
    if len(timed):
        latency = adapt_column(
            "latency_ms",
            designs.take(timed),
            timed,
            measurements.latency_ms[timed],
            costs.latency_prior,
            costs.latency_ms.median[timed],
            costs.traits[timed],
            left_out[timed],
            scatter=costs.scatter[timed],
        )
        adapted = _moved(costs, latency.deviations).median
        believed[[verdict.position for verdict in latency.verdicts if verdict.verdict == "used"]] = True
        left_out_ms[latency.positions] = np.exp(latency.log_left_out)
    if len(metered):
        time = latency.deviations if latency else None
        energy = adapt_energy(costs, measurements, adapted, time, believed, left_out_ms)
    columns = [column for column in (latency, energy.column if energy else None) if column is not None]
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
        energy_before=energy.column.before if energy else None,
        energy_after=energy.column.after if energy else None,
        advice=tuple(advised),
        energy_model=energy_model,
        latency=latency.deviations if latency else None,
        energy=energy if energy and len(energy.column.positions) else None,
        latency_count=len(timed),
        energy_count=len(metered),
        posteriors=posteriors,
    )
