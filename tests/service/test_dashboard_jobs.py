"""The pages of jobs as a browser without scripts gets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.context import Optimize
from service.dashboard import assets
from service.jobs import repository
from service.jobs.states import EventKind, JobState
from tests.service.conftest import replica
from tests.service.test_dashboard_pages import ATTACK, Page, store
from tests.service.worker.house import House

OURS = {"Sec-Fetch-Site": "same-origin"}
ACCURACY = {
    "name": "accuracy",
    "unit": "fraction",
    "predicted": 0.9,
    "interval": {"low": 0.8, "high": 0.95, "coverage": 0.9},
    "measured": 0.85,
    "how": "359 test pictures",
}


@pytest.fixture
def api(sqlite_house: House, serve: Callable[..., TestClient], quick: Optimize) -> TestClient:
    return replica(sqlite_house, serve, quick)


def _sent(api: TestClient, **fields: str) -> Any:
    return api.post("/jobs", data=fields, headers=OURS, follow_redirects=False)


def _begun(api: TestClient) -> str:
    answer = _sent(api, design=store(api), preset="quick")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).removeprefix("/jobs/")


def test_a_design_is_trained_from_its_page_and_its_job_is_listed(api: TestClient) -> None:
    design = store(api)
    form = Page(api.get(f"/designs/{design}").text)
    assert {"action": "/jobs", "method": "post"}.items() <= form.all("form")[0].items()
    answer = _sent(api, design=design, preset="quick", dataset="")
    assert answer.status_code == 303
    job = api.get(f"/v1{answer.headers['location']}").json()
    assert (job["design_id"], job["options"]["preset"]) == (design, "quick")
    listed = Page(api.get("/jobs").text)
    assert {"href": answer.headers["location"]} in listed.all("a")
    assert "queued" in listed.text
    assert "its newest job: queued" in api.get(f"/designs/{design}").text


def test_forms_that_do_not_fit_or_come_from_elsewhere_begin_nothing(api: TestClient) -> None:
    design = store(api)
    assert _sent(api, design="dsn_none").status_code == 422
    assert _sent(api, design=design, preset="huge").status_code == 422
    assert ATTACK not in _sent(api, design=ATTACK, dataset=ATTACK).text
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere"}, {}):
        assert api.post("/jobs", data={"design": design}, headers=headers).status_code == 403
    assert api.get("/v1/jobs").json()["items"] == []


def test_a_running_job_shows_its_steps_and_can_be_followed(api: TestClient, sqlite_house: House) -> None:
    job_id = _begun(api)
    assert "None has begun" in api.get(f"/jobs/{job_id}").text
    with sqlite_house.database.writing() as session:
        row = repository.lock(session, job_id)
        assert row is not None
        row.state = JobState.RUNNING.value
        repository.append(session, job_id, EventKind.STARTED, {"worker": "a-0", "attempt": 1})
        repository.append(session, job_id, EventKind.STEP_STARTED, {"step": "train", "number": 2, "of": 10})
        repository.append(session, job_id, EventKind.STEP_FINISHED, {"step": "train"})
        repository.append(session, job_id, EventKind.STEP_SKIPPED, {"step": "prune", "reason": ATTACK})
        repository.append(session, job_id, EventKind.STEP_STARTED, {"step": "quantize", "number": 5, "of": 10})
        told = {"step": "quantize", "fraction": 0.25, "epoch": 3}
        repository.append(session, job_id, EventKind.PROGRESS, told)
    text = api.get(f"/jobs/{job_id}").text
    page = Page(text)
    assert ATTACK not in text
    state = next(one for one in page.all("p") if one.get("id") == "state")
    assert (state["data-events"], state["data-last"]) == (f"/v1/jobs/{job_id}/events", "7")
    assert {"src": assets.address("follow.js"), "type": "module"} in page.all("script")
    assert {"http-equiv": "refresh", "content": "5"} in page.all("meta"), "without scripts it loads itself again"
    for words in ("running", "25 %, epoch 3", "skipped", "done", "bespoke jobs cancel"):
        assert words in page.text


def test_an_ended_job_shows_what_was_measured_or_why_it_failed(api: TestClient, sqlite_house: House) -> None:
    good, bad = _begun(api), _begun(api)
    with sqlite_house.database.writing() as session:
        for job_id, state in ((good, JobState.SUCCEEDED), (bad, JobState.FAILED)):
            row = repository.lock(session, job_id)
            assert row is not None
            repository.append(session, job_id, EventKind.STEP_STARTED, {"step": "verify", "number": 8, "of": 10})
            problem = {"detail": "layer 'conv1' must compute what its module computes"}
            row.error = problem if state is JobState.FAILED else None
            row.result = {"comparisons": [ACCURACY], "host": "a machine"} if state is JobState.SUCCEEDED else None
            repository.end(session, row, state, EventKind(state.value), row.error or {})
    page = Page(api.get(f"/jobs/{good}").text)
    for words in ("succeeded", "90.0 %", "80.0 % to 95.0 %", "85.0 %", "a machine"):
        assert words in page.text
    assert page.all("script") == []
    failed = Page(api.get(f"/jobs/{bad}").text).text
    assert "conv1" in failed
    assert f"bespoke jobs retry {bad}" in failed
    assert api.get(f"/jobs/{good}/report").status_code == 404


def test_what_is_not_there_is_said(api: TestClient) -> None:
    for path in ("/jobs/job_none", "/jobs/job_none/report", "/jobs/%00"):
        assert api.get(path).status_code == 404
    assert "No job yet" in api.get("/jobs").text
    assert api.get("/jobs?cursor=nonsense").status_code == 200


def test_a_service_without_jobs_says_so(serve: Callable[..., TestClient], sqlite_url: str, quick: Optimize) -> None:
    off = serve(sqlite_url, quick)
    assert "takes no jobs" in off.get("/jobs").text
    assert "Train this design" not in off.get(f"/designs/{store(off)}").text
    assert _sent(off, design="dsn_1").status_code == 409
