"""API keys: who is let in, and for what."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from service.auth import OpenBinding, check_binding
from service.context import Context, Optimize
from service.database import Database
from service.keys import repository
from service.keys.door import needed
from service.keys.rates import Rates
from service.keys.token import Scope, Token
from service.serve import settings_for
from service.settings import Settings
from service.upgrade import upgrade

Serve = Callable[..., TestClient]
DESIGN = {"device": "raspberry-pi-4", "task": "cifar10"}


def database_of(client: TestClient) -> Database:
    assert isinstance(client.app, FastAPI)
    context: Context = client.app.state.context
    return context.database


def bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.text}"}


@pytest.fixture
def client(serve: Serve, database_url: str, quick: Optimize) -> TestClient:
    return serve(database_url, quick, require_keys=True)


def test_nobody_is_let_in_without_a_valid_key(client: TestClient) -> None:
    token = repository.create(database_of(client), "me", [Scope.READ])
    wrong = Token(key_id=token.key_id, secret="x" * 43)
    unknown = Token.new()
    given = [
        "",
        "Bearer",
        "Bearer x",
        f"Bearer {wrong.text}",
        f"Bearer {unknown.text}",
        f"Basic {token.text}",
        "Basic !",
    ]
    for header in given:
        answer = client.get("/v1/designs", headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:bespoke:problem:key-needed"), header
        assert "Bearer" in answer.headers["www-authenticate"]
    assert client.get("/").status_code == 401
    assert client.get("/metrics").status_code == 401
    assert client.get("/openapi.json").status_code == 401
    assert client.post("/v1/designs", content=b"x" * 5_000_000).status_code == 401, "before the body is read"
    assert client.get("/v1/health/live").status_code == 200
    assert client.get("/v1/health/ready").status_code == 200
    assert client.get("/v1/designs", headers=bearer(token)).status_code == 200


def test_a_browser_gives_the_key_as_a_password(client: TestClient) -> None:
    token = repository.create(database_of(client), "me", [Scope.READ])
    given = base64.b64encode(f"anybody:{token.text}".encode()).decode()
    assert client.get("/", headers={"Authorization": f"Basic {given}"}).status_code == 200


def test_a_key_does_what_its_scopes_say(client: TestClient) -> None:
    keys = {scope: repository.create(database_of(client), scope.value, [scope]) for scope in Scope}
    for scope, token in keys.items():
        read = client.get("/v1/designs", headers=bearer(token)).status_code
        made = client.post("/v1/designs", json=DESIGN, headers=bearer(token)).status_code
        assert read == (200 if scope in (Scope.READ, Scope.ADMIN) else 403)
        assert made == (201 if scope in (Scope.DESIGN, Scope.ADMIN) else 403)
        assert client.get("/metrics", headers=bearer(token)).status_code == (200 if scope is Scope.ADMIN else 403)
    both = repository.create(database_of(client), "both", [Scope.READ, Scope.DESIGN])
    assert client.get("/v1/designs", headers=bearer(both)).status_code == 200
    assert client.post("/v1/designs", json=DESIGN, headers=bearer(both)).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/jobs/x/events", Scope.READ),
        ("POST", "/v1/jobs", Scope.TRAIN),
        ("POST", "/v1/jobs/x/cancel", Scope.TRAIN),
        ("POST", "/v1/datasets", Scope.TRAIN),
        ("DELETE", "/v1/designs/x", Scope.DESIGN),
        ("POST", "/v1/devices/x/measurements", Scope.DESIGN),
        ("GET", "/metrics", Scope.ADMIN),
    ],
)
def test_every_request_needs_one_scope(method: str, path: str, scope: Scope) -> None:
    assert needed(method, path) is scope


def test_a_revoked_key_is_of_no_use_at_once(client: TestClient) -> None:
    database = database_of(client)
    token = repository.create(database, "me", [Scope.READ])
    assert client.get("/v1/designs", headers=bearer(token)).status_code == 200
    assert repository.count_valid(database) == 1
    assert repository.revoke(database, token.key_id)
    assert client.get("/v1/designs", headers=bearer(token)).status_code == 401
    assert repository.count_valid(database) == 0
    assert not repository.revoke(database, "key_none")
    (row,) = repository.listed(database)
    assert row.revoked_at is not None
    assert row.last_used_at is not None


def test_only_a_hash_is_stored(client: TestClient) -> None:
    database = database_of(client)
    token = repository.create(database, "me", [Scope.READ])
    with database.reading() as session:
        stored = str(session.execute(text("SELECT * FROM api_keys")).all())
    assert token.key_id in stored
    assert token.secret not in stored
    assert token.secret_hash in stored
    assert Token.parse(token.text) == token


def test_a_key_that_asks_too_often_waits(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick, require_keys=True, key_requests_per_minute=2)
    one, other = (repository.create(database_of(client), name, [Scope.READ]) for name in ("one", "other"))
    assert [client.get("/v1/tasks", headers=bearer(one)).status_code for _ in range(3)] == [200, 200, 429]
    assert int(client.get("/v1/tasks", headers=bearer(one)).headers["retry-after"]) in range(1, 31)
    assert client.get("/v1/tasks", headers=bearer(other)).status_code == 200


def test_a_bucket_fills_up_evenly() -> None:
    moment = 0.0
    rates = Rates(60, clock=lambda: moment)
    assert [rates.wait_s("k") for _ in range(61)] == [0.0] * 60 + [1.0]
    moment = 0.5
    assert rates.wait_s("k") == pytest.approx(0.5)
    moment = 1.01
    assert rates.wait_s("k") == 0.0
    moment = 1e6
    assert sum(rates.wait_s("k") == 0.0 for _ in range(100)) == 60, "never more than full"


def test_other_pages_cannot_make_a_browser_change_anything(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick)
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)):
        answer = client.post("/v1/designs", json=DESIGN, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status, site
    assert client.get("/v1/designs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_other_machines_may_call_once_there_is_a_key(sqlite_url: str) -> None:
    with pytest.raises(OpenBinding, match="bespoke keys create"):
        settings_for("0.0.0.0", 8080, sqlite_url)
    database = Database(Settings(database_url=sqlite_url))
    upgrade(database)
    with pytest.raises(OpenBinding):
        settings_for("0.0.0.0", 8080, sqlite_url)
    token = repository.create(database, "me", [Scope.READ])
    assert settings_for("0.0.0.0", 8080, sqlite_url).host == "0.0.0.0"
    repository.revoke(database, token.key_id)
    with pytest.raises(OpenBinding):
        settings_for("0.0.0.0", 8080, sqlite_url)
    database.close()
    check_binding("0.0.0.0", valid_keys=1)


def test_keys_are_demanded_wherever_other_machines_can_call(serve: Serve, sqlite_url: str, quick: Optimize) -> None:
    client = serve(sqlite_url, quick, host="0.0.0.0")
    assert client.get("/v1/designs").status_code == 401
