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
    """

    mean_ms: FloatArray
    variance_ms2: FloatArray
    weights: dict[str, float]
    set_aside: IntArray


def covariance(expert: Expert, features: SpaceFeatures, rows: Index, columns: Index) -> FloatArray:
    """Prior covariance between the networks `rows` and `columns` (indices), without constant, smooth part and noise.

    Works on torch tensors as on arrays, so that fitting differentiates the very same expression.
    """
    of = expert.variances
    found = of["mean"] * (expert.mean[rows][:, None] * expert.mean[columns][None])
    found = found + of["own"] * (expert.own[rows] @ expert.own[columns].T)
    found = found + of["all"] * (expert.all[rows] @ expert.all[columns].T)
    for name, group in features.groups.items():
        found = found + of[name] * (group[rows] @ group[columns].T)
    return found


def variance(expert: Expert, features: SpaceFeatures, rows: Index) -> FloatArray:
    """Prior variance of the networks `rows`, without constant and noise (arrays or tensors)."""
    of = expert.variances
    found = of["mean"] * expert.mean[rows] ** 2
    found = found + of["own"] * (expert.own[rows] ** 2).sum(axis=1)
    found = found + of["all"] * (expert.all[rows] ** 2).sum(axis=1)
    for name, group in features.groups.items():
        found = found + of[name] * (group[rows] ** 2).sum(axis=1)
    total: FloatArray = found + of["smooth"]
    return total


@dataclass(frozen=True)
class _Loadings:
    """What experts with the same variances and the same view of the networks share.

    Attributes:
        columns: M x K, features times the roots of their variances: covariances are products of rows.
        flat: M x F, what distances are measured in.
    """

    columns: FloatArray
    flat: FloatArray

    @classmethod
    def of(cls, expert: Expert, features: SpaceFeatures, rows: Index) -> _Loadings:
        seen = expert.view(features)
        parts = [np.sqrt(expert.variances[name]) * group[rows] for name, group in seen.groups.items()]
        return cls(np.hstack(parts), seen.flat[rows])

    def to(self, other: _Loadings, expert: Expert) -> FloatArray:
        """Covariance of feature groups and the smooth part with other networks."""
        far = squared_distances(self.flat, other.flat)
        far *= -0.5 / expert.variances["length"]
        np.exp(far, out=far)
        far *= expert.variances["smooth"]
        far += self.columns @ other.columns.T
        return far

    def variance(self, expert: Expert) -> FloatArray:
        """Of feature groups and the smooth part."""
        return np.asarray(np.einsum("ij,ij->i", self.columns, self.columns) + expert.variances["smooth"])


def _own_columns(expert: Expert, rows: Index) -> FloatArray:
    """The columns of one expert alone: its mean and the deviations of known devices, times the roots of variances."""
    of = expert.variances
    mean = np.sqrt(of["mean"]) * expert.mean[rows][:, None]
    return np.hstack([mean, np.sqrt(of["own"]) * expert.own[rows], np.sqrt(of["all"]) * expert.all[rows]])


def squared_distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """|l - r|^2 between rows."""
    found = -2 * left @ right.T
    found += np.einsum("ij,ij->i", left, left)[:, None]
    found += np.einsum("ij,ij->i", right, right)[None]
    return np.asarray(np.maximum(found, 0.0, out=found))


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
    mean_ms, variance_ms2 = _predict(members, weights, features, measured[kept], query)
    by_name: dict[str, float] = {}
    for member, weight in zip(members, weights, strict=True):
        by_name[member.expert.name] = by_name.get(member.expert.name, 0.0) + float(weight.sum())
    return Posterior(
        mean_ms=mean_ms,
        variance_ms2=variance_ms2,
        weights=by_name,
        set_aside=np.setdiff1d(np.arange(len(measured)), kept),
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
            near = _Loadings.of(expert, features, measured)
            shared[key] = near.to(near, expert)
        columns = _own_columns(expert, measured)
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


def _suspect(members: Sequence[_Member], latency_ms: FloatArray) -> int | None:
    """The measurement whose removal explains all of them best, if better than keeping it."""
    together, without = [], []
    for member in members:
        alpha = member.vectors @ (member.inverse * member.rotated).T
        diagonal = member.vectors**2 @ member.inverse.T
        unit = np.log(np.sqrt(2 * np.pi) * member.expert.spread * member.scale)
        left_out = -0.5 * alpha**2 / diagonal + 0.5 * np.log(diagonal) - unit
        together.append(member.scores)
        without.append(member.scores - left_out)
    disturbed = np.log(DISTURBED) - np.log(latency_ms * np.log(DISTURBANCE_RANGE))
    gain = logsumexp(np.concatenate(without, axis=1), axis=1) + disturbed - logsumexp(np.concatenate(together))
    worst = int(np.argmax(gain))
    return worst if gain[worst] > 0 else None


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
                asked = _Loadings.of(expert, features, query)
                shared[key] = (asked.to(_Loadings.of(expert, features, measured), expert), asked.variance(expert))
            columns = _own_columns(expert, query)
            prepared[id(expert)] = (
                shared[key][0] + columns @ _own_columns(expert, measured).T,
                shared[key][1] + np.einsum("ij,ij->i", columns, columns),
            )
        outer, own = prepared[id(expert)]
        projected = (member.factor * outer + CONSTANT_VARIANCE) @ member.vectors
        inverse, unit = member.inverse[chosen], member.scale * expert.spread
        mean = member.scale + unit * (expert.mean[query] + (inverse * member.rotated) @ projected.T)
        prior = member.factor * own + CONSTANT_VARIANCE + member.noise[chosen][:, None]
        left = unit**2 * np.maximum(prior - inverse @ (projected**2).T, _LEAST_VARIANCE)
        mean_ms += row[chosen] @ mean
        square += row[chosen] @ (left + mean**2)
        total += float(row[chosen].sum())
    mean_ms /= total
    return mean_ms, np.maximum(square / total - mean_ms**2, _LEAST_VARIANCE)
