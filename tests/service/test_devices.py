from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient

from design.devices.catalogue import catalogue

Serve = Callable[..., TestClient]
PROFILE = {"name": "My board", "kind": "cpu", "cores": 4, "clock_ghz": 1.5, "simd_bits": 128}


def all_pages(client: TestClient, address: str) -> list[str]:
    """Ids of a whole list, page by page."""
    found: list[str] = []
    following: str | None = address
    while following:
        page = client.get(following).json()
        found += [item["id"] for item in page["items"]]
        following = page["next"]
    return found


def test_a_registered_device_is_stored_whole(client: TestClient) -> None:
    answer = client.post("/v1/devices", json=PROFILE)
    assert answer.status_code == 201
    document = answer.json()
    assert answer.headers["location"] == f"/v1/devices/{document['id']}"
    assert client.get(answer.headers["location"]).json() == document
    assert document["source"] == "own"
    assert {name: document["profile"][name] for name in PROFILE} == PROFILE
    assert document["created_at"].endswith("Z")


def test_a_device_of_the_catalogue_names_its_sources(client: TestClient) -> None:
    document = client.get("/v1/devices/raspberry-pi-4").json()
    assert document["source"] == "catalogue"
    assert document["figures"]["cores"]["value"] == 4
    assert all(fact["source"] or fact["derived"] for fact in document["figures"].values())
    assert "default" in document["settings"]


def test_own_devices_come_first_then_the_whole_catalogue(client: TestClient) -> None:
    own = [client.post("/v1/devices", json=PROFILE).json()["id"] for _ in range(3)]
    assert all_pages(client, "/v1/devices?limit=2") == own[::-1] + list(catalogue())


def test_a_device_added_between_pages_moves_nothing(client: TestClient) -> None:
    own = [client.post("/v1/devices", json=PROFILE).json()["id"] for _ in range(3)]
    first = client.get("/v1/devices?limit=2&source=own").json()
    client.post("/v1/devices", json=PROFILE)
    second = client.get(first["next"]).json()
    assert [item["id"] for page in (first, second) for item in page["items"]] == own[::-1]


def test_lists_can_be_narrowed(client: TestClient) -> None:
    own = client.post("/v1/devices", json=PROFILE | {"name": "Straße 100%"}).json()["id"]
    assert all_pages(client, "/v1/devices?source=own") == [own]
    assert own not in all_pages(client, "/v1/devices?kind=gpu")
    assert {catalogue()[name].kind.value for name in all_pages(client, "/v1/devices?kind=mcu")} == {"mcu"}
    assert all_pages(client, "/v1/devices?q=100%25") == [own]
    assert "raspberry-pi-4" in all_pages(client, "/v1/devices?q=RASPBERRY")
    assert all_pages(client, "/v1/devices?q=no-such-thing") == []


@pytest.mark.parametrize("name", ["Über Board", "ΣΊΣΥΦΟΣ", "İstanbul", "100%_/\\ Straße", "机器 7"])
def test_devices_are_found_by_their_own_names(client: TestClient, name: str) -> None:
    own = client.post("/v1/devices", json=PROFILE | {"name": name}).json()["id"]
    client.post("/v1/devices", json=PROFILE)
    made = client.post("/v1/designs", json={"device": own, "task": "cifar10"}).json()["id"]
    for text in (name, name[:3], name[2:]):
        for address, key, wanted in (
            ("/v1/devices?source=own", "q", own),
            ("/v1/designs?sort=created_at", "device", made),
        ):
            found = client.get(address, params=httpx.URL(address).params.merge({key: text})).json()["items"]
            assert [item["id"] for item in found] == [wanted], (text, address)


