"""Fits a PriceModel to timed devices of all kinds: smoothed absolute log error, ridge on what a device may vary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from design.encoding import FloatArray, IntArray
from predictors.price_model import (
    BASE_MATRIX,
    BASES,
    FEATURES,
    GROUP_MATRIX,
    GROUPS,
    RUNTIMES,
    START,
    PriceModel,
    device_features,
    runtime_class,
)
from predictors.timed_tables import TimedDevice
from predictors.work_terms import design_terms

_SMOOTH, _MOST, _REACH = 0.01, 20.0, 3.0
_BASE_RIDGE = 0.05
_LEAST_DEVIATION = 0.05


@dataclass(frozen=True, kw_only=True)
class PriceOptions:
    """Penalties of squared coefficients.

    Attributes:
        offsets: Of runtime classes.
        slopes: Of features, by group.
        common: Of features, on all compute.
        steps: At most, of L-BFGS.
    """

    offsets: float = 0.3
    slopes: float = 20.0
    common: float = 5.0
    steps: int = 150


@dataclass(frozen=True, kw_only=True)
class Timings:
    """D timed devices as arrays; their P pairs one device after the other.

    Attributes:
        devices: D.
        terms: P x TERMS.
        log_seconds: P.
        begin: D, first pair of each device.
        device: P, number of the device.
        runtime, features: D, D x FEATURES.
        weight: P.
    """

    devices: tuple[TimedDevice, ...]
    terms: FloatArray
    log_seconds: FloatArray
    begin: IntArray
    device: IntArray
    runtime: IntArray
    features: FloatArray
    weight: FloatArray

    def take(self, chosen: IntArray) -> Timings:
        """Those of the devices `chosen`."""
        return timings([self.devices[number] for number in chosen], self)


def timings(devices: Sequence[TimedDevice], known: Timings | None = None) -> Timings:
    """Arrays of timed devices; amounts are taken from `known` where it has them."""
    place = {id(one): number for number, one in enumerate(known.devices)} if known else {}
    counts = np.array([len(one.latency_ms) for one in devices], dtype=np.int64)
    parts = []
    for one in devices:
        if known is not None and id(one) in place:
            begin = known.begin[place[id(one)]]
            parts.append(known.terms[begin : begin + len(one.latency_ms)])
        else:
            parts.append(design_terms(one.designs, one.device))
    settings = Counter((one.group, one.family) for one in devices)
    alike = np.array([settings[one.group, one.family] for one in devices], dtype=np.float64)
    device = np.repeat(np.arange(len(devices)), counts)
    return Timings(
        devices=tuple(devices),
        terms=np.concatenate(parts),
        log_seconds=np.log(1e-3 * np.concatenate([one.latency_ms for one in devices])),
        begin=np.cumsum(counts) - counts,
        device=device,
        runtime=np.array([runtime_class(one.device) for one in devices], dtype=np.int64),
        features=np.stack([device_features(one.device) for one in devices]),
        weight=np.asarray((1 / np.sqrt(counts * alike))[device], dtype=np.float64),
    )


def fit_price_model(data: Timings, options: PriceOptions) -> PriceModel:
    """Fit by L-BFGS with exact gradients; deterministic."""
    mean, deviation = data.features.mean(axis=0), np.maximum(data.features.std(axis=0), _LEAST_DEVIATION)
    z = np.clip((data.features - mean) / deviation, -_REACH, _REACH)
    own = np.hstack([np.eye(len(RUNTIMES))[data.runtime], z])
    shape = (len(RUNTIMES) + len(FEATURES), len(GROUPS))
    ridge = np.full(shape, options.slopes)
    ridge[:, 0] = options.common
    ridge[: len(RUNTIMES)] = options.offsets
    penalty = np.concatenate([np.full(len(BASES), _BASE_RIDGE), ridge.ravel()])
    start = np.concatenate([START, np.zeros(ridge.size)])

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        logs = BASE_MATRIX @ values[: len(BASES)] + own @ values[len(BASES) :].reshape(shape) @ GROUP_MATRIX.T
        seconds = data.terms * np.exp(np.clip(logs, -_MOST, _MOST))[data.device]
        total = seconds.sum(axis=1)
        error = np.log(total) - data.log_seconds
        size = np.sqrt(error**2 + _SMOOTH)
        seconds *= (data.weight * error / size / total)[:, None]
        by_log = np.add.reduceat(seconds, data.begin, axis=0)
        away = values - start
        gradient = np.concatenate([by_log.sum(axis=0) @ BASE_MATRIX, (own.T @ (by_log @ GROUP_MATRIX)).ravel()])
        return float((data.weight * size).sum() + (penalty * away**2).sum()), gradient + 2 * penalty * away

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": options.steps})
    values = np.asarray(found.x)
    weights = values[len(BASES) :].reshape(shape)
    return PriceModel(
        base=values[: len(BASES)],
        offsets=weights[: len(RUNTIMES)],
        slopes=weights[len(RUNTIMES) :],
        mean=mean,
        deviation=deviation,
    )


def predicted_log_seconds(model: PriceModel, data: Timings) -> FloatArray:
    """Log seconds of every pair, P."""
    prices = np.stack([model.prices(one.device) for one in data.devices])
    return np.asarray(np.log((data.terms * prices[data.device]).sum(axis=1)))


def family_folds(devices: Sequence[TimedDevice], count: int, seed: int) -> IntArray:
    """Fold of each device: a chip family stays together over all tables."""
    families = sorted({one.family for one in devices})
    order = np.random.default_rng(seed).permutation(len(families))
    fold = {families[number]: place % count for place, number in enumerate(order)}
    return np.array([fold[one.family] for one in devices], dtype=np.int64)
