"""Which spaces are polished: the most promising one, and those that are not far behind it then."""

from __future__ import annotations

from typing import Any

import pytest

import optimizer.proposals
from design.spaces.registry import SPACES
from optimizer.proposals import CONTENDERS, proposed
from optimizer.repair import usable_spaces
from optimizer.trials import Trials, begun, best_first
from predictors.descriptor import describe
from tests.optimizer.asking import ask


def searches(**limits: Any) -> list[Trials]:
    problem = ask("raspberry-pi-4", **limits)
    device = describe(problem.device)
    return begun(problem, device, usable_spaces((), SPACES, problem.task, device))


def polished(found: list[Trials]) -> list[Trials]:
    """Those of which more was tried than what was offered to them."""
    return [trials for trials in found if trials.starts is not None and trials.evaluations > len(trials.starts)]


@pytest.mark.parametrize(("lead", "count"), [(-1e9, 1), (1e9, CONTENDERS)])
def test_a_space_far_behind_one_that_was_polished_is_not_polished(
    monkeypatch: pytest.MonkeyPatch, lead: float, count: int
) -> None:
    monkeypatch.setattr(optimizer.proposals, "LEAD", lead)
    found = searches(latency_ms=20.0, model_kb=400.0)
    assert proposed(found)
    assert len(polished(found)) == count
    assert best_first(found)[0] in polished(found)


def test_where_the_first_breaks_a_limit_the_next_is_polished_whatever_its_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer.proposals, "LEAD", -1e9)
    found = searches(latency_ms=0.001)
    assert not proposed(found)
    assert len(polished(found)) == CONTENDERS
