"""Slow trials that stop whole machines' worth of things: run with BESPOKE_TEST_SLOW=1, on a server of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.worker.house import House, a_house
from tests.service.worker.tiny_steps import NAMES, expected

pytestmark = pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
DEFAULTS = {"database_idle_s": 10.0, "heartbeat_s": 2.0, "dead_after_s": 10.0, "poll_s": 1.0, "watch_s": 0.25}


class Server:
    """A PostgreSQL server of this test alone."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir()
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "test", "--auth", "trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "test", "test")

    def _run(self, *command: str) -> None:
        program = [str(self.binaries / command[0]), *command[1:]]
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run([*as_postgres, *program], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def start(self) -> None:
        where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", where, "start")

    def stop(self) -> None:
        """At once, like a power cut."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@pytest.fixture
def server() -> Iterator[Server]:
    found = subprocess.run(["pg_config", "--bindir"], check=False, capture_output=True, text=True)
    binaries = next(
        (
            path
            for path in (Path(found.stdout.strip()), *sorted(Path("/usr/lib/postgresql").glob("*/bin")))
            if (path / "initdb").exists() and (path / "pg_ctl").exists()
        ),
        None,
    )
    if binaries is None:
        pytest.skip("no initdb and pg_ctl on this machine")
    folder = Path("/tmp") / f"bespoke-postgres-{os.getpid()}"
    made = Server(binaries, folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("away_s", [1.0, 4.0])
def test_a_database_that_restarts_in_the_middle_of_a_job(server: Server, tmp_path: Path, away_s: float) -> None:
    """Down for less, and for longer, than makes a worker dead."""
    with a_house(f"postgresql+psycopg://test@127.0.0.1:{server.port}/test", tmp_path) as house:
        house.start()
        job_id = house.add(step_s=2.0)
        house.until(lambda: house.started(job_id, "train"))
        time.sleep(0.5)
        server.stop()
        time.sleep(away_s)
        server.start()
        row = house.ended(job_id, within_s=60)
        assert row.state == "succeeded", house.logs()
        assert house.result(job_id) == expected()
        assert [data["step"] for data in house.kinds(job_id, "step-finished")] == list(NAMES)


def test_takeover_with_the_settings_that_users_have(house: House, tmp_path: Path) -> None:
    """`kill -9`, never to come back: another worker goes on within 15 s."""
    with a_house(house.settings.database_url, tmp_path / "own", house.settings.engine_schema, **DEFAULTS) as usual:
        usual.start_two()
        job_id = usual.add(step_s=3.0)
        usual.until(lambda: usual.started(job_id, "train"))
        usual.kill(usual.holder(job_id))
        took = usual.until(lambda: usual.started(job_id, "train", attempt=2), within_s=30)
        print(f"taken over after {took:.1f} s")  # noqa: T201
        assert took < 15
        assert usual.ended(job_id).state == "succeeded", usual.logs()
