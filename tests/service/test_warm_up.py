from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from design.devices.catalogue import find_device
from optimizer.problem import Answer, Problem
from service.warm_up import DEVICE

Serve = Callable[..., TestClient]


def wait_for_warm_up() -> None:
    for thread in threading.enumerate():
        if thread.name == "warm-up":
            thread.join(30)


@pytest.mark.parametrize(("tasks", "seen"), [((), []), (("mnist",), ["mnist"]), (("mnist", "digits"), ["mnist"])])
def test_designs_for_the_tasks_named(
    serve: Serve, sqlite_url: str, tasks: tuple[str, ...], seen: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def optimizer(problem: Problem) -> Answer:
        asked.append(problem.task.name)
        raise RuntimeError("no answer")  # warming up must not harm the service

    client = serve(sqlite_url, optimizer=optimizer, warm_up=tasks)
    wait_for_warm_up()
    assert asked == seen
    assert ("warming up failed" in capfd.readouterr().err) == bool(seen)
    assert client.get("/v1/health/live").status_code == 200
    assert client.get("/v1/designs").json()["items"] == []


def test_every_task_is_warmed_up_then_proxies(
    serve: Serve, sqlite_url: str, known_answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("service.warm_up.proxies", lambda profile: asked.append(profile.name))

    def optimizer(problem: Problem) -> Answer:
        asked.append(problem.task.name)
        return known_answer

    client = serve(sqlite_url, optimizer=optimizer, warm_up=("mnist", "digits"))
    wait_for_warm_up()
    assert asked == ["mnist", "digits", find_device(DEVICE).name]
    assert client.get("/v1/designs").json()["items"] == []
