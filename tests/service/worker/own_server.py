"""A PostgreSQL server for one test, to be stopped and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


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


@contextmanager
def own_server() -> Iterator[Server]:
    """Skips the test where the programs of a server are not to be had."""
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
