"""Requests at the ends of what is legal: answers are JSON, every figure finite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from design.constraints import LEAST_LIMIT, LEAST_RISK, MOST_LIMIT, Constraints
from design.device import DeviceProfile
from design.task import find_task
from optimizer.optimize import optimize
from optimizer.problem import Problem

COSTS = ("latency_ms", "energy_mj", "model_kb", "peak_memory_kb", "training_memory_kb")
TIGHTEST = dict.fromkeys(COSTS, LEAST_LIMIT) | {"min_accuracy": 1, "risk": LEAST_RISK}
LOOSEST = dict.fromkeys(COSTS, MOST_LIMIT) | {"min_accuracy": 0, "risk": LEAST_RISK}


@pytest.mark.parametrize(
    ("profile", "limits", "feasible"),
    [
        ({"kind": "cpu", "clock_ghz": 1e-9, "memory_bandwidth_gbps": 1e-9}, TIGHTEST, False),
        ({"kind": "asic", "process_nm": 0.1, "peak_gmacs": {"int8": 1e12}}, LOOSEST, True),
        ({"kind": "mcu", "ram_kb": 1e-9, "flash_kb": 1e-9}, {}, False),
    ],
)
def test_answers_are_finite_at_the_ends(profile: dict[str, Any], limits: dict[str, float], feasible: bool) -> None:
    problem = Problem(
        device=DeviceProfile.model_validate({"name": "x"} | profile),
        task=find_task("cifar10"),
        constraints=Constraints.model_validate(limits),
        spaces=("vgg",),
    )
    found = optimize(problem)
    assert found.feasible == feasible
    json.dumps(found.model_dump(), allow_nan=False)
