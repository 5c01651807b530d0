"""Covariance: of features seen in pieces, in constant memory."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]


class Covariance:
    """Mean and covariance of rows of C features, merged piece by piece in float64.

    The pairwise update of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for computing sample
    variances", 1979), which does not lose digits where means are large beside deviations.

    Args:
        features: C.
    """

    def __init__(self, features: int) -> None:
        self.rows = 0
        self.mean: FloatArray = np.zeros(features)
        self._scatter: FloatArray = np.zeros((features, features))

    def add(self, rows: Tensor) -> None:
        """Take in more rows, N x C."""
        own = rows.detach().to(torch.float64).numpy()
        number = len(own)
        if not number:
            return
        mean = own.mean(axis=0)
        centred = own - mean
        together = self.rows + number
        apart = mean - self.mean
        self._scatter += centred.T @ centred + np.outer(apart, apart) * (self.rows * number / together)
        self.mean = self.mean + apart * (number / together)
        self.rows = together

    @property
    def matrix(self) -> FloatArray:
        """C x C, divided by the number of rows."""
        return self._scatter / max(self.rows, 1)

    def variances(self) -> FloatArray:
        """Variances along the principal components, C, the largest first, none negative."""
        found = np.linalg.eigvalsh(self.matrix)[::-1]
        return np.asarray(np.maximum(found, 0.0))


def components_below(variances: FloatArray, share: float) -> int:
    """Leading components whose summed variance stays below a share of the whole (arXiv 1906.01493, code).

    Args:
        variances: C, the largest first.
        share: For example .99.

    Returns:
        0 to C; 0 where nothing varies.
    """
    whole = float(variances.sum())
    if whole <= 0:
        return 0
    return int((np.cumsum(variances) / whole < share).sum())
