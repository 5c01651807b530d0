from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from design.devices.catalogue import find_device
from design.spaces.nasbench201_text import cell_text
from service.context import Context, Optimize
from service.measurements.schemas import EXAMPLE_REQUEST, EXAMPLE_TABLE
from service.models import DeviceRow
from tests.service.measurements.measuring import CSV, DEVICE, rows, table

Serve = Callable[..., TestClient]
PROFILE = {"name": "My board", "kind": "cpu", "cores": 4, "clock_ghz": 1.5, "simd_bits": 128}


@pytest.fixture
def own(client: TestClient) -> str:
    return str(client.post("/v1/devices", json=PROFILE).json()["href"])


def post(client: TestClient, device: str, made: list[dict[str, Any]], **more: Any) -> Any:
    return client.post(f"{device}/measurements", json={"measurements": made}, **more)


def every(client: TestClient, device: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = f"{device}/measurements?limit=7"
    while following:
        page = client.get(following).json()
        found += page["items"]
        following = page["next"]
    return found


def predicted(client: TestClient, device: str, network: str = "resnet20") -> Any:
    device_id = device.removeprefix("/v1/devices/")
    answer = client.post("/v1/predictions", json={"network": network, "devices": [device_id]})
    return answer.json()["items"][0]


def test_rows_are_stored_as_they_came_and_judged(client: TestClient, own: str) -> None:
    made = rows(10, energy=True)
    made[0]["note"], made[1]["measured_at"] = "warm", "2026-11-25T10:00:00+02:00"
    answer = post(client, own, made)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{own}/measurements"
    document = answer.json()
    assert (document["stored"], document["device_created"], document["device_href"]) == (10, False, own)
    kept = every(client, own)[::-1]
    assert kept == document["items"]
    for sent, item in zip(made, kept, strict=True):
        assert (item["latency_ms"], item["energy_mj"]) == (sent["latency_ms"], sent["energy_mj"])
        assert item["genotype"]["space"] == "nasbench201"
        assert [verdict["figure"] for verdict in item["verdicts"]] == ["latency_ms", "energy_mj"]
    assert (kept[0]["note"], kept[1]["measured_at"]) == ("warm", "2026-11-25T08:00:00Z")
    assert client.get(own).json()["measurements"] == 10


def test_published_cells_are_the_members_that_they_name(client: TestClient, own: str) -> None:
    made = rows(3)
    for row in made:
        row["design"]["values"][6:] = [0] * 6
    sent = b"genotype,task,latency_ms\n" + b"".join(
        f"{cell_text(row['design']['values'][:6])},cifar10,{row['latency_ms']}\n".encode() for row in made
    )
    published = client.post(f"{own}/measurements", content=sent, headers=CSV).json()
    assert [item["genotype"] for item in published["items"]] == [row["design"] for row in made]
    digest = published["adaptation"]["digest"]
    other = str(client.post("/v1/devices", json=PROFILE).json()["href"])
    assert post(client, other, made).json()["adaptation"]["digest"] == digest


def test_predictions_come_nearer_and_say_what_they_rest_on(client: TestClient, own: str) -> None:
    before = predicted(client, own)
    document = post(client, own, rows(12, energy=True)).json()["adaptation"]
    for figure in ("latency", "energy"):
        assert document[figure]["after"]["median_error"] < 0.5 * document[figure]["before"]["median_error"]
    after = predicted(client, own)
    assert before["measurements"] is None
    assert after["measurements"] == {"count": 12, "digest": document["digest"]}
    assert "12 measurements" in after["prediction"]["sources"]["latency"]
    spans = [one["prediction"]["latency_ms"]["interval"] for one in (before, after)]
    assert spans[1]["high"] / spans[1]["low"] < spans[0]["high"] / spans[0]["low"]


def test_a_catalogue_device_gets_a_copy_and_stays_as_it_is(client: TestClient) -> None:
    before = predicted(client, f"/v1/devices/{DEVICE}")
    answer = post(client, "/v1/devices/raspberry-pi-4", rows(5))
    document = answer.json()
    assert document["device_created"] is True
    assert answer.headers["location"] == document["device_href"]
    copy = client.get(document["device_href"]).json()
    assert (copy["source"], copy["origin"], copy["measurements"]) == ("own", DEVICE, 5)
    assert copy["profile"] == find_device(DEVICE).model_dump(mode="json")
    assert every(client, "/v1/devices/raspberry-pi-4") == []
    assert predicted(client, f"/v1/devices/{DEVICE}") == before
    assert predicted(client, document["device_href"])["prediction"] != before["prediction"]


def test_a_setting_of_a_catalogue_device(client: TestClient) -> None:
    document = client.get("/v1/devices/gtx-1080-ti").json()
    setting = next(name for name in document["settings"] if name != "default")
    made = post(client, f"/v1/devices/gtx-1080-ti@{setting}", rows(3)).json()
    copy = client.get(made["device_href"]).json()
    assert copy["origin"] == f"gtx-1080-ti@{setting}"
    assert copy["profile"] == find_device(f"gtx-1080-ti@{setting}").model_dump(mode="json")


def test_a_table_and_json_say_the_same(client: TestClient) -> None:
    made = rows(30, energy=True)
    by_json = post(client, f"/v1/devices/{DEVICE}", made).json()
    by_table = client.post(f"/v1/devices/{DEVICE}/measurements", content=table(made), headers=CSV).json()
    assert by_table["adaptation"] == by_json["adaptation"]
    assert by_table["next"] == by_json["next"]
    assert [item["verdicts"] for item in by_table["items"]] == [item["verdicts"] for item in by_json["items"]]


def test_the_examples_of_the_description_work(client: TestClient, own: str) -> None:
    assert client.post(f"{own}/measurements", json=EXAMPLE_REQUEST).status_code == 201
    assert client.post(f"{own}/measurements", content=EXAMPLE_TABLE, headers=CSV).status_code == 201


def test_a_stored_design_and_a_design_of_ones_own_can_be_measured(client: TestClient, own: str) -> None:
    design = client.post("/v1/designs", json={"device": DEVICE, "task": "cifar10"}).json()
    inline = client.get(design["links"]["self"]).json()["design"] | {"genotype": None}
    answer = post(
        client,
        own,
        [{"design_id": design["id"], "latency_ms": 3}, {"design": inline, "task": "cifar10", "latency_ms": 3}],
    )
    assert answer.status_code == 201, answer.text
    one, other = answer.json()["items"]
    assert one["genotype"] == design["design"]["genotype"]
    assert other["genotype"] is None
    assert client.delete(design["links"]["self"]).status_code == 204
    assert len(every(client, own)) == 2
    assert predicted(client, own)["measurements"]["count"] == 2


def test_order_and_pieces_do_not_matter(client: TestClient) -> None:
    made = rows(9)
    whole = post(client, f"/v1/devices/{DEVICE}", made).json()
    parts = post(client, f"/v1/devices/{DEVICE}", made[5:]).json()
    last = post(client, parts["device_href"], made[:5]).json()
    assert last["adaptation"] == whole["adaptation"]
    assert predicted(client, last["device_href"])["prediction"] == predicted(client, whole["device_href"])["prediction"]


def test_a_deleted_measurement_no_longer_counts(client: TestClient, own: str) -> None:
    first = post(client, own, rows(6)).json()
    before = predicted(client, own)
    more = post(client, own, rows(1, factor=2.2, seed=9)).json()
    assert predicted(client, own) != before
    address = f"{own}/measurements/{more['items'][0]['id']}"
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == 404
    assert predicted(client, own) == before
    for item in first["items"]:
        assert client.delete(f"{own}/measurements/{item['id']}").status_code == 204
    assert predicted(client, own)["measurements"] is None
    assert client.get(own).json()["measurements"] == 0


def test_a_device_with_measurements_is_deleted_only_with_them(client: TestClient, own: str) -> None:
    post(client, own, rows(2))
    answer = client.delete(own)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:bespoke:problem:device-has-measurements"
    assert "2 measurements" in answer.json()["detail"]
    assert len(every(client, own)) == 2
    assert client.delete(f"{own}?measurements=delete").status_code == 204
    assert client.get(own).status_code == client.get(f"{own}/measurements").status_code == 404


def test_the_database_itself_keeps_measurements(client: TestClient, own: str) -> None:
    post(client, own, rows(2))
    assert isinstance(client.app, FastAPI)
    context: Context = client.app.state.context
    with pytest.raises(IntegrityError), context.database.writing() as session:
        session.execute(delete(DeviceRow))
    assert len(every(client, own)) == 2


def test_the_same_key_stores_once(client: TestClient, own: str) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = post(client, own, rows(3), headers=key), post(client, own, rows(3), headers=key)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert post(client, own, rows(4), headers=key).status_code == 422
    assert len(every(client, own)) == 3


def test_replicas_and_a_restart_predict_the_same(serve: Serve, database_url: str, quick: Optimize) -> None:
    one, other = serve(database_url, quick), serve(database_url, quick)
    device = str(post(one, f"/v1/devices/{DEVICE}", rows(8, energy=True)).json()["device_href"])
    first = predicted(one, device)
    assert predicted(other, device) == first
    assert every(other, device) == every(one, device)
    post(other, device, rows(2, seed=5))
    assert predicted(one, device) == predicted(other, device) != first
    assert predicted(serve(database_url, quick), device) == predicted(one, device)


def test_many_at_once_lose_nothing(client: TestClient, own: str) -> None:
    statuses: list[int] = []

    def store(seed: int) -> None:
        statuses.append(post(client, own, rows(2, seed=seed)).status_code)

    threads = [threading.Thread(target=store, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 6
    kept = every(client, own)
    assert len(kept) == client.get(own).json()["measurements"] == predicted(client, own)["measurements"]["count"] == 12
    assert all(item["verdicts"] for item in kept)


def test_what_to_measure_next(client: TestClient, own: str) -> None:
    address = f"{own}/measurements/suggestions"
    found = client.get(f"{address}?space=nasbench201&count=4").json()
    assert found["count"] == 0
    spreads = [one["spread_before"] for one in found["items"]] + [found["items"][-1]["spread_after"]]
    assert spreads == sorted(spreads, reverse=True)
    assert all(one["genotype"]["space"] == "nasbench201" for one in found["items"])
    first = found["items"][0]
    post(client, own, [{"design": first["genotype"], "latency_ms": 20}])
    again = client.get(f"{address}?space=nasbench201&count=20").json()
    assert first["genotype"] not in [one["genotype"] for one in again["items"]]
    assert again["items"][0]["spread_before"] < first["spread_before"]
    assert client.get(f"/v1/devices/{DEVICE}/measurements/suggestions").json()["items"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("task=chess", "task"), ("space=nowhere", "space"), ("count=0", "count"), ("count=21", "count")],
)
def test_odd_questions_are_refused(refusing: TestClient, query: str, parameter: str) -> None:
    answer = refusing.get(f"/v1/devices/{DEVICE}/measurements/suggestions?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter
