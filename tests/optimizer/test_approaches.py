"""Every way a design is found has a reason, which is true of the way it was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from optimizer.approaches import NOTHING_BETTER, NOTHING_PROPOSED, WHY, WHY_ALONE, WHY_SHARED, why, why_in_fleet
from optimizer.genetic import GeneticSearch
from optimizer.library_search import LibrarySearch
from optimizer.neural import NeuralSearch
from optimizer.optimize import optimize
from optimizer.problem import Method
from tests.optimizer.asking import ask

NSGA = GeneticSearch.approach


@pytest.mark.parametrize("space", ["vgg", "nasbench201"])
@pytest.mark.parametrize("method", ["auto", "network", "search", "both"])
def test_answers_name_an_approach_with_a_reason(space: str, method: Method) -> None:
    answer = optimize(replace(ask("raspberry-pi-4", space, model_kb=500), method=method))
    assert answer.approach in WHY
    assert answer.why
    assert answer.why == why(answer.approach, method)


def test_a_search_gives_the_reason_it_was_begun_for() -> None:
    told = {method: why(NSGA, method) for method in get_args(Method)}
    assert told["search"] == "a search was asked for"
    assert told["auto"] == told["network"] == NOTHING_PROPOSED
    assert str(told["both"]).startswith("a search was asked for beside what is proposed")


@pytest.mark.parametrize("approach", [LibrarySearch.approach, NeuralSearch.approach])
def test_what_is_proposed_beside_a_search_says_that_the_search_found_nothing_better(approach: str) -> None:
    told = {method: str(why(approach, method)) for method in get_args(Method)}
    assert [NOTHING_BETTER in told[method] for method in ("auto", "network", "both")] == [False, False, True]


@pytest.mark.parametrize(("method", "limits"), [("search", {}), ("auto", {"model_kb": 0.001})])
def test_a_search_is_told_from_one_that_was_asked_for(method: Method, limits: dict[str, Any]) -> None:
    answer = optimize(replace(ask("raspberry-pi-4", "vgg", task="digits", **limits), method=method))
    assert answer.approach == NSGA
    assert answer.why == ("a search was asked for" if method == "search" else NOTHING_PROPOSED)


def test_of_a_request_whose_method_was_not_kept_no_more_is_claimed_than_is_known() -> None:
    assert {approach: why(approach, None) for approach in WHY} == WHY


def test_of_another_version_nothing_is_claimed() -> None:
    assert why("simulated annealing", "auto") is None


def test_devices_of_a_fleet_say_whether_they_were_looked_at_by_themselves() -> None:
    assert why_in_fleet(LibrarySearch.approach, alone=False) == WHY_SHARED
    assert why_in_fleet(LibrarySearch.approach, alone=True) == f"{WHY_ALONE}, {WHY[LibrarySearch.approach]}"
