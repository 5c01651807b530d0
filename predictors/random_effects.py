"""Random effects: how one machine deviates from what its facts predict, as a Gaussian process in closed form.

Log deviations of a machine have covariance: a common level, int8, networks alike in features or in loadings, the
setting, and the cores in use (see COMPONENTS). A handful of measurements gives the posterior of every other network by
solving one system of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from design.encoding import FloatArray, IntArray
from predictors.network_effects import NetworkTraits, similarity

COMPONENTS = (
    "level",
    "int8",
    "network",
    "loadings",
    "setting",
    "setting_network",
    "setting_loadings",
    "cores",
    "cores_network",
    "cores_near",
    "cores_near_network",
    "little",
    "little_network",
)
START = np.array([0.15, 0.2, 0.03, 1.3, 0.01, 0.01, 0.1, 0.01, 0.01, 0.01, 0.005, 0.01, 0.01, 0.005])
"""Variances that fitting starts from and is weakly pulled to, the last one noise."""
_NEAR_CORES = 0.7
NOISE_STEPS = np.exp([-1.2, 0.0, 1.2, 2.4])
NOISE_PRIOR = np.log([0.25, 0.45, 0.2, 0.1])
"""The posterior mixes these multiples of the noise by evidence: clocks and machines are noisy to different degrees."""
NORMAL_90 = 1.6448536269514722
"""Quantile .95 of a normal."""
DOUBTFUL = 4.0
"""A measurement this many deviations from what the others say is down-weighted."""
_FREEDOM, _PULL = 4.0, 0.02
_LOWEST, _HIGHEST = -11.0, 3.0


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """N (network, setting) pairs of one machine.

    Attributes:
        traits: Of the N networks.
        int8: N, share of multiply-adds in int8.
        setting: N, number of the setting.
        log_cores: N.
        little: N, 1 where only small cores are used.
    """

    traits: NetworkTraits
    int8: FloatArray
    setting: IntArray
    log_cores: FloatArray
    little: FloatArray

    def __len__(self) -> int:
        return len(self.int8)

    def take(self, index: IntArray) -> Pairs:
        """Those at `index`."""
        traits = self.traits
        return Pairs(
            traits=NetworkTraits(
                features=traits.features[index],
                loadings=traits.loadings[index],
                unknown=traits.unknown[index],
                nearest=traits.nearest[index],
                bias=traits.bias[index],
            ),
            int8=self.int8[index],
            setting=self.setting[index],
            log_cores=self.log_cores[index],
            little=self.little[index],
        )


def components(a: Pairs, b: Pairs) -> FloatArray:
    """Covariance of each component at variance 1, COMPONENTS x N x M."""
    alike = similarity(a.traits.features, b.traits.features)
    loaded = a.traits.loadings @ b.traits.loadings.T
    loaded = loaded + alike * np.sqrt(np.outer(a.traits.unknown, b.traits.unknown))
    same = (a.setting[:, None] == b.setting[None]).astype(np.float64)
    cores = np.outer(a.log_cores, b.log_cores)
    little = np.outer(a.little, b.little)
    same_kind = 1 - np.abs(a.little[:, None] - b.little[None])
    near = same_kind * np.exp(-np.abs(a.log_cores[:, None] - b.log_cores[None]) / _NEAR_CORES)
    parts = [np.ones_like(alike), np.outer(a.int8, b.int8), alike, loaded, same, same * alike, same * loaded]
    parts += [cores, cores * alike, near, near * alike, little, little * alike]
    return np.stack(parts)


def own_variances(a: Pairs) -> FloatArray:
    """Diagonal of `components(a, a)`, COMPONENTS x N, with what is unknown of the loadings added."""
    one = np.ones(len(a))
    loaded = (a.traits.loadings**2).sum(axis=1) + a.traits.unknown
    cores = a.log_cores**2
    parts = [one, a.int8**2, one, loaded, one, one, loaded, cores, cores, one, one, a.little, a.little]
    return np.stack(parts)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What measurements say of one machine.

    Attributes:
        measured: M pairs.
        variances: COMPONENTS, then noise.
        factors: Cholesky factors of the M x M covariance, one for each noise multiple.
        solved: Factor^-1 x deviations, likewise.
        weights: Of the noise multiples.
        noise: Of the noise multiples, mean over the measurements not doubted.
        doubtful: M, True where a measurement was down-weighted.
    """

    measured: Pairs
    variances: FloatArray
    factors: tuple[FloatArray, ...]
    solved: tuple[FloatArray, ...]
    weights: FloatArray
    noise: FloatArray
    doubtful: FloatArray

    def predict(self, pairs: Pairs) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the log deviation of N pairs, noise included."""
        prior = self.variances[:-1] @ own_variances(pairs)
        if not len(self.measured):
            return np.zeros(len(pairs)), np.asarray(prior + self.variances[-1])
        cross = np.tensordot(self.variances[:-1], components(self.measured, pairs), 1)
        means, variances = [], []
        for factor, solved, noise in zip(self.factors, self.solved, self.noise, strict=True):
            reach = solve_triangular(factor, cross, lower=True, check_finite=False)
            means.append(reach.T @ solved)
            variances.append(np.maximum(prior - (reach**2).sum(axis=0), 1e-6) + noise)
        mean = self.weights @ np.stack(means)
        second = self.weights @ (np.stack(variances) + np.stack(means) ** 2)
        return np.asarray(mean), np.asarray(second - mean**2)

    def left_out(self) -> FloatArray:
        """Log deviation that the other measurements say of each, M, in closed form."""
        means = []
        for factor, solved in zip(self.factors, self.solved, strict=True):
            inverse = np.linalg.inv(factor)
            means.append(factor @ solved - (inverse.T @ solved) / (inverse**2).sum(axis=0))
        return np.asarray(self.weights @ np.stack(means))


def _doubts(covariance: FloatArray, noise: float, deviation: FloatArray) -> FloatArray:
    """Variance added to measurements that all others contradict, M; the worst first, at most a third of them."""
    added = np.zeros(len(deviation))
    for _ in range(len(deviation) // 3):
        inverse = np.linalg.inv(covariance + np.diag(noise + added))
        own = np.diag(inverse)
        away = inverse @ deviation / own
        score = np.where(added > 0, 0.0, np.abs(away) * np.sqrt(own))
        worst = int(np.argmax(score))
        if score[worst] < DOUBTFUL:
            break
        added[worst] = away[worst] ** 2
    return added


def posterior(measured: Pairs, deviation: FloatArray, variances: FloatArray) -> Posterior:
    """Condition on M log deviations (measured over predicted) of one machine, in closed form."""
    count = len(measured)
    if not count:
        nothing = np.zeros(0)
        return Posterior(
            measured=measured,
            variances=variances,
            factors=(),
            solved=(),
            weights=nothing,
            noise=nothing,
            doubtful=nothing,
        )
    covariance = np.tensordot(variances[:-1], components(measured, measured), 1)
    added = _doubts(covariance, float(NOISE_STEPS[2] * variances[-1]), deviation)
    factors: list[FloatArray] = []
    solved: list[FloatArray] = []
    evidence: list[float] = []
    for step, prior in zip(NOISE_STEPS, NOISE_PRIOR, strict=True):
        factor: FloatArray = np.asarray(np.linalg.cholesky(covariance + np.diag(step * variances[-1] + added)))
        own = solve_triangular(factor, deviation, lower=True, check_finite=False)
        factors.append(factor)
        solved.append(own)
        evidence.append(float(prior - 0.5 * own @ own - np.log(np.diag(factor)).sum()))
    weights = np.exp(np.array(evidence) - max(evidence))
    return Posterior(
        measured=measured,
        variances=variances,
        factors=tuple(factors),
        solved=tuple(solved),
        weights=weights / weights.sum(),
        noise=NOISE_STEPS * variances[-1],
        doubtful=(added > 0).astype(np.float64),
    )


def fit_variances(machines: Sequence[tuple[Pairs, FloatArray]], steps: int = 60) -> FloatArray:
    """Variances of COMPONENTS and noise by maximum likelihood of a Student-t process with 4 degrees of freedom.

    Args:
        machines: Pairs of each machine and their log deviations from predictions that had not seen the machine.
        steps: At most, of L-BFGS.

    Returns:
        COMPONENTS + 1 variances.
    """
    prepared = [(components(pairs, pairs), deviation) for pairs, deviation in machines]
    start = np.log(START)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(logs)
        value, gradient = _PULL * float(((logs - start) ** 2).sum()), 2 * _PULL * (logs - start)
        for parts, deviation in prepared:
            count = len(deviation)
            covariance = np.tensordot(variances[:-1], parts, 1) + variances[-1] * np.eye(count)
            inverse = np.linalg.inv(covariance)
            solved = inverse @ deviation
            energy = float(deviation @ solved)
            log_det = float(np.linalg.slogdet(covariance)[1])
            value += 0.5 * log_det + 0.5 * (_FREEDOM + count) * float(np.log1p(energy / (_FREEDOM - 2)))
            surprise = (_FREEDOM + count) / (_FREEDOM - 2 + energy)
            slope = inverse - surprise * np.outer(solved, solved)
            own = np.array([0.5 * (slope * part).sum() for part in parts] + [0.5 * np.trace(slope)])
            gradient = gradient + own * variances
        return value, gradient

    bounds = [(_LOWEST, _HIGHEST)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return np.asarray(np.exp(found.x))
