"""Fits UniversalLatency: prices on every measured table, deviations and intervals on chips left out of all of them.

`python -m predictors.fit_universal --data DIR` reproduces the shipped weights and their model card.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from design.encoding import FloatArray, IntArray
from predictors.design_traits import TRAITS, design_traits
from predictors.deviations import DeviationPrior, condition
from predictors.fit_price_model import PriceOptions, Timings, family_folds, fit_price_model, timings
from predictors.layer_terms import PARTS
from predictors.price_model import RUNTIMES, PriceModel
from predictors.random_effects import NORMAL_90
from predictors.roofline import layer_times
from predictors.storage import WEIGHTS
from predictors.timed_tables import TimedDevice, read_timed_devices
from predictors.universal import UniversalLatency
from predictors.universal_weights import FORM, KIND, UniversalWeights
from predictors.work_terms import priced_seconds

SEED, INNER_FOLDS = 0, 6
OPTIONS = PriceOptions()
SHARES = (0.4, 0.5, 0.6, 0.7, 0.8)
LEAST_GAIN, LEAST_FAMILIES = 0.1, 3
"""A runtime class of so many chip families has a share of its own where that lowers its error by this part."""
CALIBRATION_COUNTS = (0, 1, 3, 10, 20)
COVERAGE = 0.9
NOT_COUNTED = ("ncnn_cpu",)
"""Groups that another model answers for: they do not choose the share."""
START = np.array([0.8] + [0.1] * len(PARTS) + [0.25] + [0.004] * 4 + [0.012])
"""Variances that fitting starts from and is pulled to: level (of the squared spread), traits, noise."""
_PULL, _FREEDOM, _MOST_PAIRS, _DRAWS = 0.3, 4.0, 40, 2
_BOUNDS = (-9.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One timed device as predicted by models that saw no chip of its family.

    Attributes:
        one: The device.
        deviation: n, log measured over predicted.
        traits: n x TRAITS.
        spread: n, standard deviation before any measurement, not widened.
    """

    one: TimedDevice
    deviation: FloatArray
    traits: FloatArray
    spread: FloatArray


def mean_log_seconds(prices: PriceModel, one: TimedDevice, share: float) -> FloatArray:
    """Log seconds of the designs of one device, n: the mean that `UniversalLatency` takes."""
    rows = one.designs.rows
    priced = priced_seconds(rows, one.device, prices.prices(one.device))
    mixed = np.maximum(priced, 1e-30) ** share * layer_times(rows, one.device).total ** (1 - share)
    return np.asarray(np.log(one.designs.total(mixed)))


def left_out(one: TimedDevice, prices: PriceModel, shares: FloatArray) -> LeftOut:
    """Deviations of one device from a mean that has not seen it."""
    weights = UniversalWeights(prices=prices, shares=shares, variances=START, counts=np.zeros(1), widenings=np.ones(1))
    found = UniversalLatency(weights).mean_parts(one.designs, one.device)
    return LeftOut(
        one=one,
        deviation=np.log(1e-3 * one.latency_ms) - np.log(1e-3 * found.estimates.median),
        traits=design_traits(one.designs, found.times, one.device),
        spread=found.estimates.spread,
    )


def _choose_shares(data: Timings, fold: IntArray, models: Sequence[PriceModel]) -> FloatArray:
    """Share of the price model for each runtime class, RUNTIMES, by the median errors of left-out chips.

    One share for all classes (mean over groups of tables), and one of its own where a class gains by it.
    """
    errors: dict[tuple[int, str], list[FloatArray]] = {}
    for number, one in enumerate(data.devices):
        truth = np.log(1e-3 * one.latency_ms)
        away = [np.abs(mean_log_seconds(models[fold[number]], one, share) - truth) for share in SHARES]
        errors.setdefault((int(data.runtime[number]), one.group), []).append(np.stack(away))
    medians = {key: np.median(np.concatenate(own, axis=1), axis=1) for key, own in errors.items()}
    every = np.mean([own for (_, group), own in medians.items() if group not in NOT_COUNTED], axis=0)
    common = int(np.argmin(every))
    shares = np.full(len(RUNTIMES), SHARES[common])
    for runtime in range(len(RUNTIMES)):
        groups = [own for (number, _), own in medians.items() if number == runtime]
        families = {one.family for one, own in zip(data.devices, data.runtime, strict=True) if own == runtime}
        if len(families) >= LEAST_FAMILIES:
            mean = np.mean(groups, axis=0)
            best = int(np.argmin(mean))
            shares[runtime] = SHARES[best if mean[best] < (1 - LEAST_GAIN) * mean[common] else common]
    return shares


