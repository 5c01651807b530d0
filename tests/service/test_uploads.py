"""ONNX files in POST /v1/predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from design.counts import count
from design.devices.catalogue import find_device
from networks.tracing.onnx_model import trace_onnx
from predictors.descriptor import describe
from predictors.predict import explain
from service.context import Optimize
from tests.networks.tracing.small_models import content, floats, node, small_network

PATH = "/v1/predictions"
SMALL = small_network()
Serve = Callable[..., TestClient]


def post(client: TestClient, file: bytes, query: str, kind: str = "application/octet-stream", **headers: str) -> Any:
    return client.post(f"{PATH}?{query}", content=file, headers={"Content-Type": kind} | headers)


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/onnx", "application/x-onnx; v=1"])
def test_a_model_is_predicted_without_accuracy(refusing: TestClient, kind: str) -> None:
    answer = post(refusing, SMALL, "device=raspberry-pi-4&device=stm32f746&layers=true&name=mine", kind)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    design = trace_onnx(SMALL, name="mine").design
    assert (document["name"], document["task"], document["network"]) == ("mine", None, None)
    assert document["digest"] == design.digest
    assert [item["device_id"] for item in document["items"]] == ["raspberry-pi-4", "stm32f746"]
    for item in document["items"]:
        made = explain(design, describe(find_device(item["device_id"])), None)
        assert item["prediction"] == made.model_dump(mode="json")
        assert (item["prediction"]["accuracy"], item["prediction"]["accuracy_basis"]) == (None, "unknown")


def test_bits_and_task_may_be_said(refusing: TestClient) -> None:
    whole = post(refusing, SMALL, "device=raspberry-pi-4").json()["items"][0]["prediction"]
    small = post(refusing, SMALL, "device=raspberry-pi-4&bits=8").json()["items"][0]["prediction"]
    assert whole["model_bytes"] == count(trace_onnx(SMALL).design).model_bytes > small["model_bytes"]
    digits = content(
        [node("Conv", "x w", "c"), node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "f"), node("Gemm", "f g")],
        {"w": floats(8, 1, 3, 3), "g": floats(8, 10)},
        shape=("batch", 1, None, None),
    )
    answer = post(refusing, digits, "device=raspberry-pi-4&task=digits&input_shape=1x8x8")
    assert answer.json()["task"] == "digits"
    assert answer.json()["items"][0]["prediction"]["accuracy_basis"] == "prior"


UNSUPPORTED = content([node("NonZero", "x", "n"), node("Einsum", "n", equation="ab->ab")])
OPEN = content([node("Relu", "x")], shape=("batch", 3, "h", "w"))
BAD: list[tuple[bytes, str, str, str]] = [
    (b"no model", "device=raspberry-pi-4", "invalid-model", "ONNX file"),
    (UNSUPPORTED, "device=raspberry-pi-4", "unsupported-model", "Einsum (einsum_y)"),
    (OPEN, "device=raspberry-pi-4", "invalid-model", "input_shape"),
    (SMALL, "", "invalid-request", "device"),
    (SMALL, "device=nothing", "unknown-name", "nothing"),
    (SMALL, "device=raspberry-pi-4&bits=3", "invalid-request", "bits"),
    (SMALL, "device=raspberry-pi-4&task=nothing", "unknown-name", "task"),
    (SMALL, "device=raspberry-pi-4&task=cifar10", "task-mismatch", "pictures"),
    (SMALL, "device=raspberry-pi-4&input_shape=3by8", "invalid-request", "input_shape"),
    (SMALL, "device=raspberry-pi-4&energy_model=nothing", "unknown-name", "energy_model"),
    (SMALL, "device=raspberry-pi-4&colour=red", "invalid-request", "colour"),
]


@pytest.mark.parametrize(("file", "query", "slug", "told"), BAD, ids=[f"{one[2]}-{i}" for i, one in enumerate(BAD)])
def test_bad_uploads_are_refused(
    refusing: TestClient, stored: Callable[[TestClient], list[str]], file: bytes, query: str, slug: str, told: str
) -> None:
    answer = post(refusing, file, query)
    assert answer.status_code == 422, answer.text
    document = answer.json()
    assert document["type"] == f"urn:bespoke:problem:{slug}"
    assert told in answer.text
    assert document["errors"]
    assert stored(refusing) == []


def test_each_unsupported_operator_is_a_fault(refusing: TestClient) -> None:
    faults = post(refusing, UNSUPPORTED, "device=raspberry-pi-4").json()["errors"]
    assert [fault["got"].split(" ")[0] for fault in faults] == ["NonZero", "Einsum"]


def test_models_have_a_limit_of_their_own(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick, max_body_bytes=1_024, max_model_bytes=8_192)
    assert post(client, SMALL, "device=raspberry-pi-4").status_code == 200
    too_large = post(client, SMALL + bytes(8_192), "device=raspberry-pi-4")
    assert (too_large.status_code, too_large.json()["type"]) == (413, "urn:bespoke:problem:body-too-large")
    elsewhere = client.post("/v1/designs", content=SMALL, headers={"Content-Type": "application/octet-stream"})
    assert elsewhere.status_code in (413, 415)
    assert post(client, b"{}", "device=raspberry-pi-4", "text/plain").status_code == 415


def test_reading_has_a_time_limit(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick, model_seconds=1e-9)
    assert "time allowed" in post(client, SMALL, "device=raspberry-pi-4").text


def test_a_key_gives_the_stored_answer_to_the_same_file_alone(refusing: TestClient) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": "upload-1"}
    first, again = (post(refusing, SMALL, "device=raspberry-pi-4", **headers) for _ in range(2))
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert post(refusing, SMALL + b"", "device=jetson-nano", **headers).status_code == 422
    assert post(refusing, OPEN, "device=raspberry-pi-4", **headers).status_code == 422
