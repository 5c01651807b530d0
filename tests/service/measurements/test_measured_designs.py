from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from tests.service.measurements.measuring import DEVICE, rows

Serve = Callable[..., TestClient]
REQUEST: dict[str, Any] = {"task": "cifar10", "spaces": ["resnet"], "limits": {"latency_ms": 5}}


def test_designs_rest_on_the_measurements_of_their_device(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    made = client.post(
        f"/v1/devices/{DEVICE}/measurements", json={"measurements": rows(20, space="resnet", factor=3.0)}
    ).json()
    device = made["device_id"]
    plain = client.post("/v1/designs", json=REQUEST | {"device": DEVICE}).json()
    own = client.post("/v1/designs", json=REQUEST | {"device": device})
    assert own.status_code == 201, own.text
    document = own.json()
    assert plain["measurements"] is None
    assert document["measurements"] == {"count": 20, "digest": made["adaptation"]["digest"]}
    assert "20 measurements" in document["versions"]["predictors"]["latency"]
    assert document["prediction"]["latency_ms"]["at_risk"] <= 5
    assert document["digest"] != plain["digest"]
    again = client.post("/v1/designs", json=REQUEST | {"device": device}).json()
    assert again["prediction"] == document["prediction"]
    assert again["digest"] == document["digest"]
    question = {"design_id": document["id"], "devices": [device], "layers": True}
    predicted = client.post("/v1/predictions", json=question).json()["items"][0]
    assert predicted["prediction"]["latency_ms"]["value"] == document["prediction"]["latency_ms"]["value"]
    assert predicted["measurements"] == document["measurements"]


def test_a_stored_design_keeps_what_it_rested_on(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    device = client.post(f"/v1/devices/{DEVICE}/measurements", json={"measurements": rows(4)}).json()
    request = REQUEST | {"device": device["device_id"], "limits": {}}
    first = client.post("/v1/designs", json=request).json()
    client.post(device["device_href"] + "/measurements", json={"measurements": rows(3, seed=4)}).raise_for_status()
    second = client.post("/v1/designs", json=request).json()
    assert second["measurements"]["count"] == 7
    assert client.get(first["links"]["self"]).json() == first
    assert first["measurements"]["count"] == 4
    assert client.delete(device["device_href"] + "?measurements=delete").status_code == 204
    assert client.get(second["links"]["self"]).json() == second


def test_energies_are_adapted_under_the_energy_model_asked_for(client: TestClient) -> None:
    made = rows(10, energy=True)
    device = client.post(f"/v1/devices/{DEVICE}/measurements", json={"measurements": made}).json()["device_id"]
    question = {"design": made[0]["design"], "devices": [device, DEVICE], "energy_model": "bit_dependent"}
    own, plain = client.post("/v1/predictions", json=question).json()["items"]
    measured = made[0]["energy_mj"]
    errors = [abs(one["prediction"]["energy_mj"]["value"] / measured - 1) for one in (own, plain)]
    assert errors[0] < 0.2
    assert errors[0] < errors[1]
