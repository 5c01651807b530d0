"""A disk that is full while a job stores a file."""

from __future__ import annotations

from tests.service.worker.house import House


def test_a_full_disk_fails_the_job_with_a_reason_and_room_lets_it_go_on(house: House) -> None:
    house.start(artifact_gb=40e-9)  # room for the files of the first steps
    job_id = house.add()
    row = house.ended(job_id)
    assert row.state == "failed", house.logs()
    assert row.error is not None
    assert row.error["type"] == "urn:bespoke:problem:disk-full"
    assert row.steps_done > 0
    assert [*(house.store().folder / "incoming").iterdir()] == []
    assert all(house.store().find(one.digest) for one in house.artifacts(job_id))
