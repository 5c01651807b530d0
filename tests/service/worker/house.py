"""A house of workers for tests: a database, a shared folder, and workers as processes that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select, text

from service.artifacts.store import Store
from service.database import Database
from service.jobs import engine, repository
from service.jobs.engine import VERSION, Queue
from service.jobs.states import EventKind, JobState
from service.models import ArtifactRow, JobEventRow, JobRow, WorkerRow
from service.settings import Settings
from service.upgrade import upgrade

ROOT = Path(__file__).parents[3]
WAIT_S = 60.0


@dataclass(kw_only=True)
class House:
    """A database with the engine's tables, a shared folder, and workers as processes."""

    settings: Settings
    database: Database
    queue: Queue
    workers: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    program: str = "tests.service.worker.synthetic"

    def add(self, subject: dict[str, Any] | None = None, /, **options: Any) -> str:
        """Store a job and enqueue it."""
        version = options.pop("version", VERSION)
        subject = subject or {"subject_name": "a design", "dataset": {"name": "digits"}}
        with self.database.writing() as session:
            row = repository.add(
                session, design_id="dsn_1", dataset="digits", queue="cpu", priority=1, options=options, subject=subject
            )
            self.queue.add(session, row.id, queue="cpu", priority=1, version=version)
            return row.id

    def start(self, slot: int = 0, *, version: str = VERSION, **settings: Any) -> subprocess.Popen[str]:
        """Start a worker in a slot of its own."""
        stated = json.loads(self.settings.model_dump_json()) | settings
        program = [sys.executable, "-m", self.program, json.dumps(stated), str(slot), version]
        log = (self.settings.data_folder / f"worker-{slot}.log").open("a")
        with log:
            worker = subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log, text=True)
        self.workers[slot] = worker
        return worker

    def start_two(self) -> None:
        """Start workers in slots 0 and 1 and wait until both take jobs."""
        for slot in (0, 1):
            self.start(slot)
        for slot in (0, 1):
            self.until(lambda slot=slot: "serves" in self.log(slot))  # type: ignore[misc]

    def cancel(self, job_id: str) -> None:
        """As the API does."""
        with self.database.writing() as session:
            row = repository.lock(session, job_id)
            assert row is not None
            repository.end(session, row, JobState.CANCELLED, EventKind.CANCELLED, {})
        self.queue.cancel(job_id)

    def holder(self, job_id: str) -> int:
        """Slot of the worker that has a job."""
        return int(str(self.row(job_id).worker).rpartition("-")[2])

    def log(self, slot: int) -> str:
        return (self.settings.data_folder / f"worker-{slot}.log").read_text()

    def kill(self, slot: int = 0) -> None:
        """`kill -9`."""
        self.workers[slot].kill()
        self.workers[slot].wait(10)

    def row(self, job_id: str) -> JobRow:
        with self.database.reading() as session:
            return session.get_one(JobRow, job_id)

    def until(self, condition: Callable[[], Any], *, within_s: float = WAIT_S) -> float:
        """Wait for a condition; how long it took."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < within_s, self.logs()
            time.sleep(0.02)
        return time.monotonic() - begun

    def ended(self, job_id: str, *, within_s: float = WAIT_S) -> JobRow:
        self.until(lambda: self.row(job_id).finished_at is not None, within_s=within_s)
        return self.row(job_id)

    def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        with self.database.reading() as session:
            found: list[JobEventRow] = list(repository.events(session, job_id))
        assert [one.number for one in found] == list(range(1, len(found) + 1))
        return [(one.kind, one.data) for one in found]

    def kinds(self, job_id: str, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events(job_id) if name == kind]

    def artifacts(self, job_id: str) -> list[ArtifactRow]:
        with self.database.reading() as session:
            return list(repository.artifacts(session, job_id))

    def workers_listed(self) -> list[int]:
        """Process ids of the workers that have announced themselves."""
        with self.database.reading() as session:
            return list(session.scalars(select(WorkerRow.pid)))

    def work(self, job_id: str) -> Path:
        return self.settings.work_folder(job_id)

    def trace(self, job_id: str) -> list[dict[str, Any]]:
        """One line for each start of a trainer."""
        path = self.work(job_id) / "trace.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def started(self, job_id: str, step: str, attempt: int = 1) -> bool:
        return any(line["step"] == step and line["attempt"] >= attempt for line in self.trace(job_id))

    def result(self, job_id: str) -> int:
        """What the last step gave, as the engine recorded it."""
        found: int = self.queue.results(job_id)[-1]["result"]["count"]
        return found

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self.settings.data_folder.glob("worker-*.log"))

    def store(self) -> Store:
        return Store(self.settings.data_folder / "artifacts", quota_bytes=1e9)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def a_house(database_url: str, folder: Path, schema: str = "dbos", **more: Any) -> Iterator[House]:
    """An empty database of that address with all tables, and no worker yet.

    At the end everything is stopped, and the tables of the engine are emptied but stay: they take seconds to make.
    """
    quick = {"database_idle_s": 4.0, "heartbeat_s": 0.2, "dead_after_s": 1.5, "poll_s": 0.1, "watch_s": 0.1}
    settings = Settings(
        database_url=database_url,
        data_folder=folder / "data",
        log_level="info",
        jobs=True,
        engine_schema=schema,
        grace_s=0.3,
        **quick | more,
    )
    settings.data_folder.mkdir(parents=True)
    database = Database(settings)
    upgrade(database)
    engine.prepare(settings)
    found = House(settings=settings, database=database, queue=Queue(settings))
    try:
        yield found
    finally:
        for worker in found.workers.values():
            if worker.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                worker.wait(10)
        found.queue.close()
        if not database.embedded:
            _empty(database, schema)
        database.close()


def _empty(database: Database, schema: str) -> None:
    with database.connection() as connection:
        names = set(inspect(connection).get_table_names(schema=schema)) - {"dbos_migrations"}
        connection.execute(text(f"TRUNCATE {', '.join(f'{schema}.{name}' for name in names)} CASCADE"))
