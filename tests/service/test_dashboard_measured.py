"""Measurements and proxies on a device's page, as a browser without scripts gets and sends them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.context import Optimize
from tests.service.measurements.measuring import DEVICE, rows

PAGE = f"/devices/{DEVICE}"
OURS = {"Origin": "http://127.0.0.1"}
TABLE = b"network,task,latency_ms,note\r\nresnet20,cifar10,4.4,caf\xc3\xa9\r\nmobilenet_v2,cifar10,19.8,\r\n"


@pytest.fixture
def pages(serve: Callable[..., TestClient], sqlite_url: str, quick: Optimize) -> TestClient:
    return serve(sqlite_url, quick)


def send(client: TestClient, page: str = PAGE, headers: dict[str, str] = OURS, **form: Any) -> Any:
    files = {name: (None if name == "rows" else "mine.csv", content) for name, content in form.items()}
    return client.post(f"{page}/measurements", files=files, headers=headers, follow_redirects=False)


def test_a_page_without_measurements_says_how_to_add_some(pages: TestClient) -> None:
    text = pages.get(PAGE).text
    assert "None yet" in text
    assert 'enctype="multipart/form-data"' in text
    assert "Measure next" in text
    assert "into a copy of this device" in text
    assert len(re.findall(r"<td><span[^>]*>(?:adapt|reuse|no)</span>", text)) == 5


@pytest.mark.parametrize("form", [{"table": TABLE, "rows": b""}, {"table": b"", "rows": TABLE}])
def test_a_table_is_stored_and_the_copy_shown(pages: TestClient, form: dict[str, bytes]) -> None:
    answer = send(pages, table=form["table"], rows=form["rows"])
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].endswith("#measurements")
    page = answer.headers["location"].removesuffix("#measurements")
    text = pages.get(page).text
    assert "2 measurements stored. Of the figures in them: 2 used." in text
    assert "café" in text
    assert f"A copy of {DEVICE}" in text
    assert send(pages, page, table=TABLE).headers["location"] == answer.headers["location"]
    assert "4 measurements" in pages.get(page).text
    items = pages.get(f"/v1{page}/measurements").json()["items"]
    assert [item["name"] for item in items] == ["mobilenet_v2", "resnet20"] * 2


def test_verdicts_and_errors_are_shown(pages: TestClient) -> None:
    made = rows(14)
    made[0]["latency_ms"] *= 1000
    made[1]["note"] = "<script>x</script>"
    device = pages.post(f"/v1{PAGE}/measurements", json={"measurements": made}).json()["device_id"]
    text = pages.get(f"/devices/{device}").text
    assert "set aside</span>: about 1,000x above" in text
    assert "13 used, 1 set aside" in text
    assert "Median error before" in text
    assert "<script>x" not in text
    design = pages.post("/v1/designs", json={"device": device, "task": "cifar10"}).json()
    page = pages.get(f"/designs/{design['id']}").text
    assert "adapted to 14 measurements of the device" in page
    assert design["measurements"]["digest"][:16] in page
    plain = pages.post("/v1/designs", json={"device": DEVICE, "task": "cifar10"}).json()
    assert "predicted from the device profile alone" in pages.get(f"/designs/{plain['id']}").text


def test_a_bad_table_is_said_by_row_and_column_and_not_stored(
    pages: TestClient, stored: Callable[[TestClient], list[str]]
) -> None:
    answer = send(pages, table=b"network,latency_ms\nresnet20,fast\n")
    assert answer.status_code == 422
    assert "Row 2, column latency_ms must be a number" in answer.text
    assert send(pages, table=b"").status_code == 422
    assert send(pages, "/devices/nope", table=TABLE).status_code == 404
    assert pages.post(f"{PAGE}/measurements", headers=OURS).status_code == 422
    assert stored(pages) == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, OURS | {"Sec-Fetch-Site": "same-site"}],
)
def test_forms_of_other_sites_are_refused(
    pages: TestClient, stored: Callable[[TestClient], list[str]], headers: dict[str, str]
) -> None:
    answer = send(pages, headers=headers, table=TABLE)
    assert answer.status_code == 403
    assert answer.json()["type"] in ("urn:bespoke:problem:foreign-form", "urn:bespoke:problem:foreign-page")
    assert stored(pages) == []
