"""The accuracy prior in numpy against its differentiable twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from design.spaces.registry import SPACES, find_space
from design.task import TASKS, Task, find_task
from predictors.accuracy_prior import Feature, bit_cost, load_prior
from predictors.prior_arrays import PriorArrays

PRIOR = load_prior()
ARRAYS = PriorArrays(PRIOR)
UNKNOWN = find_task("cifar10").model_copy(
    update={"name": "leaves", "input_height": 40, "input_width": 30, "classes": 17}
)


@pytest.mark.parametrize("name", sorted(SPACES))
@pytest.mark.parametrize("task", [find_task("cifar10"), find_task("imagenet"), UNKNOWN], ids=lambda task: task.name)
def test_says_what_the_differentiable_prior_says(name: str, task: Task) -> None:
    space = find_space(name)
    designs = space.rows(task, space.sample(task, 60, np.random.default_rng(1)))
    slow, fast = PRIOR.aggregate(designs), ARRAYS.aggregate(designs)
    np.testing.assert_allclose(fast, slow.numpy(), rtol=2e-6)
    np.testing.assert_allclose(ARRAYS.bit_cost(fast), bit_cost(slow).numpy(), rtol=1e-5)
    np.testing.assert_allclose(ARRAYS.log_odds(fast, task), PRIOR.log_odds(slow, task).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ARRAYS.accuracy(fast, task), PRIOR.accuracy(slow, task).numpy(), rtol=1e-6)
    np.testing.assert_allclose(ARRAYS.spread(fast, task), PRIOR.spread(slow, task).numpy(), rtol=1e-6)


def test_designs_from_blocks_and_one_by_one_are_told_the_same_digits() -> None:
    space, task = find_space("resnet"), find_task("cifar10")
    designs = space.rows(task, space.sample(task, 40, np.random.default_rng(2)))
    whole = ARRAYS.accuracy(ARRAYS.aggregate(designs), task)
    for index in range(0, 40, 7):
        alone = ARRAYS.accuracy(ARRAYS.aggregate(designs.take(np.array([index]))), task)
        assert alone[0] == pytest.approx(whole[index], rel=1e-14)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_stays_between_chance_and_one(task: Task) -> None:
    features = torch.zeros(2, len(Feature), dtype=torch.float64).numpy()
    features[0, : Feature.WEIGHT_COST] = 1e12
    features[1, Feature.WEIGHT_COST] = 1e6
    best, worst = ARRAYS.accuracy(features, task)
    assert 1 / task.classes < best < 1
    assert worst == pytest.approx(1 / task.classes)
