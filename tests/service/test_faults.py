"""What a request hears about its faults: all of them, none that is not there, each at its place."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

TASK = {"task": "cifar10"}


def faults(client: TestClient, path: str, body: Any) -> list[tuple[str, str]]:
    answer = client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    return [(fault["pointer"], fault["must"]) for fault in answer.json()["errors"]]


def test_items_that_are_wrong_are_not_missed_as_well(refusing: TestClient) -> None:
    body = {"network": "resnet20", "devices": [{"name": "x"}]}
    assert faults(refusing, "/v1/predictions", body) == [("/devices/0/kind", "must be given")]
    assert "more fault" not in refusing.post("/v1/predictions", json=body).json()["detail"]
    bits = {"name": "x", "kind": "cpu", "supported_bits": [[8, 3]]}
    assert [pointer for pointer, _ in faults(refusing, "/v1/devices", bits)] == ["/supported_bits/0/1"]


def test_an_array_that_is_too_short_is_told_so(refusing: TestClient) -> None:
    body = {"network": "resnet20", "devices": []}
    assert faults(refusing, "/v1/predictions", body) == [("/devices", "must have at least 1 items")]


@pytest.mark.parametrize("member", ["profile", "id", "own", "<profile>"])
def test_a_profile_one_level_too_deep_is_told_where_it_belongs(refusing: TestClient, member: str) -> None:
    body = {"device": {member: {"name": "x", "kind": "cpu"}}} | TASK
    assert faults(refusing, "/v1/designs", body) == [
        ("/device/name", "must be given"),
        ("/device/kind", "must be given"),
        (f"/device/{member}", "must not be given: the field is unknown"),
    ]


@pytest.mark.parametrize("value", [5, None, [1], True, 1.5])
def test_what_is_no_device_is_told_what_one_is(refusing: TestClient, value: Any) -> None:
    must = "must be the id of a device or a device profile"
    assert faults(refusing, "/v1/designs", {"device": value} | TASK) == [("/device", must)]
    body = {"network": "resnet20", "devices": ["raspberry-pi-4", value]}
    assert faults(refusing, "/v1/predictions", body) == [("/devices/1", must)]


@pytest.mark.parametrize("value", [5, "resnet20", []])
def test_what_is_no_design_is_told_what_one_is(refusing: TestClient, value: Any) -> None:
    body = {"design": value, "devices": ["raspberry-pi-4"]}
    must = "must be a design, or an object of `space`, `task` and `values`"
    assert faults(refusing, "/v1/predictions", body) == [("/design", must)]


def test_ways_out_of_unknown_devices_hold_over_http(refusing: TestClient) -> None:
    answer = refusing.post("/v1/designs", json={"device": "xyzzy-1"} | TASK).json()
    assert "GET /v1/devices" in answer["errors"][0]["way_out"]
    answer = refusing.post("/v1/designs", json={"device": "gtx-1080-ti@batch_7"} | TASK).json()
    assert (
        answer["errors"][0]["must"]
        == "the setting of gtx-1080-ti must be one of batch_256, batch_32, batch_64, default"
    )


def test_layers_may_be_called_anything(refusing: TestClient) -> None:
    """Their names are members of the body, though they stand in angle brackets."""
    shape = [3, 8, 8]
    layer = {"name": "<stem>", "op": "conv", "inputs": ["input"], "in_shape": shape, "out_shape": shape}
    policy = {"layers": {"<stem>": {"weight_bits": 3, "activation_bits": 8}}}
    design = {"architecture": {"name": "own", "input_shape": shape, "layers": [layer]}, "policy": policy}
    found = faults(refusing, "/v1/predictions", {"design": design, "devices": ["jetson-nano"]})
    assert "/design/policy/layers/<stem>/weight_bits" in [pointer for pointer, _ in found]
