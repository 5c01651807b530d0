"""The real steps while API, database or code go away: the job goes on, and the files are those of an unbroken run."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.jobs.client import Client
from service.jobs.engine import VERSION
from tests.service.worker.house import House, a_house
from tests.service.worker.own_server import Server
from tests.service.worker.served import served
from tests.service.worker.test_real_deaths import STEPS, WITHIN_S, add, ended_like, gone, visits, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
PROGRAM = "tests.service.worker.held"
NEXT = f"{VERSION}-next"
LONG = {"epochs": 24}
"""Trains for long enough to lose an API and have another."""
LONG_S = 300.0
"""On a busy machine."""
PATIENT_S = 6.0
"""After this long workers take each other for dead, not sooner: a busy machine leaves them waiting."""
AWAY_S = 4.0
"""More than makes a worker dead in these houses."""
Json = dict[str, Any]


class Follower:
    """Hears the events of a job as a user does, whatever becomes of the API."""

    def __init__(self, url: str, job_id: str) -> None:
        self.client, self.job_id = Client(url, None), job_id
        self.heard: list[Json] = []
        self.thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        for event in self.client.follow(self.job_id, pause_s=0.1):
            self.heard.append(event)

    def has(self, kind: str, step: str) -> bool:
        return any(event["kind"] == kind and event["data"].get("step") == step for event in self.heard)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.postgres
def test_the_api_is_killed_and_started_again_while_a_real_job_runs(postgres_house: House) -> None:
    """Twice: while the network is trained in full precision and at few bits. Nothing is heard twice or left out."""
    house = postgres_house
    house.program = PROGRAM
    house.start()
    lost = 0
    with served(house) as (process, url):
        house.until(lambda: _answers(url), within_s=WITHIN_S)
        job_id = add(house, **LONG)
        follower = Follower(url, job_id)
        house.until(lambda: follower.has("progress", "train"), within_s=WITHIN_S)
        process.kill()
        process.wait(10)
        lost = len(follower.heard)
    with served(house, int(url.rpartition(":")[2])) as (process, _):
        house.until(lambda: len(follower.heard) > lost, within_s=WITHIN_S)
        house.until(lambda: follower.has("progress", "quantize"), within_s=WITHIN_S)
        assert house.row(job_id).finished_at is None, "it runs while the second one is killed"
        process.kill()
        process.wait(10)
        lost = len(follower.heard)
    with served(house, int(url.rpartition(":")[2])):
        follower.thread.join(LONG_S)
        assert not follower.thread.is_alive()
    assert len(follower.heard) > lost
    assert [event["number"] for event in follower.heard] == list(range(1, len(follower.heard) + 1))
    assert [(event["kind"], event["data"]) for event in follower.heard] == house.events(job_id)
    assert house.row(job_id).attempts == 1, "the worker noticed nothing"
    assert {step: len(visits(house, job_id, step)) for step in STEPS} == dict.fromkeys(STEPS, 1)
    _ended_like_a_long_one(house, job_id)


def test_the_database_restarts_for_a_moment_while_a_real_job_trains(server: Server, tmp_path: Path) -> None:
    """Down for less than makes a worker dead: its trainer notices nothing."""
    address = f"postgresql+psycopg://test@127.0.0.1:{server.port}/test"
    with a_house(address, tmp_path, dead_after_s=60.0) as house:
        house.program = PROGRAM
        house.start()
        job_id = add(house, **LONG)
        for step in ("train", "quantize"):
            house.until(lambda step=step: _trains(house, job_id, step), within_s=WITHIN_S)  # type: ignore[misc]
            server.stop()
            time.sleep(1.0)
            server.start()
        _ended_like_a_long_one(house, job_id)
        assert house.kinds(job_id, "step-retried") == []
        assert {step: len(visits(house, job_id, step)) for step in STEPS} == dict.fromkeys(STEPS, 1)
        assert house.row(job_id).attempts == 1


def test_the_database_restarts_in_every_real_step(server: Server, tmp_path: Path) -> None:
    """Down for longer than makes a worker dead, when a step is done and nothing of it recorded: it starts again."""
    with a_house(f"postgresql+psycopg://test@127.0.0.1:{server.port}/test", tmp_path) as house:
        house.program = PROGRAM
        house.start()
        job_id = add(house, hold=dict.fromkeys(STEPS, 1))
        for step in STEPS:
            trainer = wait_for(house, job_id, step, 1)
            server.stop()
            time.sleep(AWAY_S)
            gone(house, trainer, WITHIN_S)
            server.start()
        ended_like(house, job_id, add(house))
        assert {step: len(visits(house, job_id, step)) for step in STEPS} == dict.fromkeys(STEPS, 2)


def test_a_newer_version_leaves_a_real_job_to_workers_of_its_own(house: House) -> None:
    """Deployed beside the old worker, then in its place: new jobs are done, the old one waits and ends the same."""
    house.program = PROGRAM
    house.start(0, dead_after_s=PATIENT_S)
    job_id = add(house, hold={"train": 1, "export": 1})
    trainer = wait_for(house, job_id, "train", 1)
    house.start(1, version=NEXT, dead_after_s=PATIENT_S)
    newer = add(house, version=NEXT)
    assert house.ended(newer, within_s=LONG_S).state == "succeeded", house.logs()
    assert [one["worker"][-2:] for one in house.kinds(newer, "started")] == ["-1"]
    assert house.holder(job_id) == 0

    # the old worker is told to stop: the newer one leaves the job alone, one of the old version takes it up
    house.workers[0].send_signal(signal.SIGTERM)
    assert house.workers[0].wait(20) == 0
    gone(house, trainer, 1.0)
    time.sleep(2 * PATIENT_S)
    assert len(visits(house, job_id, "train")) == 1
    house.start(0, dead_after_s=PATIENT_S)

    # its machine dies: the same
    trainer = wait_for(house, job_id, "export", 1)
    house.kill(0)
    gone(house, trainer, 1.0)
    time.sleep(2 * PATIENT_S)
    assert len(visits(house, job_id, "export")) == 1
    house.start(0, dead_after_s=PATIENT_S)
    ended_like(house, job_id, newer)
    twice = {"train": 2, "export": 2}
    assert {step: len(visits(house, job_id, step)) for step in STEPS} == dict.fromkeys(STEPS, 1) | twice
    assert house.row(job_id).strikes <= 2


def _ended_like_a_long_one(house: House, job_id: str) -> None:
    house.ended(job_id, within_s=LONG_S)
    unbroken = add(house, **LONG)
    house.ended(unbroken, within_s=LONG_S)
    ended_like(house, job_id, unbroken)


def _trains(house: House, job_id: str, step: str) -> bool:
    """Whether a training has told of its second epoch."""
    return any(one["step"] == step and one.get("epoch", 0) >= 2 for one in house.kinds(job_id, "progress"))
