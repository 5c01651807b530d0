"""Every way a design is found has a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.approaches import WHY, why
from optimizer.optimize import optimize
from optimizer.problem import Method
from tests.optimizer.asking import ask


@pytest.mark.parametrize("space", ["vgg", "nasbench201"])
@pytest.mark.parametrize("method", ["auto", "network", "search", "both"])
def test_answers_name_an_approach_with_a_reason(space: str, method: Method) -> None:
    answer = optimize(replace(ask("raspberry-pi-4", space, model_kb=500), method=method))
    assert answer.approach in WHY
    assert why(answer.approach)


def test_of_another_version_nothing_is_claimed() -> None:
    assert why("simulated annealing") is None
