"""Covariances: how latencies of networks vary together under one expert, and the columns whose products they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.experts import Expert, SpaceFeatures


def covariance(expert: Expert, features: SpaceFeatures, rows: IntArray, columns: IntArray) -> FloatArray:
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


def variance(expert: Expert, features: SpaceFeatures, rows: IntArray) -> FloatArray:
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
class Loadings:
    """What experts with the same variances and the same view of the networks share.

    Attributes:
        columns: M x K, features times the roots of their variances: covariances are products of rows.
        flat: M x F, what distances are measured in.
    """

    columns: FloatArray
    flat: FloatArray

    @classmethod
    def of(cls, expert: Expert, features: SpaceFeatures, rows: IntArray) -> Loadings:
        """Those of the networks `rows`."""
        seen = expert.view(features)
        parts = [np.sqrt(expert.variances[name]) * group[rows] for name, group in seen.groups.items()]
        return cls(np.hstack(parts), seen.flat[rows])

    def to(self, other: Loadings, expert: Expert) -> FloatArray:
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


def own_columns(expert: Expert, rows: IntArray) -> FloatArray:
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
