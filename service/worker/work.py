"""Work: a worker process from its start to its orderly end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import structlog
from sqlalchemy.exc import DBAPIError

from service.artifacts.store import Store
from service.database import Database
from service.jobs import engine
from service.settings import Settings
from service.worker.detector import mend, take_over
from service.worker.ledger import AWAY, Ledger
from service.worker.pipeline import Runner
from service.worker.presence import Presence, Replaced, forget, live
from service.worker.slots import slot
from service.worker.steps import Pipeline

GIGABYTE = 1e9
END_WAIT_S = 5.0


@dataclass(kw_only=True)
class Worker:
    """A worker: takes jobs of its queues, says that it is alive, and takes over from the dead.

    Attributes:
        stop: Set it to have the worker end in order.
    """

    settings: Settings
    pipeline: Pipeline
    queues: tuple[str, ...]
    version: str = engine.VERSION
    stop: threading.Event = field(default_factory=threading.Event)
    _unsteady_at: float = float("-inf")

    def run(self, *, number: int | None = None, say: Callable[[str], None]) -> None:
        """Work until told to stop.

        Args:
            number: Slot on this host; None = the smallest that is free.
            say: Told the worker's id once it takes jobs.

        Raises:
            SlotTaken: Another worker of this host has the slot.
            Replaced: Another process took this worker's id.
        """
        database = Database(self.settings)
        engine.prepare(self.settings)
        with slot(self.settings.data_folder / "slots", number) as name:
            try:
                self._serve(database, name, say)
            finally:
                database.close()

    def _serve(self, database: Database, name: str, say: Callable[[str], None]) -> None:
        settings = self.settings
        ledger = Ledger(database, worker=name, job_strikes=settings.job_strikes)
        store = Store(settings.data_folder / "artifacts", quota_bytes=settings.artifact_gb * GIGABYTE)
        runner = Runner(settings=settings, ledger=ledger, store=store, pipeline=self.pipeline)
        presence = Presence(database, worker=name, pid=os.getpid(), queues=self.queues, version=self.version)
        presence.announce()
        queue = engine.Queue(settings)
        own = engine.Engine(settings, executor=name, queues=self.queues, body=runner.run, version=self.version)
        own.start()
        watcher = threading.Thread(target=self._look_after, args=(database, name, queue), name="detector", daemon=True)
        watcher.start()
        say(f"Worker {name} serves {', '.join(self.queues)} (Ctrl-C stops it)")
        replaced: Replaced | None = None
        try:
            self._beat(presence)
        except Replaced as error:
            replaced = error
        self.stop.set()
        watcher.join(END_WAIT_S)
        self._end(runner, own, queue, name)
        queue.close()
        if replaced is not None:
            raise replaced
        presence.leave()

    def _beat(self, presence: Presence) -> None:
        """Say that we are alive until told to stop."""
        last = time.time()
        while not self.stop.wait(self.settings.heartbeat_s):
            try:
                presence.beat()
            except (*AWAY, DBAPIError) as error:
                _say_away(error)
                continue
            if time.time() - last > self.settings.dead_after_s / 2:
                self._unsteady_at = time.monotonic()  # the database or this host was away: others only seem dead
            last = time.time()

    def _look_after(self, database: Database, name: str, queue: engine.Queue) -> None:
        """Look after the jobs of the dead, if we are the first of the living, until told to stop."""
        settings = self.settings
        while not self.stop.wait(settings.heartbeat_s):
            if time.monotonic() - self._unsteady_at < settings.dead_after_s:
                continue
            try:
                alive = live(database, within_s=settings.dead_after_s)
                if alive[:1] == [name]:
                    take_over(queue, set(alive))
                    mend(database, queue)
                    forget(database)
            except (*AWAY, DBAPIError) as error:
                _say_away(error)
            except Exception:  # nobody else would look after the dead
                structlog.get_logger().exception("detector")

    def _end(self, runner: Runner, own: engine.Engine, queue: engine.Queue, name: str) -> None:
        """Let the present step end or put it down, then give its job to the others."""
        runner.stopping.set()
        waited = time.monotonic()
        while runner.in_hand and time.monotonic() - waited < self.settings.grace_s + END_WAIT_S:
            time.sleep(0.05)
        own.stop()
        try:
            for job in queue.running(name).values():
                if job.queue is not None:
                    queue.requeue(job.job_id, queue=job.queue)
        except AWAY as error:  # the others find out by themselves
            _say_away(error)


def _say_away(error: Exception) -> None:
    structlog.get_logger().warning("database away", error=str(error).splitlines()[0])


def stop_at_signals(stop: threading.Event) -> None:
    """Set `stop` at Ctrl-C or SIGTERM; a second one ends the process at once."""

    def told(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
