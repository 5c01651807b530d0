"""Fleets: every figure is what the device's own predictors say, and groups keep every member's limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from design.constraints import Constraints
from design.device import DeviceProfile
from design.errors import BespokeError
from design.task import find_task
from optimizer import fleet as fleet_module
from optimizer.fleet import FleetMember, NotAmortised, UnlikeProblems, optimize_fleet
from optimizer.fleet_pass import POOL, representatives
from optimizer.objective import Objective, Scores
from optimizer.problem import Problem
from optimizer.synthetic_profiles import synthetic_profiles
from predictors.descriptor import describe
from predictors.predict import predict
from tests.optimizer.asking import ask


def fleet(count: int = 30, **limits: Any) -> list[Problem]:
    problem = ask("raspberry-pi-4", "vgg", task="digits", **limits)
    return [replace(problem, device=profile) for profile in synthetic_profiles(count, 11)]


def own_scores(
    problem: Problem, member: FleetMember, genotype: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> Scores:
    device = describe(problem.device)
    designs = member.space.rows(problem.task, genotype[None])
    return Scores.of(genotype[None], predict(designs, device, problem.task), problem.constraints.risk)


def test_members_are_scored_by_their_own_predictors() -> None:
    problems = fleet(latency_ms=1, model_kb=30)
    for problem, member in zip(problems, optimize_fleet(problems).members, strict=True):
        if isinstance(member, BespokeError):
            continue
        again = own_scores(problem, member, member.genotype)
        assert again.at_risk == pytest.approx(member.scores.at_risk, rel=1e-12)
        objective = Objective.of(problem, describe(problem.device))
        assert member.feasible == objective.feasible(again)


def test_groups_serve_all_that_can_be_and_keep_their_limits() -> None:
    problems = fleet(latency_ms=1, model_kb=30)
    found = optimize_fleet(problems)
    served = sorted(at for group in found.groups for at in group.members)
    able = [at for at, one in enumerate(found.members) if isinstance(one, FleetMember) and one.feasible]
    assert served == able
    assert 1 <= len(found.groups) < len(able)
    for group in found.groups:
        for at in group.members:
            member = found.members[at]
            assert isinstance(member, FleetMember)
            scores = own_scores(problems[at], member, group.genotype)
            assert Objective.of(problems[at], describe(problems[at].device)).feasible(scores)


def test_the_answer_of_one_does_not_depend_on_limits_of_others_breaking() -> None:
    problems = fleet(6, model_kb=30)
    impossible = replace(problems[0], constraints=Constraints(latency_ms=1e-9))
    found = optimize_fleet([impossible, *problems[1:]])
    first = found.members[0]
    assert isinstance(first, FleetMember)
    assert not first.feasible
    assert all(isinstance(one, FleetMember) and one.feasible for one in found.members[1:])
    assert all(0 not in group.members for group in found.groups)


def test_a_device_that_runs_nothing_is_told_so_alone() -> None:
    problems = fleet(4, model_kb=30)
    profile = DeviceProfile.model_validate({"name": "four bits", "kind": "npu", "supported_bits": [[4, 4]]})
    found = optimize_fleet([replace(problems[0], device=profile), *problems[1:]])
    assert isinstance(found.members[0], BespokeError)
    assert all(isinstance(one, FleetMember) for one in found.members[1:])


def test_unlike_or_empty_fleets_and_those_without_networks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = fleet(2)
    with pytest.raises(UnlikeProblems):
        optimize_fleet([])
    with pytest.raises(UnlikeProblems, match="share"):
        optimize_fleet([problems[0], replace(problems[1], task=find_task("mnist"))])
    monkeypatch.setattr(fleet_module, "neural_weights", lambda space, task: None)
    with pytest.raises(NotAmortised, match="vgg for digits"):
        optimize_fleet(problems)


def test_representatives_span_the_fleet() -> None:
    best = np.arange(100)
    found = representatives(best, np.arange(100.0)[::-1].copy())
    assert len(found) == POOL
    assert {0, 99} <= set(found.tolist())
    assert representatives(np.array([3, 3, 1]), np.array([2.0, 1.0, 3.0])).tolist() == [3, 1]
