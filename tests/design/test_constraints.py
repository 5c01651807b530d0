"""Limits and preferences."""

from __future__ import annotations

from statistics import NormalDist
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from design.constraints import LEAST_LIMIT, LEAST_RISK, MOST_LIMIT, Constraints, LimitName, Preferences

LIMITS = get_args(LimitName)


def test_only_limits_that_are_set_count() -> None:
    assert Constraints().limits() == {}
    found = Constraints(energy_mj=2.5, latency_ms=10, min_accuracy=0.9).limits()
    assert list(found.items()) == [("latency_ms", 10.0), ("energy_mj", 2.5), ("min_accuracy", 0.9)]


def test_every_limit_has_a_field() -> None:
    assert set(LIMITS) == set(Constraints.model_fields) - {"risk"}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    "value", [-1.0, float("nan"), float("inf"), 1e13, "many", "1_0", "0.5", True, False, np.True_, b"1", [1.0]]
)
def test_refuses_absurd_limits(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Constraints.model_validate({name: value})


@pytest.mark.parametrize("name", sorted(set(LIMITS) - {"min_accuracy"}))
def test_costs_are_limited_within_what_ratios_bear(name: str) -> None:
    for value in (LEAST_LIMIT, MOST_LIMIT):
        assert Constraints.model_validate({name: value}).limits() == {name: value}
    for value in (5e-324, 0.99 * LEAST_LIMIT):
        with pytest.raises(ValidationError, match=r"greater than or equal to 0\.0{29}1"):
            Constraints.model_validate({name: value})


def test_numbers_of_any_kind_are_taken_as_numbers() -> None:
    found = Constraints.model_validate({"latency_ms": 10, "energy_mj": np.float32(2), "model_kb": np.float64(3)})
    assert list(found.limits().values()) == [10.0, 2.0, 3.0]
    assert Constraints.model_validate_json('{"latency_ms": 10}').latency_ms == 10.0


@pytest.mark.parametrize("text", ["true", '"10"', '"1_0"'])
def test_what_is_no_number_in_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValidationError, match="should be a valid number"):
        Constraints.model_validate_json(f'{{"latency_ms": {text}}}')
    with pytest.raises(ValidationError, match="should be a valid number"):
        Preferences.model_validate_json(f'{{"energy": {text}}}')


@pytest.mark.parametrize("risk", [0, 0.6, -0.1, float("nan"), 1e-20, 5.6e-17, True])
def test_risk_is_a_chance_up_to_one_half(risk: float) -> None:
    with pytest.raises(ValidationError):
        Constraints(risk=risk)


def test_quantiles_exist_at_the_least_risk() -> None:
    risk = Constraints(risk=LEAST_RISK).risk
    assert NormalDist().inv_cdf(1 - risk) == pytest.approx(7.941, abs=1e-3)


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Constraints.model_validate({"latency": 10})


def test_some_preference_is_positive() -> None:
    assert Preferences().accuracy == 1
    assert Preferences(accuracy=0, size=2).size == 2
    with pytest.raises(ValidationError, match="at least one preference must be positive"):
        Preferences(accuracy=0)
    with pytest.raises(ValidationError):
        Preferences(latency=-1)
