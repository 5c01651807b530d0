"""The fit without labels, small and whole: the same twice, and its surrogate comes nearer to the predictors."""

from __future__ import annotations

import math

import torch

from benchmarks.optimizer_supervised import keys
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.fit_without_labels import WithoutLabels, fit_without_labels
from optimizer.gene_code import gene_code
from optimizer.network_check import Nearness, NetworkCheck

SMALL = WithoutLabels(devices=12, validation=5, chunks=1, surrogate_steps=(12, 6), generator_steps=(6, 6))


def test_two_fits_with_one_seed_are_equal_and_longer_ones_err_less() -> None:
    codes = [gene_code(SPACES["vgg"], find_task("digits"))]  # type: ignore[arg-type]  # by identity
    told: list[str] = []
    (one, errors), (two, again) = (fit_without_labels(codes, SMALL, 0, told.append) for _ in range(2))
    assert errors == again
    assert all(torch.equal(own, other) for own, other in zip(one.parameters(), two.parameters(), strict=True))
    longer = WithoutLabels(devices=12, validation=5, chunks=1, surrogate_steps=(150, 50), generator_steps=(2, 2))
    _, better = fit_without_labels(codes, longer, 0, told.append)
    assert all(math.isfinite(error) for error in errors)
    assert better[0] < errors[0]


def test_keys_name_stage_and_figure_and_leave_out_what_there_is_not() -> None:
    near = Nearness(feasible=1.0, behind=0.1, points=None)
    found = keys(NetworkCheck(requests=3, first=near, answers=near, polished=near))
    assert found["requests"] == 3
    assert found["first_feasible"] == 1.0
    assert found["polished_behind"] == 0.1
    assert "answers_points" not in found
