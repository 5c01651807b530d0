"""Embedded: a worker process beside the service, started again when it dies, for one machine without further care."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service.settings import Settings

PAUSE_S = 2.0
"""Before a worker that died is started again."""
STOP_WAIT_S = 10.0


@contextmanager
def embedded_worker(settings: Settings, queue: str = "cpu") -> Iterator[None]:
    """A worker for one queue while the block runs; it stops in order at the end, and when this process dies."""
    stop = threading.Event()
    thread = threading.Thread(target=_keep_up, args=(settings, queue, stop), name="embedded-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(settings.grace_s + 2 * STOP_WAIT_S)


def _keep_up(settings: Settings, queue: str, stop: threading.Event) -> None:
    """Runs in one thread, which the worker takes for its parent."""
    own = [sys.executable, "-m", "service.worker.alone", str(os.getpid()), queue]
    environment = os.environ | {
        "BESPOKE_DATABASE_URL": settings.database_url,
        "BESPOKE_DATA_FOLDER": str(settings.data_folder.resolve()),
        "BESPOKE_LOG_LEVEL": settings.log_level,
        "BESPOKE_JOBS": "true",
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    while not stop.is_set():
        worker = subprocess.Popen(own, env=environment, stdout=subprocess.DEVNULL)
        while worker.poll() is None and not stop.wait(0.2):
            pass
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(settings.grace_s + STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            return
        structlog.get_logger().warning("worker ended", status=worker.returncode)
        stop.wait(PAUSE_S)
