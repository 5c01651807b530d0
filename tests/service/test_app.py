from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from design.errors import InvalidProfile
from design.spaces.registry import SPACES
from design.task import TASKS, find_task
from design.zoo import NETWORKS
from predictors.storage import InvalidWeights
from service.context import Context, Optimize
from service.designs.schemas import EXAMPLE_REQUEST as DESIGN
from service.devices.schemas import EXAMPLE_PROFILE
from service.errors import refused
from service.faults import json_pointer
from service.predictions.schemas import EXAMPLE_REQUEST as PREDICTION
from service.upgrade import downgrade

Serve = Callable[..., TestClient]


def context_of(client: TestClient) -> Context:
    assert isinstance(client.app, FastAPI)
    context: Context = client.app.state.context
    return context


def test_alive_and_ready(client: TestClient) -> None:
    assert client.get("/v1/health/live").json() == {"status": "alive"}
    assert client.get("/v1/health/ready").json()["checks"] == {"database": "ok", "weights": "ok"}


def test_not_ready_behind_its_migrations(client: TestClient) -> None:
    downgrade(context_of(client).database)
    answer = client.get("/v1/health/ready")
    assert answer.status_code == 503
    assert "needs" in answer.json()["checks"]["database"]
    assert client.get("/v1/health/live").status_code == 200


def test_not_ready_without_weights(refusing: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise InvalidWeights("weights must be whole", "half of them")

    monkeypatch.setattr("service.health.accuracy_predictor", fails)
    answer = refusing.get("/v1/health/ready")
    assert answer.status_code == 503
    assert "weights" in answer.json()["detail"]


def test_not_ready_without_a_database(serve: Serve, quick: Optimize) -> None:
    client = serve("postgresql://nobody@127.0.0.1:9/none", quick, migrate=False, database_wait_s=0.2)
    assert client.get("/v1/health/live").status_code == 200
    assert client.get("/v1/health/ready").status_code == 503
    answer = client.get("/v1/designs")
    assert answer.status_code == 503
    assert "nobody" not in answer.text


@pytest.mark.parametrize(("path", "expected"), [("tasks", TASKS), ("spaces", SPACES), ("networks", NETWORKS)])
def test_what_the_library_knows_is_listed(refusing: TestClient, path: str, expected: dict[str, Any]) -> None:
    names: list[str] = []
    following: str | None = f"/v1/{path}?limit=3"
    while following:
        page = refusing.get(following).json()
        names += [item["name"] for item in page["items"]]
        following = page["next"]
    assert names == sorted(expected)
    one = refusing.get(f"/v1/{path}/{names[0]}").json()
    assert one["name"] == names[0]
    assert refusing.get(f"/v1/{path}/nothing").status_code == 404


def test_sizes_of_spaces_are_exact(refusing: TestClient) -> None:
    for space in refusing.get("/v1/spaces").json()["items"]:
        for expansion in space["tasks"]:
            assert int(expansion["size"]) == SPACES[space["name"]].size(find_task(expansion["task"]))


def test_scripts_of_strangers_are_nowhere(refusing: TestClient) -> None:
    for path in ("/docs", "/redoc"):
        assert refusing.get(path).status_code == 404


def test_the_description_is_whole(refusing: TestClient) -> None:
    description = refusing.get("/openapi.json").json()
    text = json.dumps(description)
    assert "HTTPValidationError" not in text
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in description["components"]["schemas"]
    operations = [one for path in description["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    assert "designs-create" in ids
    assert all(one["summary"] for one in operations)
    for path, example in (("devices", EXAMPLE_PROFILE), ("designs", DESIGN), ("predictions", PREDICTION)):
        content = description["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]
        assert example in content["schema"].get("examples", []) or example in [
            one.get("value") for one in content.get("examples", {}).values()
        ]


@pytest.mark.parametrize(
    ("path", "example", "status"),
    [("devices", EXAMPLE_PROFILE, 201), ("designs", DESIGN, 201), ("predictions", PREDICTION, 200)],
)
def test_the_examples_work(client: TestClient, path: str, example: dict[str, Any], status: int) -> None:
    assert client.post(f"/v1/{path}", json=example).status_code == status


def test_every_request_has_one_log_line(
    serve: Serve, sqlite_url: str, quick: Optimize, capsys: pytest.CaptureFixture[str]
) -> None:
    client = serve(sqlite_url, quick)
    capsys.readouterr()
    from_settings = context_of(client).settings.log_level
    assert from_settings == "error"
    assert client.get("/v1/tasks").status_code == 200
    assert capsys.readouterr().err == ""


def test_log_lines_are_json_with_the_request_id(
    capsys: pytest.CaptureFixture[str], serve: Serve, sqlite_url: str
) -> None:
    def fails(problem: object) -> Any:
        raise RuntimeError("inner state")

    client = serve(sqlite_url, fails)
    capsys.readouterr()
    client.post("/v1/designs", json=DESIGN, headers={"X-Request-ID": "seen"})
    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert line["request_id"] == "seen"
    assert line["level"] == "error"
    assert "inner state" in line["exception"]
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_pointers_leave_out_the_branches_of_unions() -> None:
    body = {"device": {"cores": -1}, "a/b": [{"c~": 1}]}
    assert json_pointer(("device", "<profile>", "cores"), body, naming=False) == "/device/cores"
    assert json_pointer(("device", "<profile>", "name"), body, naming=True) == "/device/name"
    assert json_pointer(("a/b", 0, "c~"), body, naming=False) == "/a~1b/0/c~0"
    assert json_pointer(("device", "<id>"), {"device": 7}, naming=False) == "/device"


def test_pointers_keep_members_that_are_called_like_branches() -> None:
    body = {"device": {"<profile>": {"name": "x"}, "profile": {"name": "x"}}}
    assert json_pointer(("device", "<profile>", "name"), body, naming=True) == "/device/name"
    assert json_pointer(("device", "<profile>", "<profile>"), body, naming=True) == "/device/<profile>"
    assert json_pointer(("device", "<profile>", "profile"), body, naming=True) == "/device/profile"


def test_the_librarys_errors_keep_their_place() -> None:
    refusal = refused(InvalidProfile("x must hold", "y", "Do z.", pointer="/idle_w"), "/devices/3")
    assert (refusal.slug, refusal.status) == ("invalid-profile", 422)
    assert refusal.faults[0].pointer == "/devices/3/idle_w"


def test_a_fault_of_the_installation_is_not_the_callers() -> None:
    assert refused(InvalidWeights("weights must be whole", "half of them")).status == 500
