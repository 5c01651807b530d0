"""What the engine is for: whatever dies, a job ends as if nothing had."""

from __future__ import annotations

import os
import signal
import time

from service.jobs.engine import VERSION
from service.jobs.states import EventKind
from tests.service.worker.house import House, alive
from tests.service.worker.tiny_steps import NAMES, expected

SLOW = 1.0
NEXT = f"{VERSION}-next"
"""Seconds of a step, so that it can be killed half way."""
CANCEL_S = 1.0


def test_a_job_runs_through_all_steps(house: House) -> None:
    house.start()
    whole, short = house.add(), house.add(skip=True)
    assert house.ended(whole).state == "succeeded", house.logs()
    assert house.ended(short).state == "succeeded", house.logs()
    assert [line["step"] for line in house.trace(whole)] == list(NAMES)
    assert [data["step"] for data in house.kinds(whole, "step-finished")] == list(NAMES)
    assert {one.name for one in house.artifacts(whole)} == {f"{name}.txt" for name in NAMES}
    assert house.result(whole) == expected()
    assert house.kinds(short, "step-skipped") == [{"step": "prune", "reason": "nothing to prune"}]
    assert house.result(short) == expected(skipped=True)
    assert house.events(whole)[0][0] == EventKind.QUEUED
    assert house.events(whole)[-1][0] == EventKind.SUCCEEDED
    assert len(house.kinds(whole, "progress")) == len(NAMES)
    for one in house.artifacts(whole):
        path = house.store().find(one.digest)
        assert path is not None
        assert path.read_text() == f"{one.name.removesuffix('.txt')} of a design\n"
    logs = house.settings.data_folder / "jobs" / whole / "logs"
    assert (logs / "02-train.log").read_text() == "train runs\n"


def test_a_worker_killed_in_every_step_resumes_there(house: House) -> None:
    """`kill -9` and a restart of the same worker, once in each of the five steps of one job."""
    house.start()
    job_id = house.add(step_s=SLOW)
    for attempt, step in enumerate(NAMES, 1):
        house.until(lambda step=step, attempt=attempt: house.started(job_id, step, attempt))  # type: ignore[misc]
        trainer = house.trace(job_id)[-1]["pid"]
        house.kill()
        house.until(lambda trainer=trainer: not alive(trainer), within_s=1.0)  # type: ignore[misc]
        house.start()
    row = house.ended(job_id)
    assert row.state == "succeeded", house.logs()
    assert row.attempts == len(NAMES) + 1
    assert house.result(job_id) == expected()
    ran = [line["step"] for line in house.trace(job_id)]
    assert ran == [name for name in NAMES for _ in range(2)], "each step ran until the kill, and once more"


def test_another_worker_takes_over_from_the_dead(house: House) -> None:
    house.start_two()
    job_id = house.add(step_s=SLOW)
    house.until(lambda: house.started(job_id, "prune"))
    house.kill(house.holder(job_id))
    took = house.until(lambda: house.started(job_id, "prune", attempt=2))
    assert took < 5 * house.settings.dead_after_s
    row = house.ended(job_id)
    assert (row.state, row.attempts) == ("succeeded", 2), house.logs()
    assert house.result(job_id) == expected()
    assert [line["step"] for line in house.trace(job_id)].count("train") == 1


def test_a_worker_told_to_stop_hands_its_job_over(house: House) -> None:
    house.start_two()
    job_id = house.add(step_s=SLOW)
    house.until(lambda: house.started(job_id, "train"))
    worker = house.workers[house.holder(job_id)]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    took = house.until(lambda: house.started(job_id, "train", attempt=2))
    assert took < house.settings.dead_after_s, "nobody waits for the worker to be found dead"
    row = house.ended(job_id)
    assert (row.state, row.strikes) == ("succeeded", 1), house.logs()
    assert len(house.kinds(job_id, "handed-over")) == 1
    assert house.result(job_id) == expected()


def test_a_hung_worker_that_wakes_up_again_changes_nothing(house: House) -> None:
    """Two workers have the same job for a while; it is done once."""
    house.start_two()
    job_id = house.add(step_s=SLOW)
    house.until(lambda: house.kinds(job_id, "progress"))
    worker = house.workers[house.holder(job_id)]
    worker.send_signal(signal.SIGSTOP)
    house.until(lambda: house.started(job_id, "prepare", attempt=2))
    stale = house.trace(job_id)[0]["pid"]
    worker.send_signal(signal.SIGCONT)
    house.until(lambda: not alive(stale), within_s=3.0)
    row = house.ended(job_id)
    assert row.state == "succeeded", house.logs()
    assert house.result(job_id) == expected()
    finished = [data["step"] for data in house.kinds(job_id, "step-finished")]
    assert finished == list(NAMES), "the stale worker recorded nothing"
    assert len(house.kinds(job_id, "succeeded")) == 1


