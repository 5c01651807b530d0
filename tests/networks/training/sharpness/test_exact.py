"""Sharpness agrees with the whole matrix, for what is measured and however it is measured, and touches nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn, optim

from networks.training.errors import InvalidOptions
from networks.training.sharpness.eigenvalues import follow, lanczos
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.hessian import FloatArray, Hessian
from networks.training.sharpness.preconditioner import preconditioner
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.surrogate import Statistics, surrogate
from tests.networks.training.sharpness.small import bowl, cross_entropy_probe, dense_hessian, mean_probe, tanh_net


class Matrix:
    """A given matrix by its products."""

    def __init__(self, matrix: FloatArray) -> None:
        self.matrix, self.size, self.products = matrix, len(matrix), 0

    def apply(self, vectors: FloatArray) -> FloatArray:
        self.products += vectors.shape[1]
        return self.matrix @ vectors


def random_matrix(size: int = 80, seed: int = 0) -> FloatArray:
    """Eigenvalues of both signs, the largest in magnitude negative."""
    generator = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(generator.standard_normal((size, size)))
    values = np.concatenate([[-30.0, 9.0, 6.0, 5.5], generator.uniform(-1, 2, size - 4)])
    found: FloatArray = (turned * values) @ turned.T
    return found


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("chunks", [1, 3])
def test_the_largest_eigenvalues_are_those_of_the_whole_matrix(count: int, chunks: int) -> None:
    module, probe = tanh_net(), cross_entropy_probe(chunks=chunks)
    expected = np.linalg.eigvalsh(dense_hessian(module, probe))[::-1][:count]
    found = measure_sharpness(module, probe, count=count, tolerance=1e-8)
    assert found.values == pytest.approx(expected, rel=1e-9)
    assert found.converged
    assert found.measures == "Hessian of the training loss"
    assert found.statistics is None


@pytest.mark.parametrize("hold", [True, False])
def test_products_are_those_of_the_whole_matrix(hold: bool) -> None:
    module, probe = tanh_net(), cross_entropy_probe()
    own = Hessian(surrogate(module), probe, hold=hold)
    vectors = np.random.default_rng(1).standard_normal((own.size, 2))
    expected = dense_hessian(module, probe) @ vectors
    for _ in range(2):
        np.testing.assert_allclose(own.apply(vectors), expected, rtol=1e-10, atol=1e-13)
    assert own.products == 4


@pytest.mark.parametrize("statistics", Statistics)
def test_batch_norm_is_measured_in_the_mode_that_is_said(statistics: Statistics) -> None:
    module, probe = tanh_net(norm=True), cross_entropy_probe()
    module.train()
    module(probe.chunks[0][0])
    whole = copy.deepcopy(module).train(statistics is Statistics.BATCH)
    for part in whole.modules():
        if isinstance(part, nn.BatchNorm1d) and statistics is Statistics.BATCH:
            part.track_running_stats, part.running_mean, part.running_var = False, None, None
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = measure_sharpness(module, probe, statistics=statistics, tolerance=1e-8)
    assert found.value == pytest.approx(np.linalg.eigvalsh(dense_hessian(whole, probe))[-1], rel=1e-8)
    assert found.statistics is statistics
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert module.training


def test_adam_is_measured_through_its_preconditioner_and_decay() -> None:
    module, probe = tanh_net(), cross_entropy_probe()
    for kind, decay in ((optim.Adam, 0.3), (optim.AdamW, 0.0)):
        stepper = kind(module.parameters(), lr=0.01, weight_decay=0.3)
        for inputs, labels in probe.chunks:
            stepper.zero_grad()
            probe.loss(module(inputs), labels).backward()  # type: ignore[no-untyped-call]
            stepper.step()
        scales = preconditioner(stepper, list(module.parameters()))
        scale = torch.cat([one.reshape(-1) for one in scales]).numpy() ** -0.5
        shifted = dense_hessian(module, probe) + decay * np.eye(len(scale))
        expected = np.linalg.eigvalsh(scale[:, None] * shifted * scale)[-1]
        found = measure_sharpness(module, probe, stepper=stepper, tolerance=1e-8)
        assert found.value == pytest.approx(expected, rel=1e-8)
        assert "preconditioned" in found.measures


def test_plain_decay_is_added() -> None:
    own = bowl((4.0, 1.0))
    stepper = optim.SGD([own.w], lr=0.1, weight_decay=0.5)
    assert measure_sharpness(own, mean_probe(), stepper=stepper).value == pytest.approx(4.5)


@pytest.mark.parametrize("count", [1, 2])
def test_following_agrees_with_lanczos_and_takes_few_products(count: int) -> None:
    matrix = random_matrix()
    expected = np.linalg.eigvalsh(matrix)[::-1][:count]
    scratch = lanczos(Matrix(matrix), count, tolerance=1e-10)
    assert scratch.values == pytest.approx(expected, rel=1e-9)
    changed = matrix + 0.02 * random_matrix(seed=1)
    now = np.linalg.eigvalsh(changed)[::-1][:count]
    followed = follow(Matrix(changed), scratch.vectors, tolerance=0.02)
    assert followed.values == pytest.approx(now, rel=2e-3)
    assert followed.products <= 6 * count
    precise = follow(Matrix(changed), scratch.vectors, tolerance=1e-7, most=300)
    assert precise.values == pytest.approx(now, rel=1e-9)
    assert precise.converged


def test_an_eigenvalue_that_overtakes_is_found() -> None:
    """From the exact vector of what is now the second largest, and a direction that leans to the largest."""
    matrix = np.diag(np.concatenate([[5.0, 6.5], np.linspace(0, 1, 60)]))
    start = np.column_stack([np.eye(62)[0], np.eye(62)[1] + 0.08 * np.ones(62)])
    found = follow(Matrix(matrix), start, 1, tolerance=1e-2)
    assert found.values[0] == pytest.approx(6.5, rel=1e-3)
    assert found.vectors.shape == (62, 1)


def test_what_stops_early_says_so() -> None:
    found = follow(Matrix(random_matrix()), np.ones((80, 1)), tolerance=1e-9, most=3)
    assert not found.converged
    assert found.products <= 3
    assert found.values[0] < 9.0
    with pytest.raises(InvalidOptions, match="1 to 80"):
        lanczos(Matrix(random_matrix()), 81)


def test_a_part_of_the_examples_comes_with_an_error_that_holds() -> None:
    """Draws of a quarter of 800 examples lie within two standard errors of the value of all."""
    module, whole = tanh_net(3), cross_entropy_probe(800, 4)
    inputs, labels = (torch.cat(parts) for parts in zip(*whole.chunks, strict=True))
    truth = measure_sharpness(module, whole, tolerance=1e-2)
    assert truth.sampling_error is not None
    off, errors = [], []
    for seed in range(8):
        rows = torch.randperm(800, generator=torch.Generator().manual_seed(seed))[:200]
        chunks = tuple(zip(torch.split(inputs[rows], 40), torch.split(labels[rows], 40), strict=True))
        found = measure_sharpness(module, Probe(chunks=chunks, loss=whole.loss), population=800, tolerance=1e-2)
        assert found.sampling_error is not None
        off.append(found.value - truth.value)
        errors.append(found.sampling_error)
    inside = sum(abs(gap) <= 2 * error for gap, error in zip(off, errors, strict=True))
    assert inside >= 6
    assert 0.4 < np.std(off) / np.mean(errors) < 2.5
    everything = measure_sharpness(module, whole, population=800, tolerance=1e-2)
    assert everything.sampling_error == 0


def test_nothing_is_disturbed() -> None:
    module, probe = tanh_net(norm=True), cross_entropy_probe()
    module.insert(2, nn.Dropout(0.5))
    probe.loss(module(probe.chunks[0][0]), probe.chunks[0][1]).backward()  # type: ignore[no-untyped-call]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    slopes = [one.grad.clone() for one in module.parameters() if one.grad is not None]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = measure_sharpness(module, probe)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    kept = [one.grad for one in module.parameters() if one.grad is not None]
    assert all(torch.equal(one, other) for one, other in zip(slopes, kept, strict=True))
    assert measure_sharpness(module, probe).value == first.value


def test_a_probe_must_have_examples() -> None:
    with pytest.raises(InvalidOptions, match="at least one"):
        Probe(chunks=(), loss=nn.functional.cross_entropy)
