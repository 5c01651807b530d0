"""POST /v1/designs/batch: a design or a problem for each device, and designs that can be shared."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

PATH = "/v1/designs/batch"
REQUEST: dict[str, Any] = {
    "devices": ["raspberry-pi-4", "jetson-nano", "stm32f746", {"name": "Mine", "kind": "cpu", "core": "Cortex-A55"}],
    "task": "digits",
    "spaces": ["vgg"],
    "limits": {"latency_ms": 20, "model_kb": 60},
}


def test_every_device_gets_a_design_that_keeps_its_limits(client: TestClient) -> None:
    answer = client.post(PATH, json=REQUEST)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body["items"]) == 4
    assert body["feasible"] == 4
    for item in body["items"]:
        assert item["problem"] is None
        assert item["design"]["feasible"]
        assert item["design"]["broken"] == []
        assert item["design"]["model_bytes"] <= 60_000
        assert item["design"]["genotype"]["space"] == "vgg"
    assert [item["device_id"] for item in body["items"]] == ["raspberry-pi-4", "jetson-nano", "stm32f746", None]
    served = sorted(device for group in body["groups"] for device in group["devices"])
    assert served == [0, 1, 2, 3]
    assert all(
        body["items"][device]["group"] == n for n, group in enumerate(body["groups"]) for device in group["devices"]
    )


def test_a_design_of_the_batch_is_what_predictions_say(client: TestClient) -> None:
    item = client.post(PATH, json=REQUEST).json()["items"][0]
    found = client.post(
        "/v1/predictions", json={"design": item["design"]["genotype"], "devices": ["raspberry-pi-4"]}
    ).json()["items"][0]["prediction"]
    assert found["latency_ms"]["value"] == pytest.approx(item["design"]["latency_ms"]["value"])
    assert found["accuracy"]["value"] == pytest.approx(item["design"]["accuracy"]["value"])


def test_wrong_devices_have_problems_of_their_own(client: TestClient) -> None:
    devices = ["no-such-board", "raspberry-pi-4", {"name": "n", "kind": "npu", "supported_bits": [[4, 4]]}]
    body = client.post(PATH, json=REQUEST | {"devices": devices}).json()
    first, second, third = body["items"]
    assert first["problem"]["type"].endswith("unknown-name")
    assert second["design"]["feasible"]
    assert third["problem"]["type"].endswith("no-usable-space")
    assert body["feasible"] == 1


def test_limits_of_one_device_replace_those_of_the_request(client: TestClient) -> None:
    tight = {"device": "raspberry-pi-4", "limits": {"latency_ms": 1e-6}}
    body = client.post(PATH, json=REQUEST | {"devices": ["raspberry-pi-4", tight]}).json()
    loose, broken = (item["design"] for item in body["items"])
    assert loose["feasible"]
    assert not broken["feasible"]
    (limit,) = broken["broken"]
    assert (limit["limit"], limit["allowed"]) == ("latency_ms", 1e-6)
    assert limit["reached"] > limit["allowed"]
    assert body["items"][1]["group"] is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"devices": []}, 422),
        ({"devices": ["raspberry-pi-4"] * 1001}, 422),
        ({"task": "no-such-task"}, 422),
        ({"spaces": ["no-such-space"]}, 422),
        ({"energy_model": "none"}, 422),
        ({"surprise": 1}, 422),
        ({"devices": ["raspberry-pi-4", {"device": "jetson-nano", "limits": {"risk": 0.3}}]}, 422),
    ],
)
def test_bad_requests_are_refused(client: TestClient, change: dict[str, Any], status: int) -> None:
    answer = client.post(PATH, json=REQUEST | change)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_same_request_same_answer_and_nothing_stored(client: TestClient) -> None:
    before = client.get("/v1/designs").json()
    first = client.post(PATH, json=REQUEST, headers={"Idempotency-Key": "fleet-1"})
    again = client.post(PATH, json=REQUEST, headers={"Idempotency-Key": "fleet-1"})
    assert first.json() == again.json() == client.post(PATH, json=REQUEST).json()
    assert client.get("/v1/designs").json() == before