def fit_deviations(found: Sequence[LeftOut]) -> FloatArray:
    """Variances (TRAITS + 1) by maximum likelihood of a Student-t process with 4 degrees of freedom."""
    alike = Counter((own.one.group, own.one.family) for own in found)
    prepared = []
    for number, own in enumerate(found):
        chosen = np.random.default_rng([SEED, number]).permutation(len(own.deviation))[:_MOST_PAIRS]
        traits = own.traits[chosen].copy()
        traits[:, 0] *= own.one.device.latency_spread
        prepared.append((traits, own.deviation[chosen], alike[own.one.group, own.one.family] ** -0.5))
    start = np.log(START)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(logs)
        value, gradient = _PULL * float(((logs - start) ** 2).sum()), 2 * _PULL * (logs - start)
        for traits, deviation, weight in prepared:
            count = len(deviation)
            inverse = np.linalg.inv((traits * variances[:-1]) @ traits.T + variances[-1] * np.eye(count))
            solved = inverse @ deviation
            energy = float(deviation @ solved)
            fit = (_FREEDOM + count) * float(np.log1p(energy / (_FREEDOM - 2)))
            value += 0.5 * weight * (fit - float(np.linalg.slogdet(inverse)[1]))
            slope = inverse - (_FREEDOM + count) / (_FREEDOM - 2 + energy) * np.outer(solved, solved)
            own = np.append(((slope @ traits) * traits).sum(axis=0), np.trace(slope))
            gradient = gradient + 0.5 * weight * own * variances
        return value, gradient

    bounds = [_BOUNDS] * len(start)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(np.exp(best.x))