def test_a_job_that_kills_its_workers_ends(house: House) -> None:
    job_id = house.add(**{"in": "train", "do": "wait"})
    for attempt in (1, 2, 3):
        house.start()
        house.until(lambda attempt=attempt: house.started(job_id, "train", attempt))  # type: ignore[misc]
        house.kill()
    house.start()
    row = house.ended(job_id)
    assert (row.state, row.attempts) == ("failed", 3)
    assert row.error is not None
    assert row.error["type"] == "urn:bespoke:problem:worker-died"
    assert row.error["step"] == "train"
    after = house.add()
    assert house.ended(after).state == "succeeded", "the worker goes on with other jobs"


def test_new_code_waits_its_turn_and_old_jobs_find_old_workers(house: House) -> None:
    """A worker of another version of the steps leaves a running job alone; one of its own version goes on with it."""
    house.start(0)
    job_id = house.add(step_s=SLOW)
    house.until(lambda: house.started(job_id, "train"))
    house.kill(0)
    house.start(1, version=NEXT)
    newer = house.add(version=NEXT)
    assert house.ended(newer).state == "succeeded", house.logs()
    time.sleep(house.settings.dead_after_s + 0.5)
    assert not house.started(job_id, "train", attempt=2)
    house.start(0)
    assert house.ended(job_id).state == "succeeded", house.logs()
    assert house.result(job_id) == expected()


def test_the_trainer_may_be_killed(house: House) -> None:
    house.start()
    job_id = house.add(step_s=SLOW)
    house.until(lambda: house.started(job_id, "train"))
    os.kill(house.trace(job_id)[-1]["pid"], signal.SIGKILL)
    row = house.ended(job_id)
    assert (row.state, row.attempts) == ("succeeded", 1), house.logs()
    (retried,) = house.kinds(job_id, "step-retried")
    assert "SIGKILL" in retried["reason"]
    assert house.workers[0].poll() is None
    assert house.result(job_id) == expected()


def test_a_step_that_cannot_succeed_fails_the_job_with_a_reason(house: House) -> None:
    house.start(trainer_memory_mb=1_000)
    kinds = {"abort": ("trainer-died", 2), "raise": ("trainer-died", 2), "eat memory": ("out-of-memory", 2)}
    kinds |= {"fill the disk": ("disk-full", 2), "fail": ("step-failed", 1)}
    jobs = {how: house.add(**{"in": "export", "do": how, "step_s": 0.0}) for how in kinds}
    for how, (slug, tries) in kinds.items():
        row = house.ended(jobs[how])
        assert row.state == "failed", how
        assert row.error is not None
        assert row.error["type"] == f"urn:bespoke:problem:{slug}", row.error
        assert row.error["step"] == "export"
        ran = [line["step"] for line in house.trace(jobs[how])]
        assert ran == ["prepare", "train", "prune", *["export"] * tries]
    failed = house.row(jobs["fail"]).error
    assert failed is not None
    assert (failed["detail"], failed["layer"]) == ("The accuracy must be above chance, but got 0.1.", "conv1")
    assert house.ended(house.add()).state == "succeeded", "the worker is unharmed"


def test_a_cancelled_job_ends_within_a_second_in_every_step(house: House) -> None:
    house.start()
    for step in NAMES:
        job_id = house.add(**{"in": step, "do": "hang", "step_s": 0.0})
        house.until(lambda job_id=job_id: (house.work(job_id) / "grandchild").exists())  # type: ignore[misc]
        trainer = house.trace(job_id)[-1]["pid"]
        grandchild = int((house.work(job_id) / "grandchild").read_text() or 0)
        house.cancel(job_id)
        took = house.until(lambda pids=(trainer, grandchild): not any(map(alive, pids)))  # type: ignore[misc]
        assert took < CANCEL_S, step
        assert house.row(job_id).state == "cancelled"
    after = house.add()
    assert house.ended(after).state == "succeeded", "the worker goes on with other jobs"


def test_a_job_that_takes_longer_than_it_may_ends(sqlite_house: House) -> None:
    house = sqlite_house
    house.start(job_hours=4 / 3_600)
    job_id = house.add(**{"in": "train", "do": "wait"})
    row = house.ended(job_id)
    assert row.state == "failed", house.logs()
    assert row.error is not None
    assert (row.error["type"], row.error["step"]) == ("urn:bespoke:problem:out-of-time", "train")
    assert row.spent_s >= 4
    assert not alive(house.trace(job_id)[-1]["pid"])
