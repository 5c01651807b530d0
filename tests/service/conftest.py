from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from design.constraints import Constraints
from design.devices.catalogue import find_device
from design.task import find_task
from optimizer.front import with_front
from optimizer.optimize import optimize
from optimizer.problem import Answer, Problem
from service.app import create_app
from service.context import Optimize
from service.settings import Settings
from tests.service.worker.house import House, a_house

LOCAL_POSTGRES = "postgresql+psycopg://root@127.0.0.1:5432/test"
BASE_URL = "http://127.0.0.1"
Serve = Callable[..., TestClient]


@cache
def _postgres_fault() -> str | None:
    """Why PostgreSQL cannot be used, or None."""
    engine = create_engine(_postgres_url(), connect_args={"connect_timeout": 3})
    try:
        engine.connect().close()
    except (OperationalError, ModuleNotFoundError) as error:
        return str(error).splitlines()[0]
    finally:
        engine.dispose()
    return None


def _postgres_url() -> str:
    return os.environ.get("BESPOKE_TEST_POSTGRES_URL", LOCAL_POSTGRES)


@contextmanager
def _throwaway_schema() -> Iterator[str]:
    """The address of a new schema, dropped afterwards."""
    fault = _postgres_fault()
    if fault is not None:
        if os.environ.get("BESPOKE_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"PostgreSQL must be reachable, but got: {fault}")
        pytest.skip(f"no PostgreSQL (BESPOKE_TEST_POSTGRES_URL): {fault}")
    name = f"bespoke_test_{secrets.token_hex(6)}"
    engine = create_engine(_postgres_url())
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        url = make_url(_postgres_url()).update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite3'}"
        return
    with _throwaway_schema() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture(scope="session")
def engine_schema() -> Iterator[str]:
    """Where the tests of this process keep the engine's tables in PostgreSQL."""
    name = f"bespoke_engine_{secrets.token_hex(6)}"
    yield name
    if _postgres_fault() is None:
        engine = create_engine(_postgres_url())
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
        engine.dispose()


@pytest.fixture
def house(database_url: str, tmp_path: Path, engine_schema: str) -> Iterator[House]:
    """A shared folder and both kinds of database for workers."""
    with a_house(database_url, tmp_path, engine_schema) as found:
        yield found


@pytest.fixture
def sqlite_house(sqlite_url: str, tmp_path: Path) -> Iterator[House]:
    with a_house(sqlite_url, tmp_path) as found:
        yield found


@pytest.fixture
def postgres_house(tmp_path: Path, engine_schema: str) -> Iterator[House]:
    with _throwaway_schema() as url, a_house(url, tmp_path, engine_schema) as found:
        yield found


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an application on a database; stopped at the end of the test."""
    clients: list[TestClient] = []

    def start(database_url: str, optimizer: Optimize = optimize, **settings: object) -> TestClient:
        stated = {"database_url": database_url, "log_level": "error", "jobs": False} | settings
        app = create_app(Settings(**stated), optimizer=optimizer)  # type: ignore[arg-type]
        client = TestClient(app, base_url=BASE_URL, raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in reversed(clients):
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def known_answer() -> Answer:
    """A real answer to a small problem, with its front."""
    problem = Problem(
        device=find_device("raspberry-pi-4"),
        task=find_task("cifar10"),
        constraints=Constraints(model_kb=400),
        spaces=("resnet",),
    )
    return with_front(problem, optimize(problem))


@pytest.fixture(scope="session")
def quick(known_answer: Answer) -> Optimize:
    """An optimizer that knows one real answer; a seed above 0 makes it cost that many times more (for sorting)."""

    def answer(problem: Problem) -> Answer:
        factor = 1.0 + problem.seed
        prediction = known_answer.prediction
        latency = prediction.latency_ms.model_copy(update={"value": prediction.latency_ms.value * factor})
        accuracy = prediction.known_accuracy.model_copy(update={"value": prediction.known_accuracy.value / factor})
        changed = prediction.model_copy(update={"latency_ms": latency, "accuracy": accuracy})
        return known_answer.model_copy(update={"prediction": changed, "seed": problem.seed})

    return answer


@pytest.fixture
def client(serve: Serve, database_url: str, quick: Optimize) -> TestClient:
    """The API on each database, with an optimizer that takes no time."""
    return serve(database_url, quick)


@pytest.fixture
def desk(house: House, serve: Serve, quick: Optimize) -> TestClient:
    """The API with jobs on, on each database."""
    return replica(house, serve, quick)


def replica(house: House, serve: Serve, quick: Optimize, **more: object) -> TestClient:
    """One more process of the API on the same database."""
    settings = house.settings.model_dump(exclude={"database_url", "log_level"})
    return serve(house.settings.database_url, quick, **settings | more)


@pytest.fixture(scope="session")
def refusing(quick: Optimize, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for all requests that must be refused: it stays empty."""
    url = f"sqlite:///{tmp_path_factory.mktemp('refusing') / 'test.sqlite3'}"
    app = create_app(Settings(database_url=url, log_level="error", jobs=False), optimizer=quick)
    with TestClient(app, base_url=BASE_URL, raise_server_exceptions=False) as client:
        yield client


def names(client: TestClient) -> list[str]:
    """Ids of all stored designs and own devices: what a refused request must leave as it was."""
    designs = [item["id"] for item in client.get("/v1/designs?limit=200").json()["items"]]
    devices = [item["id"] for item in client.get("/v1/devices?source=own&limit=200").json()["items"]]
    return designs + devices


@pytest.fixture
def stored() -> Callable[[TestClient], list[str]]:
    return names
