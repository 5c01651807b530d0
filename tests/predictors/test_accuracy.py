from __future__ import annotations

import numpy as np
import pytest
import torch

from design.design import Design, Genotype
from design.encoding import IntArray, encode_designs
from design.policies import full_precision
from design.spaces.registry import SPACES, find_space
from design.task import find_task
from predictors.accuracy import AccuracyPredictor, accuracy_predictor
from predictors.accuracy_prior import load_prior
from predictors.accuracy_table import load_table, one_hot_cells
from predictors.reference_networks import reference_network

ACCURACY = accuracy_predictor()
CIFAR10 = find_task("cifar10")
CELLS = find_space("nasbench201")


def genotypes(*precision_genes: int) -> IntArray:
    """Some cells with these choices behind the operations (0: 32 bits)."""
    found = CELLS.sample(CIFAR10, 64, np.random.default_rng(1))
    found[:, 6:] = precision_genes or 0
    return CELLS.canonical(CIFAR10, found)


def test_default_instance_is_made_once() -> None:
    assert accuracy_predictor() is ACCURACY
    assert ACCURACY.name == "accuracy"


def test_full_precision_cells_have_the_accuracy_of_the_table() -> None:
    designs = CELLS.rows(CIFAR10, genotypes())
    assert ACCURACY.basis(designs, CIFAR10) == "table"
    found = ACCURACY.predict(designs, None, CIFAR10)
    assert found.scale == "logit"
    with torch.no_grad():
        direct = torch.sigmoid(ACCURACY.table.accuracy_logits(one_hot_cells(genotypes()[:, :6]), "cifar10"))
    np.testing.assert_allclose(found.median, direct.double().numpy(), atol=1e-5)


def test_few_bits_lower_the_table_and_make_it_a_prior() -> None:
    full = CELLS.rows(CIFAR10, genotypes())
    half = CELLS.rows(CIFAR10, genotypes(1, 1, 1, 1, 1, 1))
    binary = CELLS.rows(CIFAR10, genotypes(8, 8, 8, 5, 2, 2))
    one, two, three = (ACCURACY.predict(designs, None, CIFAR10) for designs in (full, half, binary))
    assert [ACCURACY.basis(designs, CIFAR10) for designs in (full, half, binary)] == ["table", "table", "prior"]
    alive = one.median > 0.2
    assert (two.median <= one.median).all()
    assert np.abs(two.median - one.median).max() < 0.002
    assert (three.median[alive] < one.median[alive] - 0.01).all()
    assert (three.spread[alive] > one.spread[alive]).all()
    np.testing.assert_allclose(three.median[~alive], 0.1, atol=1e-4)


def test_basis_of_a_mixed_batch_is_the_weakest() -> None:
    mixed = np.concatenate([genotypes()[:3], genotypes(8, 8, 8, 5, 2, 2)[:1]])
    assert ACCURACY.basis(CELLS.rows(CIFAR10, mixed), CIFAR10) == "prior"
    assert ACCURACY.basis(CELLS.rows(CIFAR10, mixed).take(np.array([0, 2])), CIFAR10) == "table"


@pytest.mark.parametrize("operations", [(3, 3, 3, 3, 3, 3), (0, 0, 0, 9, 0, 0)])
def test_network_that_only_says_it_is_a_cell_rests_on_the_prior(operations: tuple[int, ...]) -> None:
    architecture = reference_network("resnet20", CIFAR10)
    origin = Genotype(space="nasbench201", task="cifar10", values=(*operations, 0, 0, 0, 0, 0, 0))
    designs = [
        Design(architecture=architecture, policy=full_precision(architecture), genotype=genotype)
        for genotype in (origin, None)
    ]
    assert ACCURACY.basis(encode_designs(designs[:1]), CIFAR10) == "prior"
    claimed, plain = (ACCURACY.predict(encode_designs([one]), None, CIFAR10) for one in designs)
    assert claimed.median[0] == plain.median[0]


def test_cells_of_other_tasks_and_other_networks_rest_on_the_prior() -> None:
    mnist = find_task("mnist")
    assert ACCURACY.basis(CELLS.rows(mnist, genotypes()), mnist) == "prior"
    renamed = CIFAR10.model_copy(update={"input_height": 48})
    assert ACCURACY.basis(CELLS.rows(renamed, genotypes()), renamed) == "prior"
    architecture = reference_network("resnet20", CIFAR10)
    designs = encode_designs([Design(architecture=architecture, policy=full_precision(architecture))])
    assert ACCURACY.basis(designs, CIFAR10) == "prior"
    found = ACCURACY.predict(designs, None, CIFAR10)
    direct = ACCURACY.prior.accuracy(ACCURACY.prior.aggregate(designs), CIFAR10)
    np.testing.assert_allclose(found.median, direct.numpy(), rtol=1e-6)
    low, high = found.interval()
    assert 0.85 < low[0] < 0.905
    assert 0.925 < high[0] < 0.96


@pytest.mark.parametrize("space", sorted(SPACES))
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist", "mnist"])
def test_members_of_every_space_are_predicted_alike_twice(space: str, name: str) -> None:
    own, task = find_space(space), find_task(name)
    designs = own.rows(task, own.sample(task, 50, np.random.default_rng(0)))
    first, second = (
        ACCURACY.predict(designs, None, task),
        AccuracyPredictor(load_table(), load_prior()).predict(designs, None, task),
    )
    np.testing.assert_array_equal(first.median, second.median)
    np.testing.assert_array_equal(first.spread, second.spread)
    assert ((first.median >= 1 / task.classes - 1e-6) & (first.median < 1)).all()
    assert (first.spread > 0).all()
    few = ACCURACY.predict(designs.take(np.array([7, 3])), None, task)
    np.testing.assert_allclose(few.median, first.median[[7, 3]], rtol=1e-12)


def test_fast_encoding_and_design_objects_agree() -> None:
    for space in SPACES.values():
        chosen = space.sample(CIFAR10, 3, np.random.default_rng(5))
        fast = ACCURACY.predict(space.rows(CIFAR10, chosen), None, CIFAR10)
        slow = ACCURACY.predict(encode_designs([space.decode(CIFAR10, one) for one in chosen]), None, CIFAR10)
        np.testing.assert_allclose(fast.median, slow.median, rtol=1e-9)
        np.testing.assert_allclose(fast.spread, slow.spread, rtol=1e-9)


def test_no_designs_give_no_figures() -> None:
    designs = CELLS.rows(CIFAR10, genotypes()).take(np.zeros(0, dtype=np.int64))
    assert len(ACCURACY.predict(designs, None, CIFAR10).median) == 0
