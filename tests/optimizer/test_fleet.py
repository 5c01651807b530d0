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
from optimizer import fleet_member
from optimizer.fleet import UnlikeProblems, optimize_fleet
from optimizer.fleet_groups import MOST_LOST
from optimizer.fleet_member import HOPELESS, FleetMember
from optimizer.library import NoLibrary
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.offers import Shelf
from optimizer.optimize import optimize
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import mask_in
from optimizer.synthetic_profiles import synthetic_profiles
from optimizer.trials import Trials
from predictors.adapt import adapt
from predictors.descriptor import describe
from predictors.measurement import Measurements
from predictors.predict import predict
from tests.optimizer.asking import ask, trials_of


def fleet(count: int = 30, **limits: Any) -> list[Problem]:
    problem = ask("raspberry-pi-4", "vgg", task="digits", **limits)
    return [replace(problem, device=profile) for profile in synthetic_profiles(count, 11)]


def own_scores(
    problem: Problem, member: FleetMember, genotype: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> Scores:
    device = describe(problem.device)
    designs = member.space.rows(problem.task, genotype[None])
    return Scores.of(genotype[None], predict(designs, device, problem.task), problem.constraints.risk)


@pytest.mark.parametrize("spaces", [("vgg",), ("resnet", "vgg", "nasbench201"), ("nasbench201", "mobilenet")])
def test_members_are_scored_by_their_own_predictors(spaces: tuple[str, ...]) -> None:
    limits = Constraints(latency_ms=4, model_kb=300)
    problems = [replace(one, spaces=spaces, task=find_task("cifar10"), constraints=limits) for one in fleet()]
    for problem, member in zip(problems, optimize_fleet(problems).members, strict=True):
        if isinstance(member, BespokeError):
            continue
        again = own_scores(problem, member, member.genotype)
        assert again.at_risk == pytest.approx(member.scores.at_risk, rel=1e-6)
        designs = member.space.rows(problem.task, member.genotype[None])
        alone = predict(designs, describe(problem.device), problem.task)
        assert member.predictions.accuracy_basis == alone.accuracy_basis
        assert member.predictions.accuracy.median == pytest.approx(alone.accuracy.median, rel=1e-6)
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
            assert scores.accuracy[0] >= member.scores.accuracy[0] - MOST_LOST
        assert group.accuracy_lost <= MOST_LOST


def test_the_answer_of_one_does_not_depend_on_limits_of_others_breaking() -> None:
    problems = fleet(6, model_kb=30)
    impossible = replace(problems[0], constraints=Constraints(latency_ms=1e-9))
    found = optimize_fleet([impossible, *problems[1:]])
    first = found.members[0]
    assert isinstance(first, FleetMember)
    assert not first.feasible
    assert all(isinstance(one, FleetMember) and one.feasible for one in found.members[1:])
    assert all(0 not in group.members for group in found.groups)


def test_no_device_goes_without_that_a_single_request_serves_without_a_search() -> None:
    limits = Constraints(latency_ms=20, energy_mj=5, min_accuracy=0.85)
    problem = ask("raspberry-pi-4", "resnet")
    drawn = synthetic_profiles(40, 2000)
    profiles = [drawn[number] for number in (7, 15, 13, 17, 18)]  # of 15 and 17 all that is shared breaks a limit
    problems = [replace(problem, device=profile, constraints=limits) for profile in profiles]
    found = optimize_fleet(problems)
    for own, member in zip(problems, found.members, strict=True):
        assert isinstance(member, FleetMember)
        assert member.feasible == proposed([trials_of(own)])
    assert sorted(at for group in found.groups for at in group.members) == [0, 1, 3]
    for at in (1, 3):
        member = found.members[at]
        assert isinstance(member, FleetMember)
        assert member.alone
        again = own_scores(problems[at], member, member.genotype)
        assert Objective.of(problems[at], describe(problems[at].device)).feasible(again)


def test_designs_proposed_for_one_device_are_shared_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [
        replace(ask("raspberry-pi-4", "resnet", latency_ms=20, model_kb=60, min_accuracy=0.84), device=profile)
        for profile in synthetic_profiles(40, 77)[:24]
    ]
    found = optimize_fleet(problems)
    monkeypatch.setattr(fleet_module, "share_proposed", lambda *given: None)
    before = optimize_fleet(problems)
    alone = [at for at, one in enumerate(before.members) if isinstance(one, FleetMember) and one.alone]
    assert len(alone) >= 5
    assert len(found.groups) < len(before.groups)
    for problem, own, other in zip(problems, found.members, before.members, strict=True):
        assert isinstance(own, FleetMember)
        assert isinstance(other, FleetMember)
        objective = Objective.of(problem, describe(problem.device))
        assert own.feasible >= other.feasible
        assert objective.rank(own.scores) <= objective.rank(other.scores), "it has the best of what it was asked about"
        assert own_scores(problem, own, own.genotype).at_risk == pytest.approx(own.scores.at_risk, rel=1e-6)
        assert own.evaluations >= other.evaluations
    members = [found.members[at] for at in range(len(problems))]
    for group in found.groups:
        for at in group.members:
            own = members[at]
            assert isinstance(own, FleetMember)
            scores = own_scores(problems[at], replace(own, space=group.space), group.genotype)
            objective = Objective.of(problems[at], describe(problems[at].device))
            assert objective.feasible(scores)
            assert objective.rank(own.scores) <= objective.rank(scores), "none shared is better than its own"
            precisions = tuple(describe(problems[at].device).supported_bits)
            mask = mask_in(group.space, problems[at].task, precisions)  # type: ignore[arg-type]  # by identity
            assert mask is not None
            (run,) = group.space.canonical(problems[at].task, mask.apply(group.genotype[None]))
            assert run.tolist() == group.genotype.tolist(), "its precisions"


@pytest.mark.parametrize("limits", [{"model_kb": 30}, {"latency_ms": 1, "model_kb": 60, "min_accuracy": 0.6}])
def test_leaving_out_first_what_keeps_limits_nowhere_changes_no_answer(
    limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = fleet(12, **limits)
    quick = optimize_fleet(problems)
    monkeypatch.setattr(fleet_module, "SHARING", 1000)
    slow = optimize_fleet(problems)
    for one, other in zip(quick.members, slow.members, strict=True):
        assert isinstance(one, FleetMember)
        assert isinstance(other, FleetMember)
        assert one.genotype.tolist() == other.genotype.tolist()
        assert one.violations == other.violations
        assert one.evaluations <= other.evaluations or not one.feasible
    assert [group.members for group in quick.groups] == [group.members for group in slow.groups]


def test_far_from_all_limits_nothing_more_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ask("raspberry-pi-4", "resnet", energy_mj=1e-9, latency_ms=1e-9)
    (nothing,) = optimize_fleet([problem]).members
    assert isinstance(nothing, FleetMember)
    tightest = {one.limit: one.tightest for one in nothing.violations}
    looked: list[float] = []

    def counted(searches: list[Trials], *, exact: bool) -> bool:
        looked.append(searches[0].objective.limits["latency_ms"])
        return proposed(searches, exact=exact)

    monkeypatch.setattr(fleet_member, "proposed", counted)
    reached = {ratio: Constraints(latency_ms=tightest["latency_ms"] / ratio) for ratio in (1.2, 1.4, 3)}
    both = Constraints(latency_ms=tightest["latency_ms"] / 1.25, energy_mj=tightest["energy_mj"] / 1.25)
    for constraints in (*reached.values(), both):
        own = replace(problem, constraints=constraints)
        (member,) = optimize_fleet([own]).members
        assert isinstance(member, FleetMember)
        assert not member.feasible
        excess = Objective.of(own, describe(own.device)).excess(member.scores).sum()
        assert (looked == []) == (excess > HOPELESS)
        assert constraints is not both or (looked == [] and excess < 2 * HOPELESS), "together, not one alone"
        for one in member.violations:
            better = one.tightest >= one.reached if one.limit == "min_accuracy" else one.tightest <= one.reached
            assert better, "the tightest of all that were judged"
        looked.clear()


def test_the_nearest_design_comes_with_what_it_breaks() -> None:
    problem = ask("raspberry-pi-4", "nasbench201", latency_ms=1e-9, model_kb=300)
    (member,) = optimize_fleet([problem]).members
    assert isinstance(member, FleetMember)
    assert not member.feasible
    (broken,) = member.violations
    assert (broken.limit, broken.allowed) == ("latency_ms", 1e-9)
    assert broken.reached == member.scores.at_risk[0, LIMITS.index("latency_ms")]
    assert broken.tightest == pytest.approx(broken.reached, rel=1e-6)


def test_a_device_that_runs_nothing_is_told_so_alone() -> None:
    problems = fleet(4, model_kb=30)
    profile = DeviceProfile.model_validate({"name": "four bits", "kind": "npu", "supported_bits": [[4, 4]]})
    found = optimize_fleet([replace(problems[0], device=profile), *problems[1:]])
    assert isinstance(found.members[0], BespokeError)
    assert all(isinstance(one, FleetMember) for one in found.members[1:])


def test_unlike_or_empty_fleets_and_those_without_libraries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = fleet(2)
    with pytest.raises(UnlikeProblems):
        optimize_fleet([])
    with pytest.raises(UnlikeProblems, match="share"):
        optimize_fleet([problems[0], replace(problems[1], task=find_task("mnist"))])
    monkeypatch.setattr(fleet_module, "library", lambda space, task: None)
    with pytest.raises(NoLibrary, match="vgg for digits"):
        optimize_fleet(problems)


def test_a_fleet_of_one_gets_what_it_gets_among_others() -> None:
    problems = fleet(8, latency_ms=1, model_kb=30)
    together = optimize_fleet(problems).members
    for problem, member in zip(problems, together, strict=True):
        (alone,) = optimize_fleet([problem]).members
        assert isinstance(alone, FleetMember)
        assert isinstance(member, FleetMember)
        assert alone.genotype.tolist() == member.genotype.tolist()
        assert alone.scores.at_risk.tolist() == member.scores.at_risk.tolist()


def test_little_is_lost_against_single_requests() -> None:
    problems = fleet(12, latency_ms=2, model_kb=60)
    lost = []
    for problem, member in zip(problems, optimize_fleet(problems).members, strict=True):
        answer = optimize(problem)
        if isinstance(member, FleetMember) and member.feasible and answer.feasible:
            assert answer.prediction.accuracy is not None
            lost.append(answer.prediction.accuracy.value - float(member.scores.accuracy[0]))
    assert len(lost) > 6
    assert float(np.mean(lost)) < 0.01


def test_spaces_compete_and_measurements_count() -> None:
    problem = ask("raspberry-pi-4", "resnet", "vgg", "nasbench201", model_kb=300)
    (plain,) = optimize_fleet([problem]).members
    assert isinstance(plain, FleetMember)
    designs = plain.space.rows(problem.task, plain.genotype[None])
    slower = 10 * plain.predictions.latency_ms.median
    measured = Measurements(designs=designs, latency_ms=slower, energy_mj=np.full(1, np.nan))
    found = adapt(describe(problem.device), measured)
    (adapted,) = optimize_fleet([replace(problem, adaptation=found)]).members
    assert isinstance(adapted, FleetMember)
    assert adapted.predictions.latency_ms.median[0] > 3 * plain.predictions.latency_ms.median[0]


def test_spaces_named_without_a_library_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ask("raspberry-pi-4", "resnet", "vgg", model_kb=300)
    monkeypatch.setattr(fleet_module, "library", lambda space, task: None if space.name == "resnet" else space)
    (member,) = optimize_fleet([problem]).members
    assert isinstance(member, FleetMember)
    assert member.space.name == "vgg"


def test_sets_of_precisions_held_one_after_the_other_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = fleet(12, latency_ms=2, model_kb=60)
    assert len({tuple(describe(one.device).supported_bits) for one in problems}) > 2
    whole = optimize_fleet(problems)
    monkeypatch.setattr(fleet_module, "TOGETHER", 1)
    monkeypatch.setattr(fleet_module, "SHELF", Shelf(most=1))
    found = optimize_fleet(problems)
    assert [(one.members, one.genotype.tolist()) for one in found.groups] == [
        (one.members, one.genotype.tolist()) for one in whole.groups
    ]
    for one, other in zip(found.members, whole.members, strict=True):
        assert isinstance(one, FleetMember)
        assert isinstance(other, FleetMember)
        assert one.genotype.tolist() == other.genotype.tolist()
