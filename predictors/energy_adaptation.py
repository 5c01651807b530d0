"""Energy adaptation: what measured energies say of one device's power, in closed form, with what latencies say of time.

    log energy = log(static power x time + arithmetic + memory) + power traits . w + share of time x time traits . v

`w` is how the device's power deviates, with the learned prior of its kind; `v` is what the measured latencies left
open of its time. Where a design has both measured, its own time is known and the energy tells of the power alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray
from predictors.adapted_column import AdaptedColumn, adapt_column
from predictors.call_energy import POWER_TRAITS, CallEnergy
from predictors.costs import Costs
from predictors.descriptor import Descriptor
from predictors.deviations import DeviationPrior, Deviations
from predictors.measurement import Measurements
from predictors.measurement_verdicts import THOUSAND
from predictors.power_effects import PowerPrior
from predictors.predictor import Estimates

ABOVE_TDP, BELOW_IDLE = 1.5, 0.7
"""Power implied by energy and latency beyond these shares of the profile's figures is said to contradict it."""
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class EnergyAdaptation:
    """One device after measured energies.

    Attributes:
        prior: Of its power.
        deviations: Of [power traits, share of time x time traits] @ `basis`, from the mean of `prior`.
        basis: (POWER_TRAITS + TRAITS) square: turns them into coordinates of variance 1.
        time: What measured latencies said; None = none was measured.
        log_level: By how much the metered calls last longer than the roofline says.
        column: Verdicts, errors, advice.
    """

    prior: PowerPrior
    deviations: Deviations
    basis: FloatArray
    time: Deviations | None
    log_level: float
    column: AdaptedColumn

    def energy_mj(self, costs: Costs, latency_ms: Estimates) -> Estimates:
        """Energy of N designs that take `latency_ms` (N) as adapted."""
        call = costs.call_energy.lasting(1e-3 * latency_ms.median, costs.device, self.log_level)
        mean, variance = self.deviations.predict(_joint(call, coupled(costs.traits, costs.device)) @ self.basis)
        general, noise = costs.latency_ms.spread**2, costs.latency_prior.noise
        if self.time is not None:
            general, noise = self.time.predict(costs.traits, costs.scatter)[1], self.time.noise
        otherwise = latency_ms.spread**2 - general  # known better by other predictors, or widened
        variance = variance + call.time_share**2 * (noise * costs.scatter + otherwise)
        median = call.total * np.exp(call.traits @ self.prior.mean + mean)
        spread = np.sqrt(np.maximum(variance, self.deviations.noise))
        return Estimates(median=1e3 * median, spread=spread, scale="log")


def coupled(traits: FloatArray, device: Descriptor) -> FloatArray:
    """Traits of time that energy follows, N x TRAITS: without the level where power rests on an assumed peak."""
    if not device.static_per_call:
        return traits
    found = traits.copy()
    found[:, 0] = 0.0
    return found


def _joint(call: CallEnergy, time: FloatArray) -> FloatArray:
    return np.hstack([call.traits, call.time_share[:, None] * time])


def _factor(covariance: FloatArray) -> FloatArray:
    """Lower Cholesky factor; a posterior covariance may have lost definiteness in its last digits."""
    return np.asarray(np.linalg.cholesky(covariance + _TINY * np.eye(len(covariance))))


def _seconds(
    measured: Measurements, positions: IntArray, adapted_ms: FloatArray, believed: NDArray[np.bool_]
) -> FloatArray:
    """Seconds per call of the metered designs, n: measured (median of repeats) where believed, else as adapted."""
    found = 1e-3 * adapted_ms[positions]
    _, group = np.unique(measured.designs.row_ids, axis=0, return_inverse=True)
    group = np.asarray(group).reshape(-1)
    for place, position in enumerate(positions.tolist()):
        same = (group == group[position]) & believed
        if believed[position]:
            found[place] = 1e-3 * float(np.median(measured.latency_ms[same]))
    return np.asarray(found)


