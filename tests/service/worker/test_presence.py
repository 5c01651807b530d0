"""Slots, heartbeats and the failure detector, without processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.jobs.states import JobState
from service.models import WorkerRow
from service.worker.detector import mend, take_over
from service.worker.ledger import Ledger, LostJob
from service.worker.presence import Presence, Replaced, forget, live
from service.worker.slots import SlotTaken, slot
from service.worker.steps import Pipeline
from tests.service.worker.house import House
from tests.service.worker.synthetic import Tiny


def presence(house: House, name: str) -> Presence:
    return Presence(house.database, worker=name, pid=os.getpid(), queues=("cpu",), version="jobs-1")


def test_slots_of_a_host_are_given_once(tmp_path: Path) -> None:
    with slot(tmp_path) as first, slot(tmp_path) as second:
        assert first.endswith("-0")
        assert second.endswith("-1")
        with pytest.raises(SlotTaken), slot(tmp_path, 1):
            pass
    with slot(tmp_path) as again:
        assert again == first


def test_a_worker_is_alive_as_long_as_it_is_heard(house: House) -> None:
    one, other = presence(house, "a-0"), presence(house, "b-0")
    other.announce()
    one.announce()
    assert live(house.database, within_s=60) == ["a-0", "b-0"]
    time.sleep(0.6)
    one.beat()
    assert live(house.database, within_s=0.5) == ["a-0"]
    one.leave()
    assert live(house.database, within_s=60) == ["b-0"]
    forget(house.database)
    with house.database.reading() as session:
        assert session.get(WorkerRow, "b-0") is not None


def test_an_id_is_one_process(house: House) -> None:
    old, new = presence(house, "a-0"), presence(house, "a-0")
    old.announce()
    new.announce()
    with pytest.raises(Replaced):
        old.beat()
    new.beat()
    old.leave()
    assert live(house.database, within_s=60) == ["a-0"], "leaving takes off the list only what was entered"


def test_only_the_newest_attempt_may_write(house: House) -> None:
    one, other = (Ledger(house.database, worker=name, job_strikes=3) for name in ("a-0", "b-0"))
    job_id = house.add()
    first = one.claim(job_id)
    second = other.claim(job_id)
    assert first is not None
    assert second is not None
    assert (first.attempt, second.attempt) == (1, 2)
    assert not one.holds(first)
    writes: tuple[Callable[[], None], ...] = (
        lambda: one.begin_step(first, "train", 1, 1),
        lambda: one.progress(first, "train", {"fraction": 1.0}),
        lambda: one.end_step(first, "train", 1),
        lambda: one.succeed(first, {}),
        lambda: one.fail(first, {}),
        lambda: one.hand_over(first),
    )
    for write in writes:
        with pytest.raises(LostJob):
            write()
    other.end_step(second, "train", 1)
    other.succeed(second, {})
    row = house.row(job_id)
    assert (row.state, row.steps_done, row.strikes) == (JobState.SUCCEEDED, 1, 1)
    assert one.claim(job_id) is None
    assert one.claim("job_none") is None


def test_handing_over_is_no_strike(house: House) -> None:
    ledger = Ledger(house.database, worker="a-0", job_strikes=2)
    job_id = house.add()
    for _ in range(5):
        claim = ledger.claim(job_id)
        assert claim is not None
        ledger.hand_over(claim)
    assert (house.row(job_id).attempts, house.row(job_id).strikes) == (5, 0)
    for _ in range(2):
        assert ledger.claim(job_id) is not None
    assert ledger.claim(job_id) is None
    assert house.row(job_id).state == JobState.FAILED


def test_jobs_that_the_engine_ended_and_the_row_did_not_are_enqueued_again(house: House) -> None:
    """As if the process of a retry had died between its two transactions."""
    stray, well = house.add(), house.add()
    house.queue.cancel(stray)
    assert mend(house.database, house.queue) == [stray]
    assert all(one.active for one in house.queue.find([stray, well]).values())
    assert mend(house.database, house.queue) == []
    house.cancel(stray)
    assert mend(house.database, house.queue) == [], "a cancelled job stays so"
    assert take_over(house.queue, set()) == [], "what waits has no worker to be taken from"


def test_steps_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="unique"):
        Pipeline(steps=(Tiny(name="train"), Tiny(name="train")))
