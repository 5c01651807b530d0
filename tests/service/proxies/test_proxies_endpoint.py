from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from design.devices.catalogue import catalogue, find_device
from predictors.proxies import MEASURED_SPACE, proxies
from service.context import Optimize
from tests.service.measurements.measuring import DEVICE, rows

Serve = Callable[..., TestClient]
PATH = f"/v1/devices/{DEVICE}/proxies"


@pytest.fixture
def client(serve: Serve, sqlite_url: str, quick: Optimize) -> TestClient:
    return serve(sqlite_url, quick)


def every(client: TestClient, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = address
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        following = answer.json()["next"]
    return found


def test_every_known_device_is_compared_and_the_best_comes_first(client: TestClient) -> None:
    found = every(client, f"{PATH}?limit=40")
    assert {one["id"].partition("@")[0] for one in found} == set(catalogue()) - {DEVICE}
    expected = proxies(find_device(DEVICE))
    assert [one["id"] for one in found] == [one.id for one in expected]
    assert [one["explanation"] for one in found] == [one.explanation for one in expected]
    first = found[0]
    assert first["front_reusable"] == (first["verdict"] == "reuse")
    assert all(space["limit"] is None for space in first["spaces"])
    for one in found:
        for space in one["spaces"]:
            assert space["rank"]["low"] <= space["rank"]["rho"] <= space["rank"]["high"]
    assert client.get(first["href"]).status_code == 200


def test_lists_can_be_narrowed(client: TestClient) -> None:
    everything = every(client, f"{PATH}?limit=200")
    gpus = every(client, f"{PATH}?kind=gpu&limit=7")
    assert [one["id"] for one in gpus] == [one["id"] for one in everything if one["kind"] == "gpu"]
    unlike = every(client, f"{PATH}?verdict=no&limit=200")
    assert [one["id"] for one in unlike] == [one["id"] for one in everything if one["verdict"] == "no"]
    assert [one["id"] for one in every(client, f"{PATH}?q=UNO")] == [
        one["id"] for one in everything if "uno" in (one["id"] + one["name"]).lower()
    ]
    assert every(client, f"{PATH}?source=own") == []


def test_a_limit_is_said_in_milliseconds_of_the_proxy(client: TestClient) -> None:
    tight, loose = (every(client, f"{PATH}?limit_ms={limit}&limit=3")[0] for limit in (10, 30))
    for before, after in zip(tight["spaces"], loose["spaces"], strict=True):
        assert before["limit"]["proxy_ms"] < after["limit"]["proxy_ms"]
        assert before["limit"]["agreement"] > 0.9


def test_own_devices_are_compared_by_what_was_measured_on_both(client: TestClient) -> None:
    made = rows(30)
    one, other = (
        client.post(f"/v1/devices/{device}/measurements", json={"measurements": made}).json()["device_id"]
        for device in (DEVICE, "raspberry-pi-5")
    )
    plain = client.post("/v1/devices", json={"name": "Mine", "kind": "cpu"}).json()["id"]
    found = {proxy["id"]: proxy for proxy in every(client, f"/v1/devices/{one}/proxies?source=own")}
    assert set(found) == {other, plain}
    space = next(space for space in found[other]["spaces"] if space["space"] == MEASURED_SPACE)
    assert (space["basis"], space["rank"]["designs"], space["rank"]["rho"]) == ("measured", 30, 1.0)
    assert found[other]["verdict"] == "reuse"
    assert "Measured rank correlation" in found[other]["explanation"]
    assert all(space["basis"] == "predicted" for space in found[plain]["spaces"])
    assert DEVICE in {proxy["id"] for proxy in every(client, f"/v1/devices/{plain}/proxies?q=raspberry")}


def test_too_few_networks_in_common_leave_predictions_in_place(client: TestClient) -> None:
    devices = [
        client.post(f"/v1/devices/{device}/measurements", json={"measurements": rows(5)}).json()["device_id"]
        for device in (DEVICE, "raspberry-pi-5")
    ]
    (found,) = every(client, f"/v1/devices/{devices[0]}/proxies?source=own")
    assert {space["basis"] for space in found["spaces"]} == {"predicted"}


def test_published_tables_count_where_there_are_any(
    serve: Serve, sqlite_url: str, quick: Optimize, tmp_path: Path
) -> None:
    names = [(device.id, row) for device in catalogue().values() for row in device.tables.get("nb201", {})][:2]
    latency = np.random.default_rng(0).uniform(1, 9, size=(2, 40))
    np.savez(tmp_path / "nb201.npz", devices=np.array([row for _, row in names]), latency_ms=latency)
    client = serve(sqlite_url, quick, tables_folder=tmp_path)
    found = every(client, f"/v1/devices/{names[0][0]}/proxies?limit=200")
    measured = [one["id"] for one in found if any(space["basis"] == "measured" for space in one["spaces"])]
    addresses = {address.partition("@")[0] for address in measured}
    assert addresses <= {names[1][0], names[0][0]}


@pytest.mark.parametrize(
    "query", ["limit_ms=0", "limit_ms=nan", "verdict=maybe", "kind=toaster", "cursor=x", "limit=0"]
)
def test_odd_questions_are_refused(refusing: TestClient, query: str) -> None:
    assert refusing.get(f"{PATH}?{query}").status_code == 422


def test_unknown_devices_have_no_proxies(refusing: TestClient) -> None:
    for name in ("nope", "dev_0", "raspberry-pi-4@warp", "a%00b"):
        assert refusing.get(f"/v1/devices/{name}/proxies").status_code == 404
