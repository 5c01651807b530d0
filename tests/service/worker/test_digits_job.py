"""Whole jobs: the real steps, run by a real worker, asked for through the API."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from networks.export.exported import Exported
from networks.packing import unpack
from service.worker.steps import PIPELINE
from tests.service.worker.digits import DEVICE, TASK, answer, design, start_real
from tests.service.worker.house import House, alive

pytestmark = pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
OPTIONS = {"epochs": 4, "batch_size": 64, "seed": 3}
JOB_S = 240.0
"""On a busy machine."""
Serve = Callable[..., TestClient]


def _api(house: House, serve: Serve) -> TestClient:
    settings = house.settings.model_dump(exclude={"database_url", "log_level"})
    return serve(house.settings.database_url, answer, **settings)


def _begun(api: TestClient, **more: Any) -> str:
    made = api.post("/v1/designs", json={"device": DEVICE, "task": TASK})
    assert made.status_code == 201, made.text
    begun = api.post("/v1/jobs", json={"design": made.json()["id"], "options": OPTIONS} | more)
    assert begun.status_code == 202, begun.text
    return str(begun.json()["id"])


def _results(house: House, job_id: str) -> dict[str, Any]:
    """What the steps that are done gave."""
    names = [step.name for step in PIPELINE.steps]
    return dict(zip(names, house.queue.results(job_id), strict=False))


def _steps_done(house: House, job_id: str) -> list[str]:
    return [one["step"] for one in house.kinds(job_id, "step-finished")]


def _file(api: TestClient, job_id: str, name: str) -> bytes:
    files = {one["name"]: one for one in api.get(f"/v1/jobs/{job_id}/artifacts").json()["items"]}
    return api.get(files[name]["links"]["content"]).content


def test_a_design_is_trained_exported_measured_and_reported_and_a_killed_job_ends_the_same(
    sqlite_house: House, serve: Serve, tmp_path: Path
) -> None:
    house = sqlite_house
    api = _api(house, serve)
    start_real(house)
    job_id = _begun(api)
    killed = _begun(api)
    row = house.ended(job_id, within_s=JOB_S)
    assert row.state == "succeeded", row.error

    # the other job, whose worker is killed while it trains at few bits
    def second_epoch() -> bool:
        told = house.kinds(killed, "progress")
        return any(one["step"] == "quantize" and one.get("epoch", 0) >= 2 for one in told)

    house.until(second_epoch, within_s=JOB_S)
    house.kill()
    start_real(house)
    house.until(lambda: "export" in _steps_done(house, killed), within_s=JOB_S)
    assert house.row(killed).attempts == 2
    assert api.post(f"/v1/jobs/{killed}/cancel").status_code == 202, "what matters is done"
    assert [one["step"] for one in house.kinds(killed, "step-started")].count("train") == 1, "done before: not again"
    one, other = _results(house, job_id), _results(house, killed)
    for step in ("train", "quantize"):
        curves = [[epoch["loss"] for epoch in found[step]["result"]["epochs"]] for found in (one, other)]
        assert curves[0] == curves[1]
    for step, figure in (("export", "packed_digest"), ("quantize", "validation_accuracy")):
        assert one[step]["result"][figure] == other[step]["result"][figure]

    # what was skipped, and what is kept
    assert [name for name, found in one.items() if "skipped" in found] == ["prune"]
    assert "keeps all" in one["prune"]["skipped"]
    document = api.get(f"/v1/jobs/{job_id}").json()
    compared = {each["name"]: each for each in document["result"]["comparisons"]}
    assert set(compared) == {"accuracy", "model size", "latency on the worker"}
    assert compared["accuracy"]["predicted"] == pytest.approx(
        api.get(document["links"]["design"]).json()["prediction"]["accuracy"]["value"]
    )
    exact, integer = one["verify"]["result"]["files"]
    assert compared["accuracy"]["measured"] == exact["accuracy"] == exact["exported_accuracy"]
    assert compared["accuracy"]["measured"] > 0.3, "ten classes: far more than by chance"
    assert integer["integer"] >= 1, "the layer of 4 bits runs on whole numbers"

    # files: the packed weights are the exported model
    packed = _file(api, job_id, "packed.bin")
    assert compared["model size"]["measured"] == len(packed)
    unpack(packed, design())
    exported = Exported.of(_file(api, job_id, "model.onnx"))
    assert exported.kernels.integer == ()
    report = _file(api, job_id, "report.html").decode()
    assert "latency on the worker" in report
    assert json.loads(_file(api, job_id, "report.json"))["job_id"] == job_id
    _runs_elsewhere(api, job_id, tmp_path)
    page = api.get(f"/jobs/{job_id}").text
    assert "Predicted and measured" in page
    assert "packed.bin" in page
    assert api.get(f"/jobs/{job_id}/report").text == report

    # the machine is a device now, with what the job measured
    machines = api.get("/v1/devices?source=own").json()["items"]
    assert [machine["name"].startswith("this machine") for machine in machines] == [True]
    rows = api.get(f"/v1/devices/{machines[0]['id']}/measurements").json()["items"]
    assert len(rows) == 1
    assert rows[0]["latency_ms"] == pytest.approx(compared["latency on the worker"]["measured"])


def _runs_elsewhere(api: TestClient, job_id: str, folder: Path) -> None:
    """The script classifies pictures with the model, in a process that knows nothing of us."""
    for name in ("model.onnx", "run_model.py"):
        (folder / name).write_bytes(_file(api, job_id, name))
    np.savez(folder / "some.npz", images=np.zeros((3, 8, 8), np.uint8), labels=np.zeros(3, np.int64))
    command = [sys.executable, "-I", "run_model.py", "model.onnx", "some.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "on 3 pictures" in done.stdout


def test_own_pictures_are_trained_on_and_a_job_is_cancelled_while_it_trains(sqlite_house: House, serve: Serve) -> None:
    house = sqlite_house
    api = _api(house, serve)
    numbers = np.random.default_rng(0)
    labels = np.arange(200) % 10
    arrays: dict[str, Any] = {"x_train": numbers.integers(0, 256, (200, 1, 8, 8), np.uint8), "y_train": labels}
    arrays |= {"x_test": arrays["x_train"][:50], "y_test": labels[:50]}
    content = io.BytesIO()
    np.savez(content, **arrays)
    kind = {"Content-Type": "application/octet-stream"}
    sent = api.post("/v1/datasets?name=mine", content=content.getvalue(), headers=kind)
    assert sent.status_code == 201, sent.text
    start_real(house)
    job_id = _begun(api, dataset="mine", options={"epochs": 5_000})
    house.until(
        lambda: any(one["step"] == "train" and one["epoch"] > 1 for one in house.kinds(job_id, "progress")),
        within_s=JOB_S,
    )
    assert _results(house, job_id)["prepare data"]["result"]["training_pictures"] == 180
    trainers = _trainers(house)
    assert trainers
    assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    assert house.until(lambda: not any(map(alive, trainers))) < 5.0
    page = api.get(f"/jobs/{job_id}").text
    assert "cancelled" in page
    assert "jobs retry" in page


def _trainers(house: House) -> list[int]:
    """Processes whose parent is the worker."""
    worker = house.workers[0].pid
    children = Path(f"/proc/{worker}/task").glob("*/children")
    return [int(pid) for path in children for pid in path.read_text().split()]