def adapt_energy(
    costs: Costs,
    measured: Measurements,
    adapted_ms: FloatArray,
    time: Deviations | None,
    believed: NDArray[np.bool_],
    left_out_ms: FloatArray,
) -> EnergyAdaptation:
    """Condition the power of a device on measured energies.

    Args:
        costs: Of the n designs measured.
        measured: n measurements, one energy at least.
        adapted_ms: n, latency given all measured latencies.
        time: What these said; None = none was measured.
        believed: n, whether a latency was measured and counts.
        left_out_ms: n, latency given the other measured latencies; NaN where none is known.
    """
    device, positions = costs.device, measured.energy_index
    prior = costs.power_prior
    latency = costs.latency_prior
    covariance = np.diag(latency.variances) if time is None else time.covariance
    noise = (latency.noise if time is None else time.noise) * costs.scatter[positions]
    seconds = _seconds(measured, positions, adapted_ms, believed)
    own = costs.call_energy.take(positions)
    roofline = costs.designs.total(costs.times.total)[positions]
    log_level = float(np.mean(np.log(1e-3 * adapted_ms[positions] / roofline)))
    call = own.lasting(seconds, device, log_level)
    known = believed[positions]
    joint = _joint(call, np.where(known[:, None], 0.0, coupled(costs.traits[positions], device)))
    power = len(POWER_TRAITS)
    basis = np.zeros((joint.shape[1],) * 2)
    basis[:power, :power], basis[power:, power:] = _factor(prior.covariance), _factor(covariance)
    predicted = 1e3 * call.total * np.exp(call.traits @ prior.mean)
    left_out = np.where(np.isnan(left_out_ms[positions]), adapted_ms[positions], left_out_ms[positions])
    energy = measured.energy_mj[positions]
    level = float(np.median(np.log(energy / predicted)))
    column = adapt_column(
        "energy_mj",
        measured.designs.take(positions),
        positions,
        energy,
        DeviationPrior(variances=np.ones(joint.shape[1]), noise=prior.noise),
        predicted,
        joint @ basis,
        np.full(len(positions), np.nan),
        before=costs.energy_mj(costs.latency_ms).median[positions],
        aside=_wrong_unit(level),
        added_variance=np.where(known, 0.0, call.time_share**2 * noise),
        shift=np.log(own.lasting(1e-3 * left_out, device, log_level).total / call.total),
    )
    advice = [*column.advice, *_implied_power(energy[known], 1e3 * seconds[known], device)]
    return EnergyAdaptation(
        prior=prior,
        deviations=column.deviations,
        basis=basis,
        time=time,
        log_level=log_level,
        column=column.advised(advice),
    )


def _wrong_unit(level: float) -> str:
    """Why a whole column does not count: a level that no device reaches (energies of one in 10^6 are 300 times off)."""
    ratio = float(np.exp(abs(level)))
    if ratio < THOUSAND[0]:
        return ""
    side, unit = ("above", "microjoules") if level > 0 else ("below", "joules")
    return (
        f"the energies are about {ratio:,.0f} times {side} what the profile and the measured time allow: {unit}? "
        "None of them counts."
    )


def _implied_power(energy_mj: FloatArray, latency_ms: FloatArray, device: Descriptor) -> list[str]:
    """Sentences where energy over latency contradicts the power that the profile states."""
    if not len(energy_mj):
        return []
    watts, profile, found = energy_mj / latency_ms, device.profile, []
    if profile.tdp_w is not None and bool((watts > ABOVE_TDP * profile.tdp_w).any()):
        count = int((watts > ABOVE_TDP * profile.tdp_w).sum())
        found.append(
            f"{count} of {len(watts)} energies imply up to {watts.max():.3g} W over the measured time, above "
            f"tdp_w = {profile.tdp_w:g}: check units and what the meter sees."
        )
    if profile.idle_w is not None and bool((watts < BELOW_IDLE * profile.idle_w).any()):
        count = int((watts < BELOW_IDLE * profile.idle_w).sum())
        found.append(
            f"{count} of {len(watts)} energies imply as little as {watts.min():.3g} W over the measured time, below "
            f"idle_w = {profile.idle_w:g}: the meter sees one rail, or idle power was subtracted. Predictions after "
            "these measurements mean the same."
        )
    return found
