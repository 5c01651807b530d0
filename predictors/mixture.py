"""Mixture: experts weighted by how well they explain a few measurements. Closed form, no gradient descent.

Every expert is tried with its variances scaled by {1/e, 1, e} and with noise scaled over a grid, so that a coarse
clock or a restless device is recognised by the evidence. One eigendecomposition per expert and variance scale serves
the whole noise grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from design.encoding import FloatArray, IntArray
from predictors.covariances import Loadings, own_columns
from predictors.experts import CONSTANT_VARIANCE, Expert, SpaceFeatures

VARIANCE_GRID: tuple[tuple[float, float], ...] = ((-1.0, -0.7), (0.0, 0.0), (1.0, -0.7))
"""(log factor on all prior variances, log prior weight)."""
NOISE_GRID: tuple[tuple[float, float], ...] = (
    (-2.4, -1.5),
    (-1.2, -0.7),
    (0.0, 0.0),
    (1.2, -0.4),
    (2.2, -1.2),
    (3.6, -2.0),
)
"""(log factor on the noise variance, log prior weight)."""
DISTURBED = 0.02
"""Prior share of measurements that say nothing (another program ran, a wrong unit)."""
DISTURBANCE_RANGE = 100.0
"""Such a measurement is log-uniform over this range."""
LARGEST_SHARE_ASIDE = 4
"""One measurement in so many may be set aside."""
LEAST_WEIGHT = 1e-4
"""Members below this share of the heaviest are not worth their time."""
NOISE_MARGIN = 2.0
"""On the variance of noise in predictions: a few measurements tell it poorly. Chosen on left-out known devices: at 1,
1.5 and 2 intervals of 90 % hold .90, .92 and .94 on NAS-Bench-201 (least device .69, .71, .72) and .91, .93 and .95 on
FBNet (.75, .79, .81)."""
_LEAST_VARIANCE = 1e-9
Index = IntArray


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Latency of Q networks given the measurements, and who was believed.

    Attributes:
        mean_ms: Q.
        variance_ms2: Q, of a further measurement, with the disagreement between experts.
        weights: Expert name -> posterior weight.
        set_aside: Positions of measurements that contradict the others and were not used.
        left_out_ms: n, what the other measurements say of each.
    """

    mean_ms: FloatArray
    variance_ms2: FloatArray
    weights: dict[str, float]
    set_aside: IntArray
    left_out_ms: FloatArray


