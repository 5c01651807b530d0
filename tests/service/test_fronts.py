"""Fronts of stored designs: drawn when first asked for, then kept; never said to be as designed where they are not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from design.design import Genotype
from optimizer.front import draw_front
from service.context import Context
from service.designs import repository
from service.gate import Busy
from service.models import DesignRow
from tests.optimizer.asking import ask
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


def test_a_page_says_that_the_device_is_gone(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    device = client.post(f"/v1/devices/{DEVICE}/measurements", json={"measurements": rows(4)}).json()
    plain = client.post("/v1/devices", json={"name": "Mine", "kind": "cpu"}).json()
    measured, other = (
        client.post("/v1/designs", json=REQUEST | {"device": one}).json() for one in (device["device_id"], plain["id"])
    )
    addresses = {measured["links"]["page"]: device["device_id"], other["links"]["page"]: plain["id"]}
    for address, own in addresses.items():
        page = client.get(address).text
        assert f'href="/devices/{own}"' in page
        assert "deleted since" not in page
    again = client.post("/v1/designs", json=REQUEST | {"device": device["device_id"], "seed": 1}).json()
    client.delete(device["device_href"] + "?measurements=delete").raise_for_status()
    client.delete(plain["href"]).raise_for_status()
    for address, own in addresses.items():
        page = client.get(address).text
        assert f'href="/devices/{own}"' not in page
        assert "(deleted since)" in page
        assert "have changed since this design was made" not in page
    page = client.get(again["links"]["page"]).text
    assert "The device and its measurements have been deleted since this design was made" in page
    assert "Predictors or measurements have changed" not in page
    assert not client.get(again["links"]["front"]).json()["as_designed"]


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


def test_pages_do_not_wait_behind_designs(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    design = client.post("/v1/designs", json=REQUEST).json()
    context = context_of(client)
    with ExitStack() as inside:
        for _ in range(context.settings.concurrent_designs):
            inside.enter_context(context.gate.enter())
        assert "could not be drawn just now" in client.get(design["links"]["page"]).text
    assert "diamond: this design" in client.get(design["links"]["page"]).text


def test_a_front_that_cannot_be_kept_is_shown_all_the_same(
    serve: Serve, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(sqlite_url)
    design = client.post("/v1/designs", json=REQUEST).json()

    def locked(*given: object) -> None:
        raise OperationalError("UPDATE designs", {}, Exception("database is locked"))

    monkeypatch.setattr(repository, "keep_front", locked)
    front = client.get(design["links"]["front"])
    assert front.status_code == 200
    assert front.json()["as_designed"]
    assert stored_front(client, design["id"]) == []
    assert client.get(design["links"]["page"]).status_code == 200


def test_a_design_that_is_none_any_more_says_so(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    made = client.post("/v1/designs", json=REQUEST).json()
    genotype = made["design"]["genotype"]
    change(client, made["id"], design=made["design"] | {"genotype": genotype | {"values": genotype["values"][:-1]}})
    front = client.get(made["links"]["front"])
    assert front.status_code == 409
    assert front.json()["type"] == "urn:bespoke:problem:front-not-drawable"
    page = client.get(made["links"]["page"])
    assert page.status_code == 200
    assert "made by another version" in page.text


def test_the_front_is_drawn_by_the_method_of_the_request(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    asked = {"device": "raspberry-pi-4", "task": "cifar100", "limits": {"latency_ms": 20}, "method": "network"}
    made = client.post("/v1/designs", json=asked).json()
    assert made["method"] == "network"
    genotype = Genotype.model_validate(made["design"]["genotype"])
    problem = replace(ask("raspberry-pi-4", task="cifar100", latency_ms=20), method="network")
    expected = [point.model_dump(mode="json") for point in draw_front(problem, genotype).points]
    assert client.get(made["links"]["front"]).json()["points"] == expected
    assert "&#34;method&#34;: &#34;network&#34;" in client.get(made["links"]["page"]).text
    change(client, made["id"], method=None)
    assert client.get(made["links"]["self"]).json()["method"] is None
