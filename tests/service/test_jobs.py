"""Jobs through the API; most need no worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.context import Optimize
from service.idempotency import Reply
from service.jobs import operations
from service.jobs.schemas import JobOptions
from service.models import JobRow
from tests.service.worker.house import House
from tests.service.worker.tiny_steps import NAMES

Serve = Callable[..., TestClient]
DESIGN = {"device": "raspberry-pi-4", "task": "cifar10"}


def designed(client: TestClient) -> str:
    """Id of a stored design."""
    made: str = client.post("/v1/designs", json=DESIGN).raise_for_status().json()["id"]
    return made


def created(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"design": designed(client)} | more)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def followed(answer: Any) -> list[tuple[int, str, dict[str, Any]]]:
    """Number, kind and data of server-sent events."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            data = json.loads(lines["data"])
            assert (str(data["number"]), data["kind"]) == (lines["id"], lines["event"])
            found.append((data["number"], data["kind"], data["data"]))
    return found


def test_jobs_are_off_unless_the_settings_say_otherwise(client: TestClient) -> None:
    for path in ("jobs", "datasets", "artifacts/" + "0" * 64):
        assert client.get(f"/v1/{path}").status_code == 404
    assert "/v1/jobs" not in client.get("/openapi.json").json()["paths"]


def test_a_job_is_stored_and_queued(desk: TestClient, house: House) -> None:
    design = designed(desk)
    answer = desk.post("/v1/jobs", json={"design": design, "priority": 3, "options": {"seed": 7}})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert (job["state"], job["design_id"], job["dataset"], job["options"]) == (
        "queued",
        design,
        "cifar10",
        JobOptions(seed=7).model_dump(mode="json"),
    )
    assert desk.get(job["links"]["self"]).json() == job
    execution = house.queue.find([job["id"]])[job["id"]]
    assert (execution.active, execution.queue) == (True, "cpu")
    with house.database.reading() as session:
        subject = session.scalars(select(JobRow.subject)).one()
    assert subject["design_id"] == design
    assert subject["design"]["architecture"]["name"]
    assert desk.get("/v1/health/ready").json()["checks"]["engine"] == "ok"
    assert 'bespoke_jobs{state="queued"} 1.0' in desk.get("/metrics").text
    desk.delete(f"/v1/designs/{design}").raise_for_status()
    assert desk.get(job["links"]["self"]).status_code == 200


