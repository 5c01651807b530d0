"""Requests of every shape that the description allows, and many that it does not: the API keeps its word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from optimizer.optimize import optimize
from optimizer.problem import Answer, Problem
from service.app import create_app
from service.database import Database
from service.measurements.schemas import EXAMPLE_REQUEST as MEASUREMENTS
from service.settings import Settings

BASE_URL = "http://127.0.0.1"
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


def smallest_space(problem: Problem) -> Answer:
    """The real optimizer on the space that it searches fastest."""
    return optimize(replace(problem, spaces=("resnet",)))


OWN = Settings(
    database_url="sqlite://", log_level="error", jobs=False, allowed_hosts=("127.0.0.1", "testserver", "localhost")
)
app = create_app(OWN, optimizer=smallest_space)
schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture(scope="module", autouse=True)
def _something_stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database with one own device that has measurements, and one design."""
    url = f"sqlite:///{tmp_path_factory.mktemp('properties') / 'test.sqlite3'}"
    app.state.context = replace(app.state.context, database=Database(Settings(database_url=url)))
    with TestClient(app, base_url=BASE_URL) as client:
        device = client.post("/v1/devices", json={"name": "Mine", "kind": "cpu"}).raise_for_status().json()
        client.post(f"{device['href']}/measurements", json=MEASUREMENTS).raise_for_status()
        request = {"device": "raspberry-pi-4", "task": "cifar10"}
        client.post("/v1/designs", json=request).raise_for_status()
        yield


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS)
