"""What the optimizer's benchmark reckons with."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.hypervolume import hypervolume
from benchmarks.optimizer_fleet import measure_fleet
from benchmarks.optimizer_hybrid import compare, first_as_good
from benchmarks.unseen_devices import unseen_profiles
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.drawn_requests import draw_request
from optimizer.synthetic_profiles import training_devices
from tests.optimizer.asking import ask, trials_of


def test_hypervolume_is_the_area_up_to_one_one() -> None:
    assert hypervolume(np.array([[0.5, 0.5]])) == pytest.approx(0.25)
    assert hypervolume(np.array([[0.0, 0.5], [0.5, 0.0], [0.6, 0.6]])) == pytest.approx(0.75)
    assert hypervolume(np.array([[1.0, 0.0], [2.0, 2.0]])) == 0
    rng = np.random.default_rng(0)
    points, drawn = rng.random((20, 2)), rng.random((200_000, 2))
    hit = np.zeros(len(drawn), dtype=bool)
    for point in points:
        hit |= (drawn >= point).all(axis=1)
    assert hypervolume(points) == pytest.approx(hit.mean(), abs=0.005)


def test_requests_can_be_met_and_their_devices_were_not_trained_on() -> None:
    profiles = unseen_profiles(0)
    names = {device.name for device in training_devices()}
    assert {"Raspberry Pi 4 Model B", "NVIDIA TITAN RTX"} & {profile.name for profile in profiles}
    assert not {"Raspberry Pi 4 Model B", "NVIDIA TITAN RTX"} & names
    rng = np.random.default_rng(0)
    problems = [draw_request(SPACES["vgg"], find_task("digits"), profiles, rng) for _ in range(8)]
    assert any(problem.constraints.limits() for problem in problems)
    assert len({problem.device for problem in problems}) > 1


def test_first_as_good_is_the_share_after_which_a_design_was_tried() -> None:
    trials = trials_of(ask("raspberry-pi-4", "vgg", task="digits"))
    trials.score(trials.mask.sample(10, np.random.default_rng(0)))
    order = trials.objective.order(trials.scores)
    best = trials.objective.rank(trials.best())
    assert first_as_good(trials, best) == pytest.approx((int(order[0]) + 1) / 10)
    assert first_as_good(trials, (best[0], best[1] - 1.0)) is None


def test_one_request_is_compared_with_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.optimizer_hybrid.POPULATION", 10)
    monkeypatch.setattr("benchmarks.optimizer_hybrid.GENERATIONS", 3)
    row = compare(ask("raspberry-pi-4", "vgg", task="digits", latency_ms=5))
    assert row["search_feasible"]
    assert row["feasible"]
    assert row["ms"] > 0
    assert row["points"] < 5


def test_a_fleet_serves_all_that_single_requests_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.optimizer_fleet.COMPARED", 18)
    found = measure_fleet(14, seed=0)
    for own in (found, found["tight"]):
        assert own["served_of_those_single_requests_serve"] == 1
        assert 0 < own["served"] <= 1
    assert found["tight"]["served_by_themselves"] == pytest.approx(3 / 18)