def test_a_repeated_request_makes_one_job(desk: TestClient, house: House) -> None:
    body, key = {"design": designed(desk)}, {"Idempotency-Key": "one"}
    first, second = (desk.post("/v1/jobs", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["retry-after"]
    assert len(desk.get("/v1/jobs").json()["items"]) == 1


def test_a_job_and_its_place_in_the_queue_are_stored_together_or_not(
    desk: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def fails(*, body: str, **_: object) -> Reply:
        made.append(json.loads(body)["id"])
        raise RuntimeError("just before the end")

    monkeypatch.setattr(operations, "Reply", fails)
    assert desk.post("/v1/jobs", json={"design": designed(desk)}).status_code == 500
    assert desk.get("/v1/jobs").json()["items"] == []
    assert house.queue.find(made) == {}


def test_a_bad_request_changes_nothing(desk: TestClient) -> None:
    design = designed(desk)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"design": "dsn_none"}, "/design"),
        ({"dataset": "leaves"}, "/dataset"),
        ({"accelerator": "tpu"}, "/accelerator"),
        ({"options": {"epoch": 1}}, "/options/epoch"),
        ({"priority": 0}, "/priority"),
    ]
    for body, pointer in cases:
        answer = desk.post("/v1/jobs", json={"design": design} | body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert desk.get("/v1/jobs").json()["items"] == []


def test_no_more_jobs_than_the_settings_allow(house: House, serve: Serve, quick: Optimize) -> None:
    settings = house.settings.model_dump(exclude={"database_url", "log_level", "unfinished_jobs"})
    client = serve(house.settings.database_url, quick, unfinished_jobs=1, **settings)
    first = created(client)
    answer = client.post("/v1/jobs", json={"design": first["design_id"]})
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:bespoke:problem:too-many-jobs")
    assert answer.headers["retry-after"]
    client.post(f"/v1/jobs/{first['id']}/cancel").raise_for_status()
    created(client)


def test_jobs_are_listed_by_state_and_design(desk: TestClient) -> None:
    jobs = [created(desk) for _ in range(3)]
    desk.post(f"/v1/jobs/{jobs[0]['id']}/cancel").raise_for_status()
    newest = [job["id"] for job in reversed(jobs)]
    page = desk.get("/v1/jobs?limit=2").json()
    assert [item["id"] for item in page["items"]] == newest[:2]
    assert [item["id"] for item in desk.get(page["next"]).json()["items"]] == newest[2:]
    assert [item["id"] for item in desk.get("/v1/jobs?state=cancelled").json()["items"]] == [jobs[0]["id"]]
    mine = desk.get("/v1/jobs", params={"design": jobs[1]["design_id"]}).json()["items"]
    assert [item["id"] for item in mine] == [jobs[1]["id"]]
    for path in ("", "/events", "/logs", "/artifacts"):
        assert desk.get(f"/v1/jobs/job_none{path}").status_code == 404


def test_a_waiting_job_is_cancelled_retried_and_deleted(desk: TestClient, house: House) -> None:
    job = created(desk)
    own = f"/v1/jobs/{job['id']}"
    assert desk.delete(own).status_code == 409
    assert desk.post(f"{own}/retry").status_code == 409
    for _ in range(2):
        answer = desk.post(f"{own}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert not house.queue.find([job["id"]])[job["id"]].active
    assert [kind for _, kind, _ in followed(desk.get(f"{own}/events"))] == ["queued", "cancelled"]
    for _ in range(2):
        answer = desk.post(f"{own}/retry", headers={"Idempotency-Key": "again"})
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.headers["idempotency-replayed"] == "true"
    assert house.queue.find([job["id"]])[job["id"]].active
    assert desk.post(f"{own}/retry").status_code == 409
    desk.post(f"{own}/cancel").raise_for_status()
    assert desk.delete(own).status_code == 204
    assert desk.get(own).status_code == 404
    assert house.queue.find([job["id"]]) == {}


def test_a_job_is_followed_to_its_files(desk: TestClient, house: House, serve: Serve, quick: Optimize) -> None:
    """Events on one replica, the rest of them on another; logs; files, in parts too."""
    house.start()
    job = created(desk)
    own = f"/v1/jobs/{job['id']}"
    events = followed(desk.get(f"{own}/events"))
    assert events[-1][1] == "succeeded", house.logs()
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    settings = house.settings.model_dump(exclude={"database_url", "log_level"})
    other = serve(house.settings.database_url, quick, **settings)
    rest = other.get(f"{own}/events", headers={"Last-Event-ID": "5"})
    assert followed(rest) == events[5:]
    assert other.get(f"{own}/events", headers={"Last-Event-ID": str(len(events))}).status_code == 204
    assert other.get(f"{own}/events", headers={"Last-Event-ID": "x"}).status_code == 422
    done = desk.get(own).json()
    assert (done["state"], done["steps_done"], done["attempts"], done["error"]) == ("succeeded", len(NAMES), 1, None)
    assert desk.post(f"{own}/cancel").status_code == 409
    assert desk.post(f"{own}/retry").status_code == 409
    logs = desk.get(f"{own}/logs")
    assert logs.text == "".join(f"== {number:02d}-{name}\n{name} runs\n" for number, name in enumerate(NAMES, 1))
    files = desk.get(f"{own}/artifacts").json()["items"]
    assert [one["name"] for one in files] == sorted(f"{name}.txt" for name in NAMES)
    content = desk.get(files[0]["links"]["content"])
    assert len(content.content) == files[0]["bytes"]
    assert content.headers["content-type"].startswith("text/plain")
    assert "attachment" in content.headers["content-disposition"]
    part = desk.get(files[0]["links"]["content"], headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, content.content[2:5])
    house.store().remove(files[0]["digest"])
    assert desk.get(files[0]["links"]["content"]).status_code == 404
    assert desk.delete(own).status_code == 204
    assert desk.get(files[1]["links"]["content"]).status_code == 404
    assert not house.settings.job_folder(job["id"]).exists()


def test_a_failed_job_is_retried_behind_its_last_finished_step(desk: TestClient, house: House) -> None:
    house.start()
    job_id = house.add(**{"in": "export", "do": "fail once"})
    failed = house.ended(job_id)
    assert (failed.state, failed.steps_done) == ("failed", 3)
    assert desk.get(f"/v1/jobs/{job_id}").json()["error"]["detail"] == "Not today."
    desk.post(f"/v1/jobs/{job_id}/retry").raise_for_status()
    assert house.ended(job_id).state == "succeeded", house.logs()
    assert [line["step"] for line in house.trace(job_id)] == ["prepare", "train", "prune", "export", "export", "report"]


def test_two_that_enqueue_a_job_again_at_once_do_it_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API and the detector may both have seen that it had ended."""
    job_id, queue = house.add(), house.queue
    house.cancel(job_id)
    seen, find = [queue.find([job_id])], queue.find
    assert not seen[0][job_id].active
    queue.again(job_id, steps_done=0, queue="cpu")
    monkeypatch.setattr(queue, "find", lambda ids: seen.pop() if seen else find(ids))
    queue.again(job_id, steps_done=0, queue="cpu")
    assert queue.find([job_id])[job_id].active


def test_a_running_job_cancelled_and_retried_at_once_runs_once(desk: TestClient, house: House) -> None:
    house.start()
    job_id = house.add(step_s=0.5)
    house.until(lambda: house.started(job_id, "train"))
    desk.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    desk.post(f"/v1/jobs/{job_id}/retry").raise_for_status()
    assert house.ended(job_id).state == "succeeded", house.logs()
    assert [data["step"] for data in house.kinds(job_id, "step-finished")] == list(NAMES)
