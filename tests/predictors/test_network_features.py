"""Features of networks are kept with sets of designs, apart by what a device computes as integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from design.spaces.registry import SPACES
from design.task import find_task
from predictors.network_features import MOST_KNOWN, SHARE_INT8, network_features

TASK = find_task("cifar10")


def test_what_is_kept_is_what_would_be_worked_out() -> None:
    designs = SPACES["resnet"].rows(TASK, SPACES["resnet"].sample(TASK, 6, np.random.default_rng(0)))
    floats, integers = np.full(len(designs.rows), 32), np.full(len(designs.rows), 8)
    for width in (floats, integers, floats):
        assert np.array_equal(network_features(designs, width), network_features(replace(designs), width))
    assert network_features(designs, floats)[:, SHARE_INT8].max() == 0
    assert network_features(designs, integers)[:, SHARE_INT8].min() > 0.9
    index = np.array([4, 1])
    some = designs.take(index)
    for width in (integers, floats):
        assert np.array_equal(network_features(some, width), network_features(designs, width)[index])


def test_few_are_kept() -> None:
    designs = SPACES["vgg"].rows(TASK, SPACES["vgg"].sample(TASK, 3, np.random.default_rng(0)))
    for number in range(1, 3 * MOST_KNOWN):
        width = np.where(np.arange(len(designs.rows)) < number, 8, 32)
        assert np.array_equal(network_features(designs, width), network_features(replace(designs), width))
    (known,) = designs.facts.values()
    assert len(getattr(known, "features")) <= MOST_KNOWN  # noqa: B009
