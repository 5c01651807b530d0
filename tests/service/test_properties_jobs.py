"""The same for the addresses of jobs: whatever is sent, the answer is one that the description names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
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
from service.app import create_app
from service.settings import Settings

BASE_URL = "http://127.0.0.1"
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
FOLDER = tempfile.TemporaryDirectory(prefix="bespoke-properties-")
OWN = Settings(
    data_folder=Path(FOLDER.name),
    jobs=True,
    log_level="error",
    allowed_hosts=("127.0.0.1", "testserver", "localhost"),
)
app = create_app(OWN, optimizer=optimize)


@schemathesis.serializer("application/zip")
def _archive(context: Any, value: Any) -> bytes:
    """Bytes as they come: archives are tried in test_datasets.py."""
    del context
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


schema = (
    schemathesis.openapi.from_asgi("/openapi.json", app)
    .include(path_regex=r"^/v1/(jobs|datasets|artifacts)")
    .exclude(path_regex=r"/events$")
)


@pytest.fixture(scope="module", autouse=True)
def _tables() -> Iterator[None]:
    with TestClient(app, base_url=BASE_URL):
        yield
    FOLDER.cleanup()


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS)
