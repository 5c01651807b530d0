"""`bespoke keys`, `migrate`, `worker` and `jobs` as a user types them, and the service as processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from service import cli
from service.context import Optimize
from service.database import Database
from service.jobs.client import Client
from service.jobs.commands import FAILED
from service.keys.token import Token
from service.settings import Settings
from service.upgrade import current, newest
from service.worker.embedded import embedded_worker
from tests.service.worker.house import House, alive
from tests.service.worker.served import served
from tests.service.worker.tiny_steps import NAMES

SLOW_START_S = 90.0
"""On a busy machine."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bespoke", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


def test_keys_are_created_listed_and_revoked(typed: Callable[..., tuple[int, str, str]], sqlite_url: str) -> None:
    where = ("--database-url", sqlite_url)
    status, out, _ = typed("keys", "create", "--name", "Ada", "--scope", "read", "--scope", "train", *where)
    token = Token.parse(out.strip())
    assert status == 0
    assert token is not None
    _, listed, _ = typed("keys", "list", *where)
    assert token.key_id in listed
    assert "read, train" in listed
    assert token.secret not in listed
    assert typed("keys", "revoke", token.key_id, *where)[0] == 0
    status, _, err = typed("keys", "revoke", "key_none", *where)
    assert (status, "bespoke keys list" in err) == (cli.BAD_REQUEST, True)
    assert typed("keys", "create", "--name", "Ada", "--scope", "all", *where)[0] == cli.BAD_REQUEST


def test_migrate_brings_an_empty_database_up_to_date(
    typed: Callable[..., tuple[int, str, str]], sqlite_url: str
) -> None:
    assert typed("migrate", "--database-url", sqlite_url)[0] == 0
    database = Database(Settings(database_url=sqlite_url))
    assert current(database) == newest()
    database.close()


def test_jobs_are_on_and_can_be_switched_off(
    typed: Callable[..., tuple[int, str, str]], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = typed("--help")[1]
    assert " worker " in listed
    assert " jobs " in listed
    assert Settings.model_fields["jobs"].default is True
    monkeypatch.setenv("BESPOKE_JOBS", "false")
    status, _, err = typed("worker", "--queue", "cpu", "--database-url", sqlite_url)
    assert (status, "BESPOKE_JOBS" in err) == (cli.BAD_REQUEST, True)


@pytest.mark.postgres
def test_the_api_is_killed_while_a_job_is_followed(
    postgres_house: House, typed: Callable[..., tuple[int, str, str]]
) -> None:
    """The job goes on, and whoever follows it hears the rest from the next process."""
    house = postgres_house
    house.start()
    with served(house) as (process, url):
        assert httpx.get(f"{url}/v1/health/ready", timeout=60, trust_env=False).status_code == 200
        job_id = house.add(step_s=1.0)
        house.until(lambda: house.started(job_id, "prepare"))
        process.kill()
        process.wait(10)
        with served(house, int(url.rpartition(":")[2])):
            status, out, _ = typed("jobs", "follow", job_id, "--url", url)
    assert status == 0, out
    said = [line[10:] for line in out.splitlines()]
    assert [line for line in said if line.endswith(" done")] == [f"{name} done" for name in NAMES]
    assert said[-1] == "done"


def test_an_embedded_worker_is_started_again_and_stops_in_order(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = sqlite_house
    monkeypatch.chdir(ROOT)
    with embedded_worker(house.settings):
        house.until(lambda: house.workers_listed(), within_s=SLOW_START_S)
        worker = house.workers_listed()[0]
        os.kill(worker, signal.SIGKILL)
        house.until(lambda: set(house.workers_listed()) - {worker}, within_s=SLOW_START_S)
        again = house.workers_listed()[0]
        assert alive(again)
    assert not alive(again)
    assert house.workers_listed() == [], "it left the list"


def test_a_killed_service_takes_its_worker_along(sqlite_house: House) -> None:
    house = sqlite_house
    with served(house) as (process, _):
        house.until(lambda: any(map(alive, house.workers_listed())), within_s=SLOW_START_S)
        worker = house.workers_listed()[0]
        process.kill()
        house.until(lambda: not alive(worker), within_s=SLOW_START_S)


def test_jobs_are_started_listed_cancelled_and_retried_from_the_command_line(
    sqlite_house: House,
    serve: Callable[..., TestClient],
    quick: Optimize,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = sqlite_house
    settings = house.settings.model_dump(exclude={"database_url", "log_level"})
    api = serve(house.settings.database_url, quick, **settings)

    def forward(request: httpx.Request) -> httpx.Response:
        kept = ("content-type", "last-event-id")
        headers = {name: value for name, value in request.headers.items() if name in kept}
        answer = api.request(request.method, request.url.path, content=request.content, headers=headers)
        return httpx.Response(answer.status_code, content=answer.content)

    def client(url: str, key: str | None) -> Client:
        return Client(url, key, transport=httpx.MockTransport(forward))

    monkeypatch.setattr("service.jobs.commands.Client", client)
    design = api.post("/v1/designs", json={"device": "raspberry-pi-4", "task": "cifar10"}).json()["id"]
    status, out, _ = typed("jobs", "start", design, "--seed", "7")
    job_id = out.strip()
    assert status == 0
    assert house.row(job_id).options["seed"] == 7
    _, listed, _ = typed("jobs", "list")
    assert job_id in listed
    assert "queued" in listed
    assert typed("jobs", "cancel", job_id)[1].strip() == "cancelled"
    assert typed("jobs", "retry", job_id)[1].strip() == "queued"
    typed("jobs", "cancel", job_id)
    status, out, _ = typed("jobs", "follow", job_id)
    assert (status, out.splitlines()[-1].endswith("cancelled")) == (FAILED, True)
    status, _, err = typed("jobs", "start", "dsn_none")
    assert (status, "must be the id of a stored design" in err) == (cli.BAD_REQUEST, True)
