"""Bad measurements: refused whole with the place named, or kept and not believed; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.context import Optimize
from service.measurements.schemas import MOST_ROWS
from tests.service.measurements.measuring import CSV, DEVICE, rows, table

PATH = f"/v1/devices/{DEVICE}/measurements"
Serve = Callable[..., TestClient]
FINE = {"network": "resnet20", "latency_ms": 4}

BAD_JSON: list[tuple[Any, str, str]] = [
    ([], "/measurements", "at least 1"),
    ([FINE, {"network": "resnet20"}], "/measurements/1", "latency_ms or energy_mj"),
    ([FINE, {"latency_ms": 4}], "/measurements/1", "exactly one"),
    ([FINE | {"design_id": "x"}], "/measurements/0", "exactly one"),
    ([FINE, FINE | {"network": "no-such"}], "/measurements/1/network", "network"),
    ([FINE | {"task": "chess"}], "/measurements/0/task", "task"),
    ([FINE | {"task": "digits", "network": "vgg16"}], "/measurements/0/network", "pictures"),
    ([{"design_id": "dsn_0", "latency_ms": 1}], "/measurements/0/design_id", "stored design"),
    (
        [{"design": {"space": "resnet", "task": "cifar10", "values": [1]}, "latency_ms": 1}],
        "/measurements/0/design",
        "N x",
    ),
    (
        [{"design": {"space": "vgg", "task": "cifar10", "values": [10**30]}, "latency_ms": 1}],
        "/measurements/0/design/values",
        "indices",
    ),
    (
        [{"design": {"space": "vgg", "task": "cifar10", "values": [0]}, "task": "mnist", "latency_ms": 1}],
        "/measurements/0/task",
        "vector",
    ),
    ([FINE | {"latency_ms": -1}], "/measurements/0/latency_ms", "at least 0"),
    ([FINE | {"latency_ms": 1e-200}], "/measurements/0/latency_ms", "0 (a run that failed) or at least 1e-09"),
    ([FINE | {"energy_mj": 5e-324}], "/measurements/0/energy_mj", "at least 1e-09"),
    ([FINE | {"latency_ms": 1e300}], "/measurements/0/latency_ms", "at most"),
    ([FINE | {"energy_mj": "many"}], "/measurements/0/energy_mj", "a number"),
    ([FINE | {"measured_at": "2026-11-25T10:00:00"}], "/measurements/0/measured_at", "valid"),
    ([FINE | {"measured_at": "0001-01-01T00:00:00+14:00"}], "/measurements/0/measured_at", "between"),
    ([FINE | {"note": "a\0b"}], "/measurements/0/note", "printable"),
    ([FINE | {"wings": 2}], "/measurements/0/wings", "unknown"),
    ({"a": 1}, "/measurements", "array"),
]


@pytest.mark.parametrize(("made", "pointer", "must"), BAD_JSON, ids=[f"{one[1]}-{i}" for i, one in enumerate(BAD_JSON)])
def test_bad_rows_are_refused_and_nothing_stored(
    refusing: TestClient, stored: Callable[[TestClient], list[str]], made: Any, pointer: str, must: str
) -> None:
    answer = refusing.post(PATH, json={"measurements": made})
    assert answer.status_code == 422, answer.text
    fault = next(fault for fault in answer.json()["errors"] if fault.get("pointer") == pointer)
    assert must in fault["must"]
    assert stored(refusing) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe\x00", b'{"measurements": [{"latency_ms": NaN}]}'])
def test_what_is_no_request_is_refused(
    refusing: TestClient, stored: Callable[[TestClient], list[str]], body: bytes
) -> None:
    answer = refusing.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(refusing) == []


HEADER = b"network,latency_ms\n"
BAD_TABLES: list[tuple[str, bytes, int, str | None, str]] = [
    ("empty", b"", 1, None, "header"),
    ("blank", b"\n\n  \n", 1, None, "header"),
    ("header alone", HEADER, 2, None, "measurement"),
    ("no header", b"resnet20,4.5\nresnet32,5\n", 1, "'resnet20'", "name of a column"),
    ("semicolons", b"network;latency_ms\nresnet20;4\n", 1, "'network;latency_ms'", "name of a column"),
    ("unknown column", b"network,latency_s\nresnet20,4\n", 1, "'latency_s'", "name of a column"),
    ("column twice", b"network,latency_ms,latency_ms\nresnet20,4,5\n", 1, "latency_ms", "once"),
    ("no figure", b"network,task\nresnet20,cifar10\n", 1, None, "latency_ms or energy_mj"),
    ("no network", b"task,latency_ms\ncifar10,4\n", 1, None, "network, design_id or genotype"),
    ("nan", HEADER + b"resnet20,4\nresnet32,NaN\n", 3, "latency_ms", "finite"),
    ("infinite", HEADER + b"resnet20,1e999\n", 2, "latency_ms", "finite"),
    ("words", HEADER + b"resnet20,fast\n", 2, "latency_ms", "a number"),
    ("decimal comma", HEADER + b'resnet20,"4,5"\n', 2, "latency_ms", "a number"),
    ("too many cells", HEADER + b"resnet20,4,5\n", 2, None, "at most the 2 cells"),
    ("empty figure", HEADER + b"resnet20,4\n\nresnet32,\n", 4, "latency_ms", "latency_ms or energy_mj"),
    ("negative", HEADER + b"resnet20,-4\n", 2, "latency_ms", "at least 0"),
    ("vanishing", HEADER + b"resnet20,1e-10\n", 2, "latency_ms", "at least 1e-09"),
    ("unknown network", HEADER + b"resnet20,4\nresnet21,5\n", 3, "network", "network"),
    ("latin-1", HEADER + b"r\xe9seau,4\n", 2, None, "UTF-8"),
    ("utf-16", HEADER.decode().encode("utf-16"), 1, None, "UTF-8"),
    ("nul", HEADER + b"res\0net,4\n", 2, "network", "pattern"),
    ("open quote", HEADER + b'"resnet20,4\n', 2, None, "CSV"),
    ("long cell", HEADER + b"r" * 30_000 + b",4\n", 2, "network", "characters"),
    ("genotype", b"space,genotype,task,latency_ms\nresnet,1 x,cifar10,4\n", 2, "genotype", "indices"),
    ("short genotype", b"space,genotype,task,latency_ms\nresnet,1 0,cifar10,4\n", 2, "genotype", "N x"),
    ("no task", b"space,genotype,latency_ms\nresnet,1 0,4\n", 2, "task", "given"),
    ("unknown space", b"space,genotype,task,latency_ms\nx,1 0,cifar10,4\n", 2, "genotype", "space"),
    ("broken cell", b"genotype,task,latency_ms\n|none~0|,cifar10,4\n", 2, "genotype", "three nodes"),
    ("cell elsewhere", b"space,genotype,task,latency_ms\nvgg,|none~0|,cifar10,4\n", 2, "space", "nasbench201"),
    ("moment", b"network,latency_ms,measured_at\nresnet20,4,yesterday\n", 2, "measured_at", "valid"),
]


@pytest.mark.parametrize(
    ("content", "row", "column", "must"), [one[1:] for one in BAD_TABLES], ids=[one[0] for one in BAD_TABLES]
)
def test_bad_tables_are_refused_by_row_and_column(
    refusing: TestClient,
    stored: Callable[[TestClient], list[str]],
    content: bytes,
    row: int,
    column: str | None,
    must: str,
) -> None:
    answer = refusing.post(PATH, content=content, headers=CSV)
    assert answer.status_code == 422, answer.text
    document = answer.json()
    fault = document["errors"][0]
    assert (fault["row"], fault.get("column")) == (row, column)
    assert must in fault["must"]
    assert f"Row {row}" in document["detail"]
    assert "pointer" not in fault
    assert stored(refusing) == []


def test_all_faults_of_a_table_are_told_up_to_a_bound(refusing: TestClient) -> None:
    content = HEADER + b"resnet20,-1\nresnet20,4\n" * 50
    found = refusing.post(PATH, content=content, headers=CSV).json()["errors"]
    assert [fault["row"] for fault in found] == list(range(2, 42, 2))


def test_a_million_rows_are_refused(refusing: TestClient, stored: Callable[[TestClient], list[str]]) -> None:
    answer = refusing.post(PATH, content=HEADER + b"resnet20,4.25\n" * 1_000_000, headers=CSV)
    assert answer.status_code == 413
    short = refusing.post(PATH, content=HEADER + b"resnet20,4\n" * (MOST_ROWS + 1), headers=CSV)
    assert short.status_code == 422
    assert f"{MOST_ROWS:,}" in short.json()["detail"]
    assert stored(refusing) == []


def test_tables_are_taken_where_they_belong_alone(refusing: TestClient) -> None:
    for address in ("/v1/devices", "/v1/designs", "/v1/predictions", f"{PATH}/x", "/devices/x/measurements"):
        assert refusing.post(address, content=b"a,b", headers=CSV).status_code in (405, 415)
    packed = refusing.post(PATH, content=b"\x1f\x8b", headers=CSV | {"Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_unknown_devices_have_no_measurements(refusing: TestClient) -> None:
    for name in ("nope", "dev_0", "raspberry-pi-4@warp", "a%00b", "%F0%9F%98%80"):
        address = f"/v1/devices/{name}/measurements"
        answers = [refusing.post(address, json={"measurements": [FINE]}), refusing.get(address)]
        answers += [refusing.get(f"{address}/suggestions"), refusing.delete(f"{address}/msr_0")]
        assert [answer.status_code for answer in answers] == [404] * 4
    assert refusing.delete(f"{PATH}/a%00b").status_code == 404


def test_a_device_can_be_full(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.measurements.operations.MOST_ROWS", 5)
    first = client.post(PATH, content=HEADER + b"resnet20,4\n" * 4, headers=CSV)
    assert first.status_code == 201
    address = first.json()["device_href"] + "/measurements"
    answer = client.post(address, json={"measurements": [FINE, FINE]})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:bespoke:problem:too-many-measurements"
    assert client.post(address, json={"measurements": [FINE]}).status_code == 201


def verdicts(answer: Any) -> list[str]:
    return [item["verdicts"][0]["use"] for item in answer.json()["items"]]


def test_zeros_are_kept_and_never_believed(client: TestClient) -> None:
    made = rows(8)
    fine = client.post(PATH, json={"measurements": made}).json()
    with_zeros = [*made, made[0] | {"latency_ms": 0}, made[1] | {"latency_ms": 0, "energy_mj": 0}]
    answer = client.post(PATH, json={"measurements": with_zeros})
    assert answer.status_code == 201
    assert verdicts(answer) == [*(item["verdicts"][0]["use"] for item in fine["items"]), "set aside", "set aside"]
    assert "failed silently" in answer.json()["items"][-1]["verdicts"][1]["reason"]
    assert answer.json()["adaptation"]["latency"] == fine["adaptation"]["latency"]
    alone = client.post(PATH, json={"measurements": [FINE | {"latency_ms": 0}]})
    assert verdicts(alone) == ["set aside"]
    assert alone.json()["adaptation"]["latency"] == {"before": None, "after": None}
    assert len(client.get(alone.json()["device_href"] + "/measurements").json()["items"]) == 1


def test_one_row_in_microseconds_is_set_aside(client: TestClient) -> None:
    made = rows(12)
    made[4]["latency_ms"] *= 1000
    answer = client.post(PATH, json={"measurements": made})
    found = verdicts(answer)
    assert found[4] == "set aside"
    assert found.count("used") >= 10
    assert "microseconds" in answer.json()["items"][4]["verdicts"][0]["reason"]
    assert answer.json()["adaptation"]["latency"]["after"]["median_error"] < 0.1


def test_a_whole_column_in_microseconds_is_said_so(client: TestClient) -> None:
    made = [row | {"latency_ms": 1000 * row["latency_ms"]} for row in rows(10)]
    answer = client.post(PATH, json={"measurements": made})
    assert any("microseconds" in sentence for sentence in answer.json()["adaptation"]["advice"])


def test_contradictions_are_weighed_down_and_said_so(client: TestClient) -> None:
    made = rows(8)
    answer = client.post(PATH, json={"measurements": [*made, made[0] | {"latency_ms": 9 * made[0]["latency_ms"]}]})
    found = verdicts(answer)
    assert found[0] != "used"
    assert found[-1] != "used"
    assert "same network" in answer.json()["items"][-1]["verdicts"][0]["reason"] or found[-1] == "set aside"


@pytest.mark.parametrize("count", [1, 6])
def test_one_sample_and_a_constant_column_are_taken_with_advice(client: TestClient, count: int) -> None:
    made = [row | {"latency_ms": 17.0} for row in rows(count)]
    answer = client.post(PATH, json={"measurements": made})
    assert answer.status_code == 201
    assert answer.json()["adaptation"]["advice"]


def test_rows_that_came_twice_count_once(client: TestClient) -> None:
    made = rows(6)
    once = client.post(PATH, json={"measurements": made}).json()
    twice = client.post(PATH, json={"measurements": made + made}).json()
    assert twice["stored"] == 12
    assert twice["adaptation"]["latency"] == once["adaptation"]["latency"]


def test_several_thousand_rows_at_once(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick)
    answer = client.post(PATH, content=table(rows(4_000, noise=0.05)), headers=CSV)
    assert answer.status_code == 201
    document = answer.json()
    assert document["stored"] == len(document["items"]) == 4_000
    assert document["adaptation"]["latency"]["after"]["median_error"] < 0.1
