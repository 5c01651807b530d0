"""Rows stored when bounds were wider: lists and pages show them as they are."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.models import DesignRow, DeviceRow

DESIGN = {"device": "raspberry-pi-4", "task": "cifar10"}


@pytest.fixture
def earlier(client: TestClient) -> tuple[str, str]:
    """Ids of a device and a design with figures that are refused by now."""
    device = client.post("/v1/devices", json={"name": "Old board", "kind": "cpu"}).raise_for_status().json()["id"]
    design = client.post("/v1/designs", json=DESIGN).raise_for_status().json()["id"]
    app: Any = client.app
    with app.state.context.database.writing() as session:
        board = session.scalars(select(DeviceRow).where(DeviceRow.id == device)).one()
        board.profile = board.profile | {"clock_ghz": 1e-304}
        made = session.scalars(select(DesignRow).where(DesignRow.id == design)).one()
        made.limits = made.limits | {"risk": 1e-20}
    return device, design


def test_lists_and_pages_show_what_was_stored(client: TestClient, earlier: tuple[str, str]) -> None:
    device, design = earlier
    assert "1e-304 GHz" in client.get("/devices").text
    assert design in client.get("/").text
    assert "1e-20" in client.get(f"/designs/{design}").text
    (row,) = client.get("/v1/designs").raise_for_status().json()["items"]
    assert (row["id"], row["limits"]["risk"]) == (design, 1e-20)
    assert client.get(f"/v1/designs/{design}").raise_for_status().json()["limits"]["risk"] == 1e-20
    listed = client.get("/v1/devices", params={"source": "own"}).json()["items"]
    assert [one["id"] for one in listed] == [device]
    assert client.delete(f"/v1/devices/{device}").status_code == 204


def test_a_limit_of_today_is_stored_as_it_was_asked(client: TestClient) -> None:
    limits = {"latency_ms": 1e12, "risk": 1e-6}
    made = client.post("/v1/designs", json=DESIGN | {"limits": limits}).raise_for_status().json()
    assert (made["limits"]["latency_ms"], made["limits"]["risk"]) == (1e12, 1e-6)