def adapted(own: LeftOut, variances: FloatArray, count: int, draw: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Deviations and spreads predicted after `count` random measurements, and which designs were asked for."""
    order = np.random.default_rng([SEED, count, draw]).permutation(len(own.deviation))
    seen, rest = order[:count], order[count:]
    if not count:
        return np.zeros(len(rest)), own.spread[rest], rest
    of = variances[:-1].copy()
    of[0] *= own.one.device.latency_spread**2
    prior = DeviationPrior(variances=of, noise=float(variances[-1]))
    mean, variance = condition(prior, own.traits[seen], own.deviation[seen], np.zeros(count)).predict(own.traits[rest])
    return mean, np.sqrt(variance), rest


def widenings(found: Sequence[LeftOut], variances: FloatArray) -> FloatArray:
    """Conformal factors on the spread for CALIBRATION_COUNTS.

    The quantile of |error| / spread over that of a normal; chip families of a group of tables weigh equally, and the
    level is raised by one part in their number, since families are what is exchangeable.
    """
    families = Counter((own.one.group, own.one.family) for own in found)
    level = min(1.0, COVERAGE * (1 + 1 / len({family for _, family in families})))
    factors: list[float] = []
    for count in CALIBRATION_COUNTS:
        scores, weights = [np.zeros(0)], [np.zeros(0)]
        for own in found:
            if len(own.deviation) <= count:
                continue
            for draw in range(_DRAWS if count else 1):
                mean, spread, rest = adapted(own, variances, count, draw)
                scores.append(np.abs(own.deviation[rest] - mean) / spread)
                weights.append(np.full(len(rest), 1 / len(rest) / families[own.one.group, own.one.family]))
        score, weight = np.concatenate(scores), np.concatenate(weights)
        order = np.argsort(score)
        share = np.cumsum(weight[order]) / weight.sum()
        place = min(int(np.searchsorted(share, level)), len(score) - 1)
        factors.append(float(score[order][place]) / NORMAL_90)
    return np.array(factors)


def fit_universal(data: Timings, *, seed: int = SEED, say: Callable[[str], None] | None = None) -> UniversalWeights:
    """Fit everything; two fits with one seed are equal.

    Args:
        data: All timed devices that may be seen.
        seed: Of the inner folds over chip families.
        say: Told how it goes.
    """
    tell = say or _quiet
    fold = family_folds(data.devices, INNER_FOLDS, seed)
    models = []
    for number in range(INNER_FOLDS):
        models.append(fit_price_model(data.take(np.flatnonzero(fold != number)), OPTIONS))
        tell(f"universal latency: inner fold {number + 1} of {INNER_FOLDS}")
    shares = _choose_shares(data, fold, models)
    found = [left_out(one, models[own], shares) for one, own in zip(data.devices, fold, strict=True)]
    variances = fit_deviations(found)
    factors = widenings(found, variances)
    tell(f"universal latency: shares {shares.tolist()}, widenings {np.round(factors, 2).tolist()}")
    return UniversalWeights(
        prices=fit_price_model(data, OPTIONS),
        shares=shares,
        variances=variances,
        counts=np.array(CALIBRATION_COUNTS, dtype=np.float64),
        widenings=factors,
    )


def _quiet(text: str) -> None:
    del text


_CARD = """# Model card: universal latency

`{kind}`, form {form}: {size} bytes. Predictions, not measurements.

Fitted by `python -m predictors.fit_universal --data DIR` on {pairs} timings of {devices} devices with their settings
({families} chip families): {groups}. Up to 300 networks are drawn from each device of the large tables, seed {seed}.

The mean of a layer is price model ^ share x roofline ^ (1 - share). Shares were chosen on chip families left out of
every table ({folds} folds): {shares}. Penalties: {options}.

Factors on the spread after {counts} measurements, so that 90 % intervals hold 90 % on families left out: {widenings}.
Standard deviations of log time of a device around its prediction: {deviations} (level in units of the spread that the
profile leaves).

The shipped weights have seen every device of the tables: a score of theirs on them says nothing.
`benchmarks.cross_device` (key `universal`) fits anew without the chips it scores.

Limits: the runtime is told from its name in ten classes; frameworks on x86, compiled GPU code, FPGA, NPU and analytic
models rest on one to four chips each, and low precision on one simulated accelerator. Binary layers were never
fitted: they follow the binary rate of the descriptor.
"""


def fit_universal_weights(data: Path, out: Path, progress: Callable[[str], None]) -> None:
    """Fit on every table and write weights and card.

    Args:
        data: Folder of measured tables.
        out: Folder that is written to.
        progress: Told what happens.
    """
    devices = read_timed_devices(data)
    own = timings(devices)
    progress(f"universal latency: {len(own.log_seconds)} timings of {len(devices)} devices")
    weights = fit_universal(own, say=progress)
    counted = Counter(one.group for one in devices)
    weights.save(out / f"{KIND}.safetensors", {"pairs": str(len(own.log_seconds)), "seed": str(SEED)})
    names = (*TRAITS, "noise")
    card = _CARD.format(
        kind=KIND,
        form=FORM,
        size=(out / f"{KIND}.safetensors").stat().st_size,
        pairs=len(own.log_seconds),
        devices=len(devices),
        families=len({one.family for one in devices}),
        groups=", ".join(f"{name} {count}" for name, count in counted.items()),
        seed=SEED,
        shares=", ".join(f"{name} {share:g}" for name, share in zip(RUNTIMES, weights.shares, strict=True)),
        folds=INNER_FOLDS,
        options=repr(OPTIONS),
        counts=", ".join(f"{count:g}" for count in weights.counts),
        widenings=", ".join(f"{factor:.2f}" for factor in weights.widenings),
        deviations=", ".join(f"{n} {v:.2f}" for n, v in zip(names, np.sqrt(weights.variances), strict=True)),
    )
    (out / f"{KIND}.md").write_text(card, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fit the weights of the universal latency predictor.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of measured tables")
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR", help="where weights and card go")
    found = parser.parse_args(arguments)
    fit_universal_weights(found.data, found.out, _tell)


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
