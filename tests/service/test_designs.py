from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from design.design import Design
from optimizer.problem import Answer
from service.context import Optimize

REQUEST: dict[str, Any] = {
    "device": "raspberry-pi-4",
    "task": "cifar10",
    "limits": {"model_kb": 400},
    "spaces": ["resnet"],
}
Serve = Callable[..., TestClient]
MADE_ANEW = ("id", "created_at", "links")


def without_identity(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in MADE_ANEW}


def test_a_design_is_stored_with_all_it_came_from(client: TestClient, known_answer: Answer) -> None:
    answer = client.post("/v1/designs", json=REQUEST | {"preferences": {"accuracy": 2, "energy": 1}})
    assert answer.status_code == 201
    document = answer.json()
    assert answer.headers["location"] == document["links"]["self"] == f"/v1/designs/{document['id']}"
    assert client.get(answer.headers["location"]).json() == document
    assert Design.model_validate(document["design"]).digest == document["digest"] == known_answer.design.digest
    assert document["prediction"] == known_answer.prediction.model_dump(mode="json")
    assert document["device"]["name"] == "Raspberry Pi 4 Model B"
    assert document["limits"]["model_kb"] == 400
    assert document["preferences"]["energy"] == 1
    assert document["feasible"] is True
    assert document["accuracy_basis"] == known_answer.prediction.accuracy_basis
    assert document["assumed"] == document["prediction"]["assumed"]
    versions = document["versions"]
    assert versions["optimizer"] == known_answer.optimizer_version
    assert versions["predictors"] == known_answer.prediction.sources
    assert versions["bespoke"]
    assert versions["energy_model"]
    assert len(document["prediction"]["layers"]) >= len(document["design"]["policy"]["layers"])


