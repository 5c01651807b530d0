"""Fronts of stored designs: drawn when first asked for, then kept; never said to be as designed where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.context import Context
from service.designs import repository
from service.gate import Busy
from service.models import DesignRow
from tests.service.measurements.measuring import DEVICE, rows
from tests.service.test_designs import REQUEST

Serve = Callable[..., TestClient]


def context_of(client: TestClient) -> Context:
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    return context


def stored_front(client: TestClient, design_id: str) -> list[Any]:
    """As it is in the database."""
    with context_of(client).database.reading() as session:
        row = repository.find(session, design_id)
        assert row is not None
        return list(row.front)


def change(client: TestClient, design_id: str, **values: Any) -> None:
    with context_of(client).database.writing() as session:
        session.execute(update(DesignRow).where(DesignRow.id == design_id).values(**values))


def test_a_front_is_drawn_when_first_asked_for_and_then_kept(serve: Serve, database_url: str) -> None:
    client = serve(database_url)
    design = client.post("/v1/designs", json=REQUEST).json()
    assert stored_front(client, design["id"]) == []
    first = client.get(design["links"]["front"]).json()
    assert first["as_designed"]
    assert first["predictors"] == design["versions"]["predictors"]
    assert first["measurements"] is None
    assert stored_front(client, design["id"]) == first["points"]
    (chosen,) = (point for point in first["points"] if point["chosen"])
    assert chosen["latency_ms"] == pytest.approx(design["prediction"]["latency_ms"]["value"])
    assert chosen["genotype"] == design["design"]["genotype"]
    change(client, design["id"], front=first["points"][:1])
    assert client.get(design["links"]["front"]).json()["points"] == first["points"][:1], "what is stored is shown"


def test_a_front_of_other_predictors_says_so_and_is_not_kept(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    design = client.post("/v1/designs", json=REQUEST).json()
    own = design["versions"]["predictors"] | {"latency": "universal-latency 0"}
    change(client, design["id"], versions=design["versions"] | {"predictors": own})
    front = client.get(design["links"]["front"]).json()
    assert not front["as_designed"]
    assert front["predictors"] == design["versions"]["predictors"]
    assert stored_front(client, design["id"]) == []
    page = client.get(design["links"]["page"]).text
    assert "have changed since this design was made" in page


def test_a_front_rests_on_the_measurements_of_its_device(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    before = client.post("/v1/designs", json=REQUEST | {"device": DEVICE}).json()
    device = client.post(f"/v1/devices/{DEVICE}/measurements", json={"measurements": rows(4)}).json()
    request = REQUEST | {"device": device["device_id"]}
    measured, second = (client.post("/v1/designs", json=request | {"seed": seed}).json() for seed in (0, 1))
    old, new = (client.get(one["links"]["front"]).json() for one in (before, measured))
    assert old["as_designed"]
    assert old["measurements"] is None
    assert new["as_designed"]
    assert new["measurements"] == measured["measurements"]
    assert new["measurements"]["count"] == 4
    client.post(device["device_href"] + "/measurements", json={"measurements": rows(3, seed=4)}).raise_for_status()
    later = client.get(second["links"]["front"]).json()
    assert later["measurements"]["count"] == 7
    assert not later["as_designed"]
    assert client.get(measured["links"]["front"]).json() == new, "what was drawn stays"


def test_a_page_without_its_front_is_still_a_page(
    serve: Serve, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(sqlite_url)
    design = client.post("/v1/designs", json=REQUEST).json()

    def busy(*given: object) -> None:
        raise Busy

    monkeypatch.setattr("service.designs.fronts.draw_front", busy)
    page = client.get(design["links"]["page"])
    assert page.status_code == 200
    assert "could not be drawn just now" in page.text
    assert client.get(design["links"]["front"]).status_code == 503
    monkeypatch.undo()
    assert "diamond: this design" in client.get(design["links"]["page"]).text
