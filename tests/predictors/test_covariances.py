from __future__ import annotations

import numpy as np

from predictors.covariances import Loadings, covariance, own_columns, squared_distances, variance
from tests.predictors.small_tables import measured, small_space, small_table


def test_loadings_equal_the_covariance_that_was_fitted() -> None:
    features, (rows, _, query) = small_table().features, measured(7)
    for expert in small_space().experts(features):
        near, far = (Loadings.of(expert, features, index) for index in (rows, query[:9]))
        smooth = np.exp(-0.5 / expert.variances["length"] * squared_distances(far.flat, near.flat))
        own = own_columns(expert, query[:9]) @ own_columns(expert, rows).T
        wanted = covariance(expert, features, query[:9], rows) + expert.variances["smooth"] * smooth
        assert np.allclose(far.to(near, expert) + own, wanted, rtol=1e-9)
        deviation = (own_columns(expert, query[:9]) ** 2).sum(axis=1)
        assert np.allclose(far.variance(expert) + deviation, variance(expert, features, query[:9]), rtol=1e-9)
