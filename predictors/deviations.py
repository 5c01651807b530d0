"""Deviations: what measurements say of one device, as a Bayesian linear model of its traits in closed form.

    log measured - log predicted = traits . weights + noise
    weights ~ N(0, variances),  noise ~ N(0, factor x scatter)

Each design has its own scatter: a network of many layers averages out what a single layer does not.
The level and the noise are tried on a grid and mixed by evidence, so that a profile far off or a restless clock is
recognised. A mixture of Gaussians over the weights has the mean and covariance kept here: its predictions are exact
to the second moment. Cost: n x TRAITS^2, whatever the number of measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from design.encoding import FloatArray

LEVEL_STEPS = ((1.0, 0.0), (9.0, -1.5), (100.0, -3.0))
"""(factor on the variance of the level, log prior weight)."""
NOISE_STEPS = ((0.3, -0.7), (1.0, 0.0), (3.3, -0.8), (11.0, -1.6), (36.0, -2.4), (120.0, -3.2))
"""(factor on the noise variance, log prior weight)."""
DOUBTED, SET_ASIDE = 2.5, 4.0
"""Deviations from what the others say beyond which a measurement counts for less, and for nothing."""
LARGEST_SHARE_ASIDE = 3
"""One measurement in so many may be set aside."""
NOTHING = 1e6
"""Variance of a measurement that says nothing."""
_STEP = 2
"""Noise at which contradictions are judged: a restless device is not a contradiction."""
_ROUND = 0.7


@dataclass(frozen=True, kw_only=True)
class DeviationPrior:
    """What a device may deviate in before it is measured.

    Attributes:
        variances: TRAITS.
        noise: Variance of one measurement around its traits, for a scatter of 1.
    """

    variances: FloatArray
    noise: float


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """Weights of the traits of one device, given measurements.

    Attributes:
        mean, covariance: TRAITS, TRAITS x TRAITS.
        noise: Variance of a further measurement around its traits, for a scatter of 1.
        scores: n, deviation of each measurement from what the others say, in standard deviations.
        left_out: n, log deviation that the others say of each measurement.
        added: n, variance added to each measurement; NOTHING where it was set aside.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float
    scores: FloatArray
    left_out: FloatArray
    added: FloatArray

    def predict(self, traits: FloatArray, scatter: FloatArray | float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the log deviation of designs, N each, noise included.

        Args:
            traits: N x TRAITS.
            scatter: N, of each design; one for all.
        """
        variance = ((traits @ self.covariance) * traits).sum(axis=1)
        return np.asarray(traits @ self.mean), np.asarray(np.maximum(variance, 0.0) + self.noise * scatter)


@dataclass(frozen=True, kw_only=True)
class _Member:
    """The weights under one variance of the level and one noise."""

    mean: FloatArray
    covariance: FloatArray
    noise: float
    score: float


def _member(
    traits: FloatArray, deviation: FloatArray, variances: FloatArray, noise: float, added: FloatArray
) -> _Member:
    scale = np.sqrt(variances)
    own = traits * scale
    precision = 1 / (noise + added)
    inner = np.eye(len(variances)) + (own * precision[:, None]).T @ own
    factor = np.linalg.cholesky(inner)
    inverse = np.linalg.inv(factor)
    half = inverse @ (own.T @ (precision * deviation))
    energy = float((precision * deviation**2).sum() - half @ half)
    log_det = 2 * float(np.log(np.diag(factor)).sum()) - float(np.log(precision).sum())
    reach = inverse * scale
    return _Member(mean=reach.T @ half, covariance=reach.T @ reach, noise=noise, score=-0.5 * (energy + log_det))


def _left_out(
    member: _Member, traits: FloatArray, deviation: FloatArray, added: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean of each measurement given the others, and its variance with noise, n each, in closed form."""
    own = ((traits @ member.covariance) * traits).sum(axis=1)
    noise = member.noise + added
    free = np.maximum(1 - own / noise, 1e-9)
    residual = (deviation - traits @ member.mean) / free
    return np.asarray(deviation - residual), np.asarray(member.noise + own / free)


def _contradictions(
    prior: DeviationPrior, traits: FloatArray, deviation: FloatArray, added: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(scores, what the others say, variance added) of each measurement; the worst are set aside first.

    Every round sets one more aside at least, so it ends; scores that are not finite compare with nothing and end it.
    """
    aside = np.zeros(len(deviation), dtype=bool)
    most, noise = len(deviation) // LARGEST_SHARE_ASIDE, NOISE_STEPS[_STEP][0] * prior.noise
    wide = prior.variances.copy()
    wide[0] *= LEVEL_STEPS[-1][0]
    while True:
        total = np.where(aside, NOTHING, added)
        member = _member(traits, deviation, wide, noise, total)
        others, variance = _left_out(member, traits, deviation, total)
        scores = (deviation - others) / np.sqrt(variance + added)
        open_scores = np.where(aside, 0.0, np.abs(scores))
        worst = float(open_scores.max(initial=0.0))
        left = most - int(aside.sum())
        if not SET_ASIDE <= worst < math.inf or left <= 0:
            break
        far = np.flatnonzero(open_scores >= max(SET_ASIDE, _ROUND * worst))
        aside[far[np.argsort(-open_scores[far], kind="stable")][:left]] = True
    doubted = np.where(np.abs(scores) > DOUBTED, noise * ((scores / DOUBTED) ** 2 - 1), 0.0)
    return scores, others, np.where(aside, NOTHING, added + doubted)


def condition(
    prior: DeviationPrior,
    traits: FloatArray,
    deviation: FloatArray,
    added: FloatArray,
    scatter: FloatArray | None = None,
) -> Deviations:
    """Condition on n log deviations (measured over predicted).

    In units of the root of its scatter every measurement has the same noise, so everything is reckoned in these.

    Args:
        prior: Before any measurement.
        traits: n x TRAITS.
        deviation: n.
        added: n, variance of each measurement beside the common noise (a coarse clock, repeats that disagree).
        scatter: n, of each design; 1 for all if None.
    """
    unit = np.ones(len(deviation)) if scatter is None else np.sqrt(scatter)
    traits, deviation = traits / unit[:, None], deviation / unit
    given = np.where(added >= NOTHING, NOTHING, added / unit**2)
    scores, others, total = _contradictions(prior, traits, deviation, given)
    members, parts = [], []
    for level, level_weight in LEVEL_STEPS:
        variances = prior.variances.copy()
        variances[0] *= level
        for step, step_weight in NOISE_STEPS:
            member = _member(traits, deviation, variances, step * prior.noise, total)
            members.append(member)
            parts.append(member.score + level_weight + step_weight)
    weights = np.exp(np.array(parts) - max(parts))
    weights /= weights.sum()
    mean = sum((w * one.mean for w, one in zip(weights, members, strict=True)), np.zeros(traits.shape[1]))
    covariance = np.zeros((traits.shape[1], traits.shape[1]))
    left_out = np.zeros(len(deviation))
    for weight, one in zip(weights, members, strict=True):
        covariance += weight * (one.covariance + np.outer(one.mean - mean, one.mean - mean))
        left_out += weight * _left_out(one, traits, deviation, total)[0]
    aside = total >= NOTHING
    return Deviations(
        mean=mean,
        covariance=covariance,
        noise=float(sum(w * one.noise for w, one in zip(weights, members, strict=True))),
        scores=scores,
        left_out=np.where(aside, others, left_out) * unit,
        added=np.where(aside, NOTHING, added + (total - given) * unit**2),
    )
