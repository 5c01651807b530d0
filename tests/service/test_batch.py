"""POST /v1/designs/batch: a design or a problem for each device, and designs that can be shared."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from design.devices.catalogue import find_device
from design.spaces.registry import find_space
from design.task import find_task
from predictors.descriptor import describe
from predictors.predict import explain
from tests.service.measurements.measuring import DEVICE, rows

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


def test_figures_of_a_batch_carry_what_limits_are_compared_with(client: TestClient) -> None:
    limits = {"latency_ms": 20, "energy_mj": 1e4, "min_accuracy": 0.5, "risk": 0.3}
    answer = client.post(PATH, json=REQUEST | {"limits": limits, "devices": ["raspberry-pi-4"]})
    made = answer.json()["items"][0]["design"]
    task = find_task("digits")
    design = find_space("vgg").decode(task, np.array(made["genotype"]["values"]))
    found = explain(design, describe(find_device("raspberry-pi-4")), task, risk=0.3).model_dump()
    for name in ("latency_ms", "energy_mj", "accuracy"):
        assert made[name]["at_risk"] == pytest.approx(found[name]["at_risk"])
    assert made["latency_ms"]["value"] < made["latency_ms"]["at_risk"] <= limits["latency_ms"]
    assert made["accuracy"]["value"] > made["accuracy"]["at_risk"] >= limits["min_accuracy"]


def test_wrong_devices_have_problems_of_their_own(client: TestClient) -> None:
    devices = ["no-such-board", "raspberry-pi-4", {"name": "n", "kind": "npu", "supported_bits": [[4, 4]]}]
    body = client.post(PATH, json=REQUEST | {"devices": devices}).json()
    first, second, third = body["items"]
    assert first["problem"]["type"].endswith("unknown-name")
    assert second["design"]["feasible"]
    assert third["problem"]["type"].endswith("no-usable-space")
    assert body["feasible"] == 1


MALFORMED: list[tuple[Any, list[str]]] = [
    (5, ["/devices/1"]),
    (None, ["/devices/1"]),
    ("", ["/devices/1"]),
    ("x" * 121, ["/devices/1"]),
    ({"name": "n"}, ["/devices/1/kind"]),
    ({"name": "n", "kind": "cpu", "ram_kb": -1, "own": 1}, ["/devices/1/ram_kb", "/devices/1/own"]),
    ({"name": "n", "kind": "cpu", "idle_w": 5, "tdp_w": 1}, ["/devices/1/idle_w"]),
    ({"device": "jetson-nano"}, ["/devices/1/limits"]),
    ({"device": "jetson-nano", "limits": {"latency_ms": 0, "speed": 1}}, ["latency_ms", "speed"]),
    ({"device": {"name": "n"}, "limits": {}}, ["/devices/1/device/kind"]),
    ({"device": 7, "limits": {}}, ["/devices/1/device"]),
    ({"device": "\ud800", "limits": {}}, ["/devices/1/device"]),
]


@pytest.mark.parametrize(("entry", "pointers"), MALFORMED)
def test_a_malformed_entry_has_a_problem_of_its_own(refusing: TestClient, entry: Any, pointers: list[str]) -> None:
    body = json.dumps(REQUEST | {"devices": ["raspberry-pi-4", entry, "jetson-nano"]})
    answer = refusing.post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    first, wrong, last = body["items"]
    assert first["design"]["feasible"]
    assert last["design"]["feasible"]
    assert body["feasible"] == 2
    assert [wrong[name] for name in ("device", "design", "group", "measurements")] == [None] * 4
    problem = wrong["problem"]
    assert problem["status"] == 422
    assert problem["request_id"] == answer.headers["x-request-id"]
    found = [fault["pointer"] for fault in problem["errors"]]
    assert found == [one if one.startswith("/") else f"/devices/1/limits/{one}" for one in pointers]
    assert all(None not in fault.values() for fault in problem["errors"])
    named = entry.get("device") if isinstance(entry, dict) else None
    assert wrong["device_id"] == (named if isinstance(named, str) and named != "\ud800" else None)


def test_contradictory_profiles_are_told_from_malformed_ones(refusing: TestClient) -> None:
    devices = [{"name": "n", "kind": "cpu", "idle_w": 5, "tdp_w": 1}, {"name": "n"}]
    first, second = refusing.post(PATH, json=REQUEST | {"devices": devices}).json()["items"]
    assert first["problem"]["type"].endswith("invalid-profile")
    assert second["problem"]["type"].endswith("invalid-request")
    assert second["problem"]["detail"] == "/devices/1/kind: must be given, but got nothing."


def test_the_description_speaks_of_no_malformed_entries(refusing: TestClient) -> None:
    assert "Malformed" not in refusing.get("/openapi.json").json()["components"]["schemas"]


def test_malformed_entries_tell_requests_apart(client: TestClient) -> None:
    key = {"Idempotency-Key": "fleet-malformed"}
    body = REQUEST | {"devices": ["raspberry-pi-4", {"name": "n"}]}
    first = client.post(PATH, json=body, headers=key)
    again = client.post(PATH, json=body, headers=key)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post(PATH, json=REQUEST | {"devices": ["raspberry-pi-4", {"name": "m"}]}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-mismatch")


@pytest.mark.parametrize("depth", [100, 400, 900])
def test_entries_nested_deeply_are_refused_in_order(refusing: TestClient, depth: int) -> None:
    entry = "[" * depth + "]" * depth
    text = '{"devices": [%s], "task": "digits"}' % entry  # noqa: UP031  # braces are JSON's
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"deep-{depth}"}
    answer = refusing.post(PATH, content=text, headers=headers)
    assert answer.status_code in (200, 400, 422), answer.text


def test_problems_of_devices_point_at_what_the_body_has(client: TestClient) -> None:
    odd = {"name": "n", "kind": "npu", "supported_bits": [[4, 4]]}
    own = client.post("/v1/devices", json=odd).json()["id"]
    limits = REQUEST["limits"]
    devices = [odd, {"device": odd, "limits": limits}, own, {"device": own, "limits": limits}]
    devices += ["no-such-board", {"device": "no-such-board", "limits": limits}]
    answer = client.post(PATH, json=REQUEST | {"devices": devices})
    problems = [item["problem"] for item in answer.json()["items"]]
    assert [problem["errors"][0]["pointer"] for problem in problems] == [
        "/devices/0/supported_bits",
        "/devices/1/device/supported_bits",
        "/devices/2",
        "/devices/3/device",
        "/devices/4",
        "/devices/5/device",
    ]
    assert {problem["request_id"] for problem in problems} == {answer.headers["x-request-id"]}


def test_memory_of_devices_is_pointed_at_where_it_is_stated(client: TestClient) -> None:
    small = {"name": "m", "kind": "mcu", "clock_ghz": 0.2, "ram_kb": 0.1, "flash_kb": 512, "supported_bits": [[8, 8]]}
    own = client.post("/v1/devices", json=small).json()["id"]
    wide, tight = {"peak_memory_kb": 9}, {"peak_memory_kb": 0.05}
    devices = [small, {"device": small, "limits": wide}, {"device": small, "limits": tight}, own]
    devices.append({"device": own, "limits": wide})
    body = client.post(PATH, json=REQUEST | {"limits": {}, "devices": devices}).json()
    assert [item["problem"]["errors"][0]["pointer"] for item in body["items"]] == [
        "/devices/0/ram_kb",
        "/devices/1/device/ram_kb",
        "/devices/2/limits/peak_memory_kb",
        "/devices/3",
        "/devices/4/device",
    ]
    told = ["the device's own RAM" in item["problem"]["errors"][0]["must"] for item in body["items"]]
    assert told == [True, True, False, True, True]


def test_limits_of_one_device_replace_those_of_the_request(client: TestClient) -> None:
    tight = {"device": "raspberry-pi-4", "limits": {"latency_ms": 1e-6}}
    body = client.post(PATH, json=REQUEST | {"devices": ["raspberry-pi-4", tight]}).json()
    loose, broken = body["items"]
    assert loose["design"]["feasible"]
    assert loose["design"]["approach"] == "library of proxy devices"
    assert loose["design"]["optimizer_version"].startswith("library-")
    assert broken["design"] is None
    assert broken["group"] is None
    assert body["feasible"] == 1
    problem = broken["problem"]
    assert problem["type"] == "urn:bespoke:problem:infeasible-constraints"
    assert problem["errors"][0]["pointer"] == "/devices/1/limits/latency_ms"
    (limit,) = problem["violations"]
    assert (limit["limit"], limit["allowed"]) == ("latency_ms", 1e-6)
    assert limit["reached"] >= limit["tightest"] > limit["allowed"]
    nearest = problem["nearest"]
    assert nearest["genotype"]["space"] == "vgg"
    assert not nearest["feasible"]
    assert nearest["broken"] == [{name: limit[name] for name in ("limit", "allowed", "reached")}]


def test_no_design_of_a_batch_breaks_a_limit(client: TestClient) -> None:
    limits = {"latency_ms": 0.2, "min_accuracy": 0.97}
    body = client.post(PATH, json=REQUEST | {"limits": limits}).json()
    for item in body["items"]:
        assert (item["design"] is None) == (item["problem"] is not None)
        if item["design"] is None:
            assert item["problem"]["type"].endswith("infeasible-constraints")
            assert item["problem"]["errors"][0]["pointer"].startswith("/limits/")
        else:
            assert item["design"]["feasible"]
    assert body["feasible"] == sum(item["design"] is not None for item in body["items"]) < len(body["items"])


def test_limits_of_one_device_hold_at_the_risk_of_the_request(client: TestClient) -> None:
    own = {"device": "raspberry-pi-4", "limits": REQUEST["limits"]}
    risky = REQUEST | {"limits": REQUEST["limits"] | {"risk": 0.4}, "devices": ["raspberry-pi-4", own]}
    answer = client.post(PATH, json=risky)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert first["design"] == second["design"]


@pytest.mark.parametrize("shared", [{}, {"risk": 0.4}])
def test_a_device_with_another_risk_is_refused_alone(client: TestClient, shared: dict[str, float]) -> None:
    other = {"device": "raspberry-pi-4", "limits": REQUEST["limits"] | {"risk": 0.3}}
    same = {"device": "raspberry-pi-4", "limits": REQUEST["limits"] | {"risk": shared.get("risk", 0.1)}}
    request = REQUEST | {"limits": REQUEST["limits"] | shared, "devices": [same, other]}
    answer = client.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert first["design"]["feasible"]
    assert (second["design"], second["group"]) == (None, None)
    assert second["problem"]["type"].endswith("invalid-request")
    (fault,) = second["problem"]["errors"]
    assert fault["pointer"] == "/devices/1/limits/risk"
    assert fault["must"] == f"must be that of the request, {shared.get('risk', 0.1)}"
    assert fault["got"] == "0.3"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"devices": []}, 422),
        ({"devices": ["raspberry-pi-4"] * 1001}, 422),
        ({"task": "no-such-task"}, 422),
        ({"spaces": ["no-such-space"]}, 422),
        ({"energy_model": "none"}, 422),
        ({"surprise": 1}, 422),
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


def test_predictors_of_a_batch_are_those_of_any_device(client: TestClient) -> None:
    measured = client.post(f"/v1/devices/{DEVICE}/measurements", json={"measurements": rows(4)}).json()
    for devices in ([measured["device_id"], "jetson-nano"], ["jetson-nano", measured["device_id"]]):
        body = client.post(PATH, json=REQUEST | {"devices": devices}).json()
        assert "measurement" not in body["versions"]["predictors"]["latency"]
        counts = [item["measurements"] and item["measurements"]["count"] for item in body["items"]]
        assert sorted(counts, key=str) == [4, None]