def test_the_real_optimizer_repeats_to_the_digit(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    request = REQUEST | {"seed": 7}
    first, second = (client.post("/v1/designs", json=request) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] != second.json()["id"]
    assert without_identity(first.json()) == without_identity(second.json())
    assert client.get(first.headers["location"]).json() == first.json()
    inline = request | {"device": client.get("/v1/devices/raspberry-pi-4").json()["profile"]}
    third = client.post("/v1/designs", json=inline).json()
    assert third["device_id"] is None
    assert without_identity(third) == without_identity(first.json()) | {"device_id": None}


def test_limits_that_nothing_keeps_get_the_nearest_and_the_tightest(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    request = REQUEST | {"limits": {"latency_ms": 1e-6, "model_kb": 400}}
    answer = client.post("/v1/designs", json=request)
    assert answer.status_code == 422
    document = answer.json()
    assert document["type"] == "urn:bespoke:problem:infeasible-constraints"
    broken = {one["limit"]: one for one in document["violations"]}
    assert "latency_ms" in broken
    assert broken["latency_ms"]["allowed"] == 1e-6
    assert broken["latency_ms"]["tightest"] > 1e-6
    assert document["errors"][0]["pointer"] == "/limits/latency_ms"
    assert Design.model_validate(document["nearest"]["design"]).digest == document["nearest"]["digest"]
    assert document["nearest"]["prediction"]["latency_ms"]["at_risk"] > 1e-6
    assert client.get("/v1/designs").json()["items"] == []
    loosened = request | {"limits": {"latency_ms": broken["latency_ms"]["tightest"] * 1.0001}}
    assert client.post("/v1/designs", json=loosened).status_code == 201


def test_precisions_that_no_space_has_are_pointed_at_where_the_body_states_them(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    odd = {"name": "n", "kind": "npu", "supported_bits": [[4, 4]]}
    own = client.post("/v1/devices", json=odd).json()["id"]
    for device, pointer in ((odd, "/device/supported_bits"), (own, "/device")):
        refused = client.post("/v1/designs", json=REQUEST | {"device": device})
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:bespoke:problem:no-usable-space"
        assert refused.json()["errors"][0]["pointer"] == pointer


def test_memory_that_no_design_fits_is_pointed_at_as_the_own_of_the_device(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    small = {"name": "m", "kind": "mcu", "clock_ghz": 0.2, "ram_kb": 0.1, "flash_kb": 512, "supported_bits": [[8, 8]]}
    own = client.post("/v1/devices", json=small).json()["id"]
    for device, pointer in ((small, "/device/ram_kb"), (own, "/device")):
        request = {"device": device, "task": "digits", "spaces": ["vgg"]}
        (fault,) = client.post("/v1/designs", json=request).json()["errors"]
        assert fault["pointer"] == pointer
        assert fault["must"].startswith("ram_kb must be at least")
        assert "the device's own RAM" in fault["must"]


def test_the_front_of_a_stored_design(client: TestClient, known_answer: Answer) -> None:
    address = client.post("/v1/designs", json=REQUEST).headers["location"]
    document = client.get(f"{address}/front").json()
    assert document["points"] == [point.model_dump(mode="json") for point in known_answer.front or ()]
    latencies = [point["latency_ms"] for point in document["points"]]
    assert latencies == sorted(latencies)
    assert client.get("/v1/designs/dsn_0/front").status_code == 404


def test_a_deleted_device_takes_nothing_from_its_designs(client: TestClient) -> None:
    device = client.post("/v1/devices", json={"name": "Mine", "kind": "cpu", "cores": 2}).json()
    design = client.post("/v1/designs", json=REQUEST | {"device": device["id"]}).json()
    assert client.delete(device["href"]).status_code == 204
    found = client.get(design["links"]["self"]).json()
    assert found["device"] == device["profile"]
    assert found["device_id"] == device["id"]
    refused = client.post("/v1/designs", json=REQUEST | {"device": device["id"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/device"


def test_a_design_can_be_deleted_once(client: TestClient) -> None:
    address = client.post("/v1/designs", json=REQUEST).headers["location"]
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.delete(address).status_code == 404


@pytest.mark.parametrize("sort", ["created_at", "latency_ms", "accuracy", "energy_mj", "model_bytes"])
def test_every_order_goes_through_all_pages_once(client: TestClient, sort: str) -> None:
    seeds = [3, 1, 1, 0, 2, 1]  # equal figures must not lose an item at the end of a page
    made = {client.post("/v1/designs", json=REQUEST | {"seed": seed}).json()["id"] for seed in seeds}
    orders: list[list[dict[str, Any]]] = []
    for address in (f"/v1/designs?limit=2&sort={sort}", f"/v1/designs?limit=2&sort=-{sort}"):
        items: list[dict[str, Any]] = []
        following: str | None = address
        while following:
            page = client.get(following).json()
            items += page["items"]
            following = page["next"]
        assert {item["id"] for item in items} == made
        assert len(items) == len(made)
        orders.append(items)
    rising, falling = orders
    assert [item["id"] for item in rising] == [item["id"] for item in falling][::-1]
    assert [item[sort] for item in rising] == sorted(item[sort] for item in rising)


def test_lists_can_be_narrowed(client: TestClient) -> None:
    made = [client.post("/v1/designs", json=REQUEST | {"seed": seed}).json() for seed in range(3)]
    slowest = max(one["prediction"]["latency_ms"]["value"] for one in made)
    best = max(one["prediction"]["accuracy"]["value"] for one in made)

    def found(query: str) -> int:
        return len(client.get(f"/v1/designs?{query}").json()["items"])

    assert found("task=cifar10") == found("space=resnet") == found("device=raspberry-pi-4") == 3
    assert found("device=RASPBERRY") == 3
    assert found("device=%25") == found("task=cifar100") == found("space=vgg") == 0
    assert found(f"max_latency_ms={slowest * 0.99}") == 2
    assert found(f"min_accuracy={best}") == 1


BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({"wings": 2}, "/wings", "invalid-request", "unknown"),
    ({"device": "no-such-board"}, "/device", "unknown-name", "catalogue"),
    ({"device": "raspberry-pi-4@warp"}, "/device", "unknown-name", "setting"),
    ({"device": "dev_00000000000000000000000000"}, "/device", "unknown-name", "registered"),
    ({"device": 7}, "/device", "invalid-request", "id of a device or a device profile"),
    ({"device": {"name": "x", "kind": "cpu", "cores": -1}}, "/device/cores", "invalid-request", "greater than 0"),
    ({"device": {"kind": "cpu"}}, "/device/name", "invalid-request", "must be given"),
    ({"device": {"name": "x", "kind": "cpu", "tdp_w": 1, "idle_w": 5}}, "/device/idle_w", "invalid-profile", "tdp_w"),
    ({"task": "chess"}, "/task", "unknown-name", "task"),
    ({"spaces": ["resnet", "nowhere"]}, "/spaces/1", "unknown-name", "space"),
    ({"energy_model": "perpetual"}, "/energy_model", "unknown-name", "energy model"),
    ({"limits": {"latency_ms": 0}}, "/limits/latency_ms", "invalid-request", "at least 1e-30"),
    ({"limits": {"latency_ms": -1}}, "/limits/latency_ms", "invalid-request", "at least 1e-30"),
    ({"limits": {"model_kb": 1e300}}, "/limits/model_kb", "invalid-request", "at most"),
    ({"limits": {"min_accuracy": 93}}, "/limits/min_accuracy", "invalid-request", "at most 1"),
    ({"limits": {"risk": 0}}, "/limits/risk", "invalid-request", "at least 1e-15"),
    ({"limits": {"latency_s": 1}}, "/limits/latency_s", "invalid-request", "unknown"),
    ({"preferences": {"accuracy": 0}}, "/preferences", "invalid-request", "positive"),
    ({"preferences": {"accuracy": -1}}, "/preferences/accuracy", "invalid-request", "at least 0"),
    ({"seed": -1}, "/seed", "invalid-request", "at least 0"),
    ({"seed": 2**70}, "/seed", "invalid-request", "at most"),
    ({"spaces": ["vgg"] * 50}, "/spaces", "invalid-request", "at most 16"),
]


@pytest.mark.parametrize(("change", "pointer", "slug", "must"), BAD, ids=[f"{one[1]}-{i}" for i, one in enumerate(BAD)])
def test_a_bad_request_is_refused_and_nothing_stored(
    refusing: TestClient,
    stored: Callable[[TestClient], list[str]],
    change: dict[str, Any],
    pointer: str,
    slug: str,
    must: str,
) -> None:
    answer = refusing.post("/v1/designs", json=REQUEST | change)
    assert answer.status_code == 422
    document = answer.json()
    assert document["type"] == f"urn:bespoke:problem:{slug}"
    fault = next(fault for fault in document["errors"] if fault["pointer"] == pointer)
    assert must in fault["must"]
    assert stored(refusing) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=%00", "cursor"),
        ("sort=beauty", "sort"),
        ("max_latency_ms=nan", "max_latency_ms"),
        ("max_latency_ms=-1", "max_latency_ms"),
        ("min_accuracy=1.1", "min_accuracy"),
        ("task=a%00b", "task"),
    ],
)
def test_a_bad_query_is_refused(refusing: TestClient, query: str, parameter: str) -> None:
    answer = refusing.get(f"/v1/designs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_a_cursor_of_another_order_is_refused(client: TestClient) -> None:
    for seed in range(2):
        client.post("/v1/designs", json=REQUEST | {"seed": seed})
    cursor = client.get("/v1/designs?limit=1&sort=latency_ms").json()["next_cursor"]
    assert client.get(f"/v1/designs?limit=1&sort=latency_ms&cursor={cursor}").status_code == 200
    assert client.get(f"/v1/designs?limit=1&sort=accuracy&cursor={cursor}").status_code == 422


def test_a_space_that_nothing_on_the_device_can_run_is_refused(serve: Serve, sqlite_url: str) -> None:
    device = {"name": "Binary alone", "kind": "asic", "supported_bits": [[1, 1]]}
    answer = serve(sqlite_url).post("/v1/designs", json=REQUEST | {"device": device})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:bespoke:problem:no-usable-space"


def test_outcomes_are_counted(client: TestClient, quick: Optimize) -> None:
    client.post("/v1/designs", json=REQUEST)
    figures = client.get("/metrics").text
    assert 'bespoke_designs_total{outcome="feasible"} 1.0' in figures
    assert "bespoke_optimizer_seconds_count 1.0" in figures
    assert 'bespoke_requests_total{method="POST",route="/v1/designs",status="201"} 1.0' in figures
