"""Serving: the application on a socket that is bound before anything is promised."""

from __future__ import annotations

import errno
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import uvicorn
from sqlalchemy.exc import ArgumentError, DBAPIError

from design.errors import BespokeError
from service.app import create_app
from service.auth import check_binding, is_loopback
from service.database import Database
from service.keys.repository import count_valid
from service.settings import Settings
from service.worker.embedded import embedded_worker

PORTS_TRIED = 50
"""Ports tried from the one asked for, where the next free one will do."""
START_WAIT_S = 120.0
STOP_WAIT_S = 5.0
WARM_UP = ("cifar10",)
"""Tasks that `bespoke serve` warms up for, where the environment names none."""


class PortTaken(BespokeError):
    """The port is in use by another process, or not ours to bind."""


class StartFailed(BespokeError):
    """The service ended before it could answer."""


class DatabaseUnusable(BespokeError):
    """The database cannot be opened or does not answer."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a running service is reached."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """`http://127.0.0.1:8080`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def settings_for(host: str, port: int, database_url: str | None, **more: Any) -> Settings:
    """Settings of the environment with those given on the command line on top.

    Raises:
        OpenBinding: `host` can be reached from other machines, and there is no API key.
    """
    stated: dict[str, Any] = {"host": host, "port": port} | more
    if database_url:
        stated["database_url"] = database_url
    settings = Settings(**stated)
    if not is_loopback(host):
        check_binding(host, valid_keys=_valid_keys(settings))
    name = f"[{host}]" if ":" in host else host
    if name not in settings.allowed_hosts:
        settings = Settings(**stated, allowed_hosts=(*settings.allowed_hosts, name))
    return settings


def _valid_keys(settings: Settings) -> int:
    """API keys that let somebody in; none where the database has no place for them yet."""
    check_database(settings)
    database = Database(settings)
    try:
        return count_valid(database)
    except DBAPIError:
        return 0
    finally:
        database.close()


def check_database(settings: Settings) -> None:
    """See that the database answers, before anything is served from it.

    Raises:
        DatabaseUnusable: The address cannot be read, its driver is not installed, or nothing answers.
    """
    way_out = "Give --database-url as sqlite:///FILE or postgresql://USER@HOST:PORT/NAME (extra: postgres)."
    try:
        database = Database(settings)
        try:
            database.ping()
        finally:
            database.close()
    except DBAPIError as error:
        raise DatabaseUnusable("the database must answer", str(error.orig).strip().splitlines()[0], way_out) from error
    except (ArgumentError, ImportError, OSError) as error:
        raise DatabaseUnusable("the database must be one that can be opened", str(error), way_out) from error


def bind(host: str, port: int, *, tries: int = 1) -> socket.socket:
    """A listening-ready socket on the first free port from `port` on.

    Raises:
        PortTaken: None of `tries` ports is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(port + tries, 65_536)
    for candidate in range(port, last):
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, candidate))
            opened.listen(128)
            return opened
        except OSError as error:
            opened.close()
            if error.errno != errno.EADDRINUSE:
                raise PortTaken(f"port {candidate} on {host} must be ours to bind", str(error)) from error
    asked = f"port {port}" if tries == 1 else f"one of the ports {port} to {last - 1}"
    raise PortTaken(f"{asked} on {host} must be free", "a port in use", "Choose another with --port.")


def serve(*, host: str, port: int, database_url: str | None, say: Callable[[str], None]) -> None:
    """Migrate the database and serve until Ctrl-C or SIGTERM.

    Args:
        host: A loopback address; any other one where API keys exist.
        port: Port to listen on; 0 = any free one.
        database_url: SQLAlchemy address; None = as configured.
        say: Told the address once it is bound.

    Raises:
        OpenBinding: `host` can be reached from other machines, and there is no API key.
        DatabaseUnusable: The database does not answer.
        PortTaken: The port is in use.
    """
    stated = Settings().model_fields_set
    more = {} if "warm_up" in stated else {"warm_up": WARM_UP}
    settings = settings_for(host, port, database_url, **more)
    check_database(settings)
    opened = bind(host, port)
    say(f"Bespoke at {Address(host=host, port=opened.getsockname()[1]).url} (Ctrl-C stops it)")
    try:
        with beside(settings):
            server = _server(settings)
            gc.freeze()  # 400,000 objects of imported libraries: looking through them takes .2 s of a request
            server.run(sockets=[opened])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and passes the signal on
    finally:
        opened.close()


@contextmanager
def background(settings: Settings, opened: socket.socket) -> Iterator[Address]:
    """The service, without a worker, in a thread of its own while the block runs; it is shut down in order at the end.

    Raises:
        DatabaseUnusable: The database does not answer.
        StartFailed: It ended before it could answer, or takes too long.
    """
    check_database(settings)
    server = _server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, name="bespoke-service", daemon=True)
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(int(START_WAIT_S / 0.02)):
            if server.started or not thread.is_alive():
                break
            pause.wait(0.02)
        if not server.started:
            raise StartFailed("the service must start", "an early end", "Its log above has the reason.")
        host, port = opened.getsockname()[:2]
        yield Address(host=host, port=port)
    finally:
        server.should_exit = True
        thread.join(STOP_WAIT_S + 1)
        opened.close()


def beside(settings: Settings) -> AbstractContextManager[None]:
    """A worker of its own where jobs are taken and the database is embedded: one machine, nothing else to start."""
    own = settings.jobs and settings.database_url.startswith("sqlite")
    return embedded_worker(settings) if own else nullcontext()


def _server(settings: Settings) -> uvicorn.Server:
    """Logs are the application's own, one line a request."""
    config = uvicorn.Config(
        create_app(settings),
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(STOP_WAIT_S),
    )
    return uvicorn.Server(config)