def posterior(
    experts: Sequence[Expert], features: SpaceFeatures, measured: Index, latency_ms: FloatArray, query: Index
) -> Posterior:
    """Condition the experts on n measurements.

    A measurement that the others make less likely than a disturbance is set aside, one after another, a quarter of
    them at most.

    Args:
        experts: Evaluated on the networks of `features`.
        features: N networks.
        measured: n indices of measured networks (n >= 1).
        latency_ms: n measurements.
        query: Q indices of networks asked for.
    """
    kept = np.arange(len(measured))
    members = _condition(experts, features, measured, latency_ms)
    for _ in range(len(measured) // LARGEST_SHARE_ASIDE):
        suspect = _suspect(members, latency_ms[kept])
        if suspect is None:
            break
        kept = np.delete(kept, suspect)
        members = _condition(experts, features, measured[kept], latency_ms[kept])
    scores = np.array([member.scores for member in members])
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    aside = np.setdiff1d(np.arange(len(measured)), kept)
    asked = np.concatenate([query, measured[aside]])
    mean_ms, variance_ms2 = _predict(members, weights, features, measured[kept], asked)
    left_out_ms = np.zeros(len(measured))
    left_out_ms[kept] = _left_out(members, latency_ms[kept])
    left_out_ms[aside] = mean_ms[len(query) :]
    by_name: dict[str, float] = {}
    for member, weight in zip(members, weights, strict=True):
        by_name[member.expert.name] = by_name.get(member.expert.name, 0.0) + float(weight.sum())
    return Posterior(
        mean_ms=mean_ms[: len(query)],
        variance_ms2=variance_ms2[: len(query)],
        weights=by_name,
        set_aside=aside,
        left_out_ms=left_out_ms,
    )


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One expert with one factor on its variances, conditioned on n measurements, for all J noise levels.

    Attributes:
        scale: Mean of the measurements, ms.
        vectors: n x n eigenvectors of the prior covariance of the measurements.
        noise: J.
        inverse: J x n, inverse eigenvalues with noise.
        rotated: n, the residual in the basis of the eigenvectors.
        scores: J, log prior + log evidence in ms.
    """

    expert: Expert
    factor: float
    scale: float
    vectors: FloatArray
    noise: FloatArray
    inverse: FloatArray
    rotated: FloatArray
    scores: FloatArray


def _condition(
    experts: Sequence[Expert], features: SpaceFeatures, measured: Index, latency_ms: FloatArray
) -> list[_Member]:
    scale = float(latency_ms.mean())
    levels = np.array(NOISE_GRID)
    found = []
    shared: dict[tuple[int, bool], FloatArray] = {}
    for expert in experts:
        of = expert.variances
        residual = (latency_ms / scale - 1) / expert.spread - expert.mean[measured]
        key = (id(of), expert.pruned)
        if key not in shared:
            near = Loadings.of(expert, features, measured)
            shared[key] = near.to(near, expert)
        columns = own_columns(expert, measured)
        inner = shared[key] + columns @ columns.T
        noise = of["noise"] * np.exp(levels[:, 0])
        jacobian = len(measured) * np.log(np.sqrt(2 * np.pi) * expert.spread * scale)
        for log_factor, log_prior in VARIANCE_GRID:
            factor = float(np.exp(log_factor))
            values, vectors = np.linalg.eigh(factor * inner + CONSTANT_VARIANCE)
            inverse = 1 / np.maximum(values + noise[:, None], _LEAST_VARIANCE)
            rotated = vectors.T @ residual
            evidence = -0.5 * inverse @ rotated**2 + 0.5 * np.log(inverse).sum(axis=1) - jacobian
            found.append(
                _Member(
                    expert=expert,
                    factor=factor,
                    scale=scale,
                    vectors=vectors,
                    noise=noise,
                    inverse=inverse,
                    rotated=rotated,
                    scores=evidence + log_prior + levels[:, 1] + expert.log_weight,
                )
            )
    return found


def _left_out_scores(member: _Member) -> tuple[FloatArray, FloatArray]:
    """Error of each measurement as told by the others, in units of the spread, and its log density in ms; n x J."""
    alpha = member.vectors @ (member.inverse * member.rotated).T
    diagonal = member.vectors**2 @ member.inverse.T
    unit = np.log(np.sqrt(2 * np.pi) * member.expert.spread * member.scale)
    return alpha / diagonal, -0.5 * alpha**2 / diagonal + 0.5 * np.log(diagonal) - unit


def _suspect(members: Sequence[_Member], latency_ms: FloatArray) -> int | None:
    """The measurement whose removal explains all of them best, if better than keeping it."""
    together = np.concatenate([member.scores for member in members])
    without = np.concatenate([member.scores - _left_out_scores(member)[1] for member in members], axis=1)
    disturbed = np.log(DISTURBED) - np.log(latency_ms * np.log(DISTURBANCE_RANGE))
    gain = logsumexp(without, axis=1) + disturbed - logsumexp(together)
    worst = int(np.argmax(gain))
    return worst if gain[worst] > 0 else None


def _left_out(members: Sequence[_Member], latency_ms: FloatArray) -> FloatArray:
    """What the other measurements say of each, n: members weighted by how they explain those (one scale for all)."""
    means, scores = [], []
    for member in members:
        error, density = _left_out_scores(member)
        means.append(latency_ms[:, None] - member.scale * member.expert.spread * error)
        scores.append(member.scores - density)
    logs = np.concatenate(scores, axis=1)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray((weights * np.concatenate(means, axis=1)).sum(axis=1) / weights.sum(axis=1))


def _predict(
    members: Sequence[_Member], weights: FloatArray, features: SpaceFeatures, measured: Index, query: Index
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (ms, ms^2) of the mixture; members that carry no weight are passed over."""
    mean_ms, square = np.zeros(len(query)), np.zeros(len(query))
    least, total = LEAST_WEIGHT * weights.max(), 0.0
    shared: dict[tuple[int, bool], tuple[FloatArray, FloatArray]] = {}
    prepared: dict[int, tuple[FloatArray, FloatArray]] = {}
    for member, row in zip(members, weights, strict=True):
        chosen = row > least
        if not chosen.any():
            continue
        expert = member.expert
        if id(expert) not in prepared:
            key = (id(expert.variances), expert.pruned)
            if key not in shared:
                asked = Loadings.of(expert, features, query)
                shared[key] = (asked.to(Loadings.of(expert, features, measured), expert), asked.variance(expert))
            columns = own_columns(expert, query)
            prepared[id(expert)] = (
                shared[key][0] + columns @ own_columns(expert, measured).T,
                shared[key][1] + np.einsum("ij,ij->i", columns, columns),
            )
        outer, own = prepared[id(expert)]
        projected = (member.factor * outer + CONSTANT_VARIANCE) @ member.vectors
        inverse, unit = member.inverse[chosen], member.scale * expert.spread
        mean = member.scale + unit * (expert.mean[query] + (inverse * member.rotated) @ projected.T)
        prior = member.factor * own + CONSTANT_VARIANCE + NOISE_MARGIN * member.noise[chosen][:, None]
        left = unit**2 * np.maximum(prior - inverse @ (projected**2).T, _LEAST_VARIANCE)
        mean_ms += row[chosen] @ mean
        square += row[chosen] @ (left + mean**2)
        total += float(row[chosen].sum())
    mean_ms /= total
    return mean_ms, np.maximum(square / total - mean_ms**2, _LEAST_VARIANCE)
