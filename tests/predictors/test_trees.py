from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from design.encoding import FloatArray
from predictors.trees import TreeOptions, Trees, fit_trees

OPTIONS = TreeOptions(trees=12, min_leaf=2)


@pytest.fixture(scope="module")
def data() -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 7))
    return features, features[:, 0] * features[:, 5] + 0.1 * random.normal(size=300)


@pytest.fixture(scope="module")
def trees(data: tuple[FloatArray, FloatArray]) -> Trees:
    return fit_trees(*data, OPTIONS, seed=3)


def test_equals_scikit_learn(data: tuple[FloatArray, FloatArray], trees: Trees) -> None:
    slow = ExtraTreesRegressor(12, min_samples_leaf=2, max_features=0.5, random_state=3).fit(*data)
    fresh = np.random.default_rng(1).normal(size=(50, 7))
    np.testing.assert_allclose(trees.predict(fresh), slow.predict(fresh), atol=1e-6)


@pytest.mark.parametrize("known", [0, 1, 3, 6])
def test_fixing_features_changes_nothing(trees: Trees, known: int) -> None:
    fresh = np.random.default_rng(2).normal(size=(40, 7))
    fresh[:, :known] = fresh[0, :known]
    walk = trees.fixed(fresh[0, :known])
    np.testing.assert_array_equal(walk.predict(fresh[:, known:]), trees.predict(fresh))
    assert walk.depth <= trees.depth
    knowing = trees.knowing(fresh[0, :known])
    for number in (3, 0, 40, 40):  # each by itself, then by what is decided already
        np.testing.assert_array_equal(knowing.predict(fresh[:number, known:]), trees.predict(fresh[:number]))


def test_survives_storage_and_is_reproducible(data: tuple[FloatArray, FloatArray], trees: Trees) -> None:
    fresh = np.random.default_rng(4).normal(size=(9, 7))
    np.testing.assert_array_equal(Trees.of(trees.arrays()).predict(fresh), trees.predict(fresh))
    np.testing.assert_array_equal(fit_trees(*data, OPTIONS, seed=3).number, trees.number)
    assert trees.predict(np.zeros((0, 7))).shape == (0,)
