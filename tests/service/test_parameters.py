"""Queries: a parameter that an operation does not know is refused, never passed over."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

LISTS = ("/v1/designs", "/v1/devices", "/v1/tasks", "/v1/spaces", "/v1/networks", "/v1/devices/jetson-nano/proxies")


@pytest.mark.parametrize("address", [*LISTS, "/v1/devices/jetson-nano", "/v1/devices/jetson-nano/measurements"])
def test_unknown_parameters_are_refused(refusing: TestClient, address: str) -> None:
    answer = refusing.get(f"{address}?max_latency=1&Kind=gpu")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == "urn:bespoke:problem:invalid-request"
    assert document["detail"].startswith("'max_latency' must not be given: the parameter is unknown, but got '1'.")
    assert [fault["parameter"] for fault in document["errors"]] == ["max_latency", "Kind"]


def test_the_way_out_names_those_that_are_known(refusing: TestClient) -> None:
    (fault,) = refusing.get("/v1/designs?max_latency=1").json()["errors"]
    known = fault["way_out"].removeprefix("This address takes ").removesuffix(".").split(", ")
    assert {"max_latency_ms", "device", "limit", "cursor", "sort"} <= set(known)
    (fault,) = refusing.get("/v1/devices/jetson-nano?x=1").json()["errors"]
    assert fault["way_out"] == "This address takes none."


def test_a_slip_deletes_nothing(refusing: TestClient) -> None:
    assert refusing.delete("/v1/devices/dev_x?measurement=delete").status_code == 422
    assert refusing.delete("/v1/devices/dev_x?measurements=delete").status_code == 404


def test_known_ones_pass_and_health_takes_what_balancers_send(refusing: TestClient) -> None:
    for address in ("/v1/designs?max_latency_ms=1&limit=2", "/v1/devices?kind=gpu&q=x", "/v1/health/live?probe=1"):
        assert refusing.get(address).status_code == 200, address
