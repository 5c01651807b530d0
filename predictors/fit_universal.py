"""Fits UniversalLatency: prices on every measured table, deviations and intervals on chips left out of all of them.

`python -m predictors.fit_universal --data DIR` reproduces the shipped weights and their model card.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.design_traits import SCATTER, TRAITS
from predictors.fit_deviations import CALIBRATION_COUNTS, SEED, fit_deviations, left_out, widenings
from predictors.fit_price_model import PriceOptions, Timings, family_folds, fit_price_model, timings
from predictors.price_model import RUNTIMES, PriceModel
from predictors.roofline import layer_times
from predictors.storage import WEIGHTS
from predictors.timed_tables import TimedDevice, read_timed_devices
from predictors.universal_weights import FORM, KIND, UniversalWeights
from predictors.work_terms import priced_seconds

INNER_FOLDS = 6
OPTIONS = PriceOptions()
SHARES = (0.4, 0.5, 0.6, 0.7, 0.8)
LEAST_GAIN, LEAST_FAMILIES = 0.1, 3
"""A runtime class of so many chip families has a share of its own where that lowers its error by this part."""
NOT_COUNTED = ("ncnn_cpu",)
"""Groups that another model answers for: they do not choose the share."""


def mean_log_seconds(prices: PriceModel, one: TimedDevice, share: float) -> FloatArray:
    """Log seconds of the designs of one device, n: the mean that `UniversalLatency` takes."""
    rows = one.designs.rows
    priced = priced_seconds(rows, one.device, prices.prices(one.device))
    mixed = np.maximum(priced, 1e-30) ** share * layer_times(rows, one.device).total ** (1 - share)
    return np.asarray(np.log(one.designs.total(mixed)))


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
    variances, scatter = fit_deviations(found)
    factors = widenings(found, variances, scatter)
    tell(f"universal latency: shares {shares.tolist()}, widenings of runtimes {np.round(factors, 2).tolist()}")
    return UniversalWeights(
        prices=fit_price_model(data, OPTIONS),
        shares=shares,
        variances=variances,
        scatter=scatter,
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
profile leaves). Variance of one design around these: {scatter}.

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
        widenings="; ".join(
            f"{name} {', '.join(f'{factor:.2f}' for factor in own)}"
            for name, own in zip(RUNTIMES, weights.widenings, strict=True)
        ),
        deviations=", ".join(f"{n} {v:.2f}" for n, v in zip(TRAITS, np.sqrt(weights.variances), strict=True)),
        scatter=" + ".join(f"{v:.2g} x {n}" for n, v in zip(SCATTER, weights.scatter, strict=True)),
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
