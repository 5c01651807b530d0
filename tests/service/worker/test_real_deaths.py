"""The real steps, interrupted: whatever happens in whichever step, the files are those of an unbroken run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from fastapi.testclient import TestClient

from service.worker.steps import PIPELINE
from tests.service.worker.digits import answer, job_of, pruned_design
from tests.service.worker.house import House, alive

SLOW = pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
STEPS = tuple(step.name for step in PIPELINE.steps)
"""The tiny design needs all of them."""
WITHIN_S = 120.0
CANCEL_S = 1.0
OWN = frozenset({"job_id", "made_at", "host", "host_assumed", "steps", "seconds", "latency_ms", "monitor"})
"""Of a report: what no two jobs have alike."""
Serve = Callable[..., TestClient]
Json = dict[str, Any]


@pytest.fixture
def real(house: House) -> House:
    house.program = "tests.service.worker.held"
    return house


def subject() -> Json:
    """A tiny design of mixed bits that keeps fewer filters, as a job keeps it."""
    kept = ("design", "design_name", "design_digest", "device", "prediction", "task", "dataset")
    return {name: value for name, value in job_of(pruned_design(), "unused").items() if name in kept}


def add(house: House, **options: Any) -> str:
    return house.add(subject(), **{"epochs": 1, "seed": 1, "batch_size": 64} | options)


def files(house: House, job_id: str) -> dict[str, str]:
    """Digest of each file, without what a model says of its job."""
    found = {}
    for one in house.artifacts(job_id):
        path = house.store().find(one.digest)
        assert path is not None
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == one.digest
        if one.name.endswith(".onnx"):
            model = onnx.load_model_from_string(content)
            del model.metadata_props[:]
            content = model.SerializeToString(deterministic=True)
        if one.name == "report.json":
            content = json.dumps(_without_own(json.loads(content))).encode()
        if one.name != "report.html":
            found[one.name] = hashlib.sha256(content).hexdigest()
    return found


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("name") == "latency on the worker":
            return None
        if set(value) == {"name", "bytes", "what"} and value["name"].endswith(".onnx"):
            return value["name"]
        return {key: _without_own(one) for key, one in value.items() if key not in OWN}
    return [_without_own(one) for one in value] if isinstance(value, list) else value


def visits(house: House, job_id: str, step: str) -> list[Json]:
    return [line for line in house.trace(job_id) if line["step"] == step]


def wait_for(house: House, job_id: str, step: str, number: int) -> Json:
    """Until a step has been done that many times; its last trainer."""
    house.until(lambda: len(visits(house, job_id, step)) >= number, within_s=WITHIN_S)
    return visits(house, job_id, step)[-1]


def gone(house: House, trainer: Json, within_s: float) -> None:
    house.until(lambda: not alive(trainer["pid"]) and not alive(trainer["parent"]), within_s=within_s)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]


def ended_like(house: House, job_id: str, unbroken: str) -> None:
    """Both succeeded, with the same files, each step recorded once."""
    for one in (job_id, unbroken):
        row = house.ended(one, within_s=WITHIN_S)
        assert row.state == "succeeded", (row.error, house.logs())
        assert [data["step"] for data in house.kinds(one, "step-finished")] == list(STEPS)
        assert house.kinds(one, "step-skipped") == []
    assert files(house, job_id) == files(house, unbroken)
    assert len(files(house, job_id)) == 7


def test_a_worker_killed_before_a_step_is_recorded_ends_with_the_same_files(sqlite_house: House) -> None:
    """In export, where most is written; the other steps have their turn below."""
    house = sqlite_house
    house.program = "tests.service.worker.held"
    house.start()
    job_id = add(house, hold={"export": 1})
    trainer = wait_for(house, job_id, "export", 1)
    house.kill()
    gone(house, trainer, 1.0)
    house.start()
    unbroken = add(house)
    ended_like(house, job_id, unbroken)
    ran = {step: len(visits(house, job_id, step)) for step in STEPS}
    assert ran == {step: 2 if step == "export" else 1 for step in STEPS}
    assert house.row(job_id).attempts == 2


@SLOW
@pytest.mark.parametrize(
    "steps", [("prune",), tuple(step for step in STEPS if step != "prune")], ids=["prune", "all others"]
)
def test_every_step_is_cancelled_killed_and_gone_on_with(real: House, serve: Serve, steps: tuple[str, ...]) -> None:
    """In each step: cancelled and retried, its worker killed, its worker told to stop for a new one."""
    house = real
    api = _api(house, serve)
    house.start()
    job_id = add(house, hold=dict.fromkeys(steps, 3))
    slowest = 0.0
    for step in steps:
        trainer = wait_for(house, job_id, step, 1)
        begun = time.monotonic()
        assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        gone(house, trainer, WITHIN_S)
        slowest = max(slowest, time.monotonic() - begun)
        assert time.monotonic() - begun < CANCEL_S, step
        assert api.post(f"/v1/jobs/{job_id}/retry").status_code == 202
        trainer = wait_for(house, job_id, step, 2)
        house.kill()
        gone(house, trainer, 1.0)
        house.start()
        trainer = wait_for(house, job_id, step, 3)
        house.workers[0].send_signal(signal.SIGTERM)
        assert house.workers[0].wait(20) == 0
        assert not alive(trainer["pid"])
        house.start()
        wait_for(house, job_id, step, 4)
    print(f"cancelled within {slowest:.2f} s")  # noqa: T201
    ended_like(house, job_id, add(house))
    ran = {step: len(visits(house, job_id, step)) for step in STEPS}
    assert ran == {step: 4 if step in steps else 1 for step in STEPS}


@SLOW
def test_a_cut_network_that_is_interrupted_while_it_trains_goes_on_from_its_checkpoint(
    sqlite_house: House, serve: Serve
) -> None:
    """Cancelled and retried, then its worker killed, each behind some epochs of the training that follows the cut."""
    house = sqlite_house
    house.program = "tests.service.worker.held"
    api = _api(house, serve)
    house.start()
    longer = {"epochs": 16, "batch_size": 16}
    job_id = add(house, **longer)

    def told(attempt: int, epoch: int) -> bool:
        if house.row(job_id).attempts < attempt:
            return False
        return any(one["step"] == "prune" and one.get("epoch", 0) > epoch for one in house.kinds(job_id, "progress"))

    house.until(lambda: told(1, 2), within_s=WITHIN_S)
    (trainer,) = (pid for starter in children(house.workers[0].pid) for pid in children(starter))
    assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    took = house.until(lambda: not alive(trainer))
    print(f"cancelled within {took:.2f} s")  # noqa: T201
    assert (house.work(job_id) / "full-precision.checkpoint").exists()
    assert api.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    reached = max(one.get("epoch", 0) for one in house.kinds(job_id, "progress") if one["step"] == "prune")
    house.until(lambda: told(2, reached), within_s=WITHIN_S)
    house.kill()
    assert visits(house, job_id, "prune") == [], "it was interrupted before it had done all"
    house.start()
    house.ended(job_id, within_s=2 * WITHIN_S)
    unbroken = add(house, **longer)
    house.ended(unbroken, within_s=2 * WITHIN_S)
    ended_like(house, job_id, unbroken)
    numbers = [one["epoch"] for one in house.kinds(job_id, "progress") if one["step"] == "prune" and "epoch" in one]
    assert numbers == sorted(numbers), "no epoch that was done before is done again"
    assert len(visits(house, job_id, "train")) == 1


@SLOW
def test_two_workers_share_jobs_and_do_none_twice(real: House) -> None:
    house = real
    house.start_two()
    jobs = [add(house) for _ in range(4)]
    for job_id in jobs:
        ended_like(house, job_id, jobs[0])
        assert {step: len(visits(house, job_id, step)) for step in STEPS} == dict.fromkeys(STEPS, 1)
        assert house.row(job_id).attempts == 1


@SLOW
def test_another_worker_takes_a_real_job_over(real: House) -> None:
    house = real
    house.start_two()
    job_id = add(house, hold={"train": 1})
    trainer = wait_for(house, job_id, "train", 1)
    house.kill(house.holder(job_id))
    gone(house, trainer, 1.0)
    ended_like(house, job_id, add(house))
    assert len(visits(house, job_id, "train")) == 2


@SLOW
def test_a_full_disk_in_export_fails_the_job_and_room_lets_it_end_the_same(real: House, serve: Serve) -> None:
    house = real
    api = _api(house, serve)
    house.start(artifact_gb=30e-6)
    job_id = add(house)
    row = house.ended(job_id, within_s=WITHIN_S)
    assert row.error is not None
    assert (row.state, row.error["type"], row.error["step"]) == ("failed", "urn:bespoke:problem:disk-full", "export")
    house.kill()
    house.start()
    assert api.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    ended_like(house, job_id, add(house))
    assert len(visits(house, job_id, "quantize")) == 1


def _api(house: House, serve: Serve) -> TestClient:
    settings = house.settings.model_dump(exclude={"database_url", "log_level"})
    return serve(house.settings.database_url, answer, **settings)
