"""The front around an answer: drawn when asked for, the same every time, and always around that answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from design.design import Genotype
from design.spaces.registry import SPACES
from optimizer.front import Front, NotOfTheProblem, draw_front
from optimizer.optimize import optimize
from optimizer.problem import Answer, FrontPoint, Method, Problem
from tests.optimizer.asking import ask


def drawn(problem: Problem, answer: Answer) -> Front:
    """Around an answer."""
    assert answer.design.genotype is not None
    return draw_front(problem, answer.design.genotype)


def none_is_beaten(points: tuple[FrontPoint, ...]) -> None:
    """By rising latency, and none but the design itself is worse than another in everything."""
    latencies = [point.latency_ms for point in points]
    assert latencies == sorted(latencies)
    others = [point for point in points if not point.chosen]
    assert len(others) == len(points) - 1
    for one in others:
        assert not any(
            other.accuracy > one.accuracy and other.latency_ms <= one.latency_ms and other.energy_mj <= one.energy_mj
            for other in others
        )


def test_all_spaces_compete_and_the_front_shows_the_trade() -> None:
    problem = ask("raspberry-pi-4", latency_ms=20)
    answer = optimize(problem)
    assert answer.feasible
    assert answer.front is None, "proposals are answered without one"
    front = drawn(problem, answer)
    assert {point.genotype.space for point in front.points} <= set(SPACES)
    assert 10 <= len(front.points) <= 60
    none_is_beaten(front.points)
    (chosen,) = (point for point in front.points if point.chosen)
    assert chosen.feasible
    assert chosen.genotype == answer.design.genotype
    assert chosen.name == answer.design.architecture.name
    assert chosen.latency_ms == pytest.approx(answer.prediction.latency_ms.value)
    assert chosen.accuracy == pytest.approx(answer.prediction.known_accuracy.value)
    assert chosen.peak_memory_bytes == answer.prediction.peak_memory_bytes
    assert front.sources == answer.prediction.sources
    assert drawn(problem, answer) == front


@pytest.mark.parametrize("method", ["search", "both"])
def test_what_a_search_found_is_its_front(method: Method) -> None:
    answer = optimize(replace(ask("raspberry-pi-4", "nasbench201", latency_ms=20), method=method))
    assert answer.front is not None
    none_is_beaten(answer.front)
    assert [point.genotype for point in answer.front if point.chosen] == [answer.design.genotype]


@pytest.mark.parametrize("method", ["auto", "network"])
def test_the_front_is_around_the_design_even_where_another_would_be_chosen_now(method: Method) -> None:
    problem = replace(ask("raspberry-pi-4", "resnet", latency_ms=20), method=method)
    other = optimize(replace(ask("raspberry-pi-4", "resnet", latency_ms=3), method=method))
    front = drawn(problem, other)
    assert [point.genotype for point in front.points if point.chosen] == [other.design.genotype]
    best = optimize(problem).prediction.known_accuracy.value
    assert max(point.accuracy for point in front.points) >= best - 1e-9


def test_a_front_needs_an_answer_to_the_request() -> None:
    problem = ask("raspberry-pi-4", "resnet", latency_ms=20)
    genotype = optimize(problem).design.genotype
    assert genotype is not None
    wrong = genotype.model_copy(update={"values": (*genotype.values[:-1], 99)})
    other = Genotype(space="vgg", task="cifar10", values=(0,))
    for one in (other, genotype.model_copy(update={"task": "mnist"}), wrong):
        with pytest.raises(NotOfTheProblem, match="answer to the request"):
            draw_front(problem, one)
