"""What is no number is refused where a number is asked for, by pointer, with what came; text in tables is read."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.measurements.csv_rows import read_table
from service.problems import Refusal

DESIGN = {"device": "raspberry-pi-4", "task": "cifar10"}
BOARD = {"name": "x", "kind": "cpu"}
A_NUMBER, A_WHOLE, A_TRUTH = "must be a number", "must be a whole number", "must be true or false"

BAD: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("designs", DESIGN | {"limits": {"latency_ms": True}}, "/limits/latency_ms", A_NUMBER, "true"),
    ("designs", DESIGN | {"limits": {"latency_ms": "1_0"}}, "/limits/latency_ms", A_NUMBER, "1_0"),
    ("designs", DESIGN | {"limits": {"min_accuracy": False}}, "/limits/min_accuracy", A_NUMBER, "false"),
    ("designs", DESIGN | {"limits": {"latency_ms": 5e-324}}, "/limits/latency_ms", "must be at least 1e-30", "5e-324"),
    ("designs", DESIGN | {"limits": {"risk": 5.6e-17}}, "/limits/risk", "must be at least 1e-15", "5.6e-17"),
    ("designs", DESIGN | {"preferences": {"energy": "2"}}, "/preferences/energy", A_NUMBER, "2"),
    ("devices", BOARD | {"cores": True}, "/cores", A_WHOLE, "true"),
    ("devices", BOARD | {"clock_ghz": "2"}, "/clock_ghz", A_NUMBER, "2"),
    ("devices", BOARD | {"clock_ghz": 1e-304}, "/clock_ghz", "must be at least 1e-30", "1e-304"),
    ("devices", BOARD | {"fp16_arithmetic": "yes"}, "/fp16_arithmetic", A_TRUTH, "yes"),
    ("devices", BOARD | {"peak_gmacs": {"fp32": True}}, "/peak_gmacs/fp32", A_NUMBER, "true"),
    (
        "devices/raspberry-pi-4/measurements",
        {"measurements": [{"network": "resnet20", "latency_ms": True}]},
        "/measurements/0/latency_ms",
        A_NUMBER,
        "true",
    ),
    (
        "devices/raspberry-pi-4/measurements",
        {"measurements": [{"network": "resnet20", "latency_ms": "4"}]},
        "/measurements/0/latency_ms",
        A_NUMBER,
        "4",
    ),
]


def refused(answer: Any, pointer: str, must: str, got: str) -> None:
    assert answer.status_code == 422, answer.text
    fault = answer.json()["errors"][0]
    assert (fault["pointer"], fault["must"]) == (pointer, must)
    assert got in fault["got"]


@pytest.mark.parametrize(("place", "body", "pointer", "must", "got"), BAD, ids=[f"{one[2]}-{one[4]}" for one in BAD])
def test_what_is_no_number_is_refused(
    refusing: TestClient, place: str, body: dict[str, Any], pointer: str, must: str, got: str
) -> None:
    refused(refusing.post(f"/v1/{place}", json=body), pointer, must, got)


@pytest.mark.parametrize(
    ("options", "pointer", "must", "got"),
    [
        ({"seed": True}, "/options/seed", A_WHOLE, "true"),
        ({"epochs": "3"}, "/options/epochs", A_WHOLE, "3"),
        ({"learning_rate": "0.1"}, "/options/learning_rate", A_NUMBER, "0.1"),
        ({"full_precision_first": 1}, "/options/full_precision_first", A_TRUTH, "1"),
    ],
)
def test_options_of_jobs_are_no_text(
    desk: TestClient, options: dict[str, Any], pointer: str, must: str, got: str
) -> None:
    refused(desk.post("/v1/jobs", json={"design": "dsn_0", "options": options}), pointer, must, got)


def test_figures_in_tables_are_read_as_numbers() -> None:
    table = read_table(b"network,latency_ms,energy_mj\nresnet20,4.5,1e1\nresnet32,0,\n")
    assert [(row.latency_ms, row.energy_mj) for row in table.rows] == [(4.5, 10.0), (0.0, None)]
    for cell in (b"1_0", b"true", b"0x10"):
        with pytest.raises(Refusal, match=r"Row 2, column latency_ms must be a number"):
            read_table(b"network,latency_ms\nresnet20," + cell + b"\n")