@pytest.mark.parametrize(("name", "text"), [("Über Board", "über"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Straße", "STRASSE")])
def test_the_embedded_database_knows_the_case_of_every_letter(
    serve: Serve, sqlite_url: str, name: str, text: str
) -> None:
    client = serve(sqlite_url)
    own = client.post("/v1/devices", json=PROFILE | {"name": name}).json()["id"]
    assert [one["id"] for one in client.get("/v1/devices", params={"q": text}).json()["items"]] == [own]


@pytest.mark.parametrize("text", ["%", "_", "/", "a%d"])
def test_signs_of_patterns_are_letters_like_others(client: TestClient, text: str) -> None:
    client.post("/v1/devices", json=PROFILE)
    assert client.get("/v1/devices", params={"q": text, "source": "own"}).json()["items"] == []


def test_an_own_device_can_be_deleted_once(client: TestClient) -> None:
    address = client.post("/v1/devices", json=PROFILE).headers["location"]
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.delete(address).status_code == 404


def test_ids_that_a_database_could_stumble_over_are_not_found(client: TestClient) -> None:
    for address in ("/v1/devices/a%00b", "/v1/designs/a%00b", "/v1/designs/a%00b/front"):
        assert client.get(address).status_code == 404


def test_the_catalogue_cannot_be_deleted(client: TestClient) -> None:
    answer = client.delete("/v1/devices/raspberry-pi-4")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:bespoke:problem:catalogue-device"
    assert client.get("/v1/devices/raspberry-pi-4").status_code == 200


@pytest.mark.parametrize("name", ["nope", "dev_0", "a%00b", "%F0%9F%98%80", "x" * 500, "..%2F..%2Fetc%2Fpasswd"])
def test_what_is_not_there_is_not_found(refusing: TestClient, name: str) -> None:
    for answer in (refusing.get(f"/v1/devices/{name}"), refusing.delete(f"/v1/devices/{name}")):
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:bespoke:problem:not-found"


BAD: list[tuple[str, str, str]] = [
    ('{"name": "x", "kind": "cpu", "wings": 2}', "/wings", "unknown"),
    ('{"kind": "cpu"}', "/name", "must be given"),
    ('{"name": "", "kind": "cpu"}', "/name", "at least 1"),
    ('{"name": "x", "kind": "toaster"}', "/kind", "one of"),
    ('{"name": "x", "kind": "cpu", "clock_ghz": NaN}', "/clock_ghz", "finite"),
    ('{"name": "x", "kind": "cpu", "clock_ghz": Infinity}', "/clock_ghz", "finite"),
    ('{"name": "x", "kind": "cpu", "clock_ghz": 1e400}', "/clock_ghz", "finite"),
    ('{"name": "x", "kind": "cpu", "ram_kb": -5}', "/ram_kb", "at least 1e-30"),
    ('{"name": "x", "kind": "cpu", "ram_kb": 1e300}', "/ram_kb", "at most"),
    ('{"name": "x", "kind": "cpu", "cores": 1.5}', "/cores", "whole number"),
    ('{"name": "x", "kind": "cpu", "cores": {"a": 1}}', "/cores", "whole number"),
    ('{"name": "x", "kind": "cpu", "peak_gmacs": {"fp64": 3}}', "/peak_gmacs/fp64", "unknown"),
    ('{"name": "x", "kind": "cpu", "peak_gmacs": {"fp32": -1}}', "/peak_gmacs/fp32", "at least 1e-30"),
    ('{"name": "x", "kind": "cpu", "supported_bits": [[8, 8], [3, 8]]}', "/supported_bits/1/0", "one of"),
    ('{"name": "a\\u0000b", "kind": "cpu"}', "/name", "printable"),
    ('{"name": "\\ud800", "kind": "cpu"}', "/name", "Unicode"),
    ('{"name": "x", "kind": "cpu", "a/b~c": 1}', "/a~1b~0c", "unknown"),
    (
        '{"name": "x", "kind": "cpu", "cores": 1, "clock_ghz": 1, "simd_bits": 128, "peak_gmacs": {"fp32": 1e6}}',
        "/peak_gmacs/fp32",
        "cores x clock x lanes",
    ),
    ('{"name": "x", "kind": "cpu", "tdp_w": 1, "idle_w": 2}', "/idle_w", "at most tdp_w"),
    ("[]", "", "an object"),
    ('"x"', "", "an object"),
    ("", "", "must be given"),
]


@pytest.mark.parametrize(("body", "pointer", "must"), BAD, ids=[pointer or body or "empty" for body, pointer, _ in BAD])
def test_a_bad_profile_is_refused_and_nothing_stored(
    refusing: TestClient, stored: Callable[[TestClient], list[str]], body: str, pointer: str, must: str
) -> None:
    answer = refusing.post("/v1/devices", content=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    fault = next(fault for fault in document["errors"] if fault["pointer"] == pointer)
    assert must in fault["must"]
    assert fault["got"]
    assert document["status"] == 422
    assert document["request_id"] == answer.headers["x-request-id"]
    assert "pydantic" not in answer.text
    assert stored(refusing) == []


def test_a_contradiction_has_a_type_of_its_own(refusing: TestClient) -> None:
    answer = refusing.post("/v1/devices", json=PROFILE | {"peak_gmacs": {"fp32": 1e9}})
    assert answer.json()["type"] == "urn:bespoke:problem:invalid-profile"


def test_huge_input_is_not_echoed(refusing: TestClient) -> None:
    answer = refusing.post("/v1/devices", json=PROFILE | {"name": "x" * 100_000, "isa": ["y" * 100_000] * 5})
    assert answer.status_code == 422
    assert len(answer.content) < 3_000
