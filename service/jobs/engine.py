"""Engine: durable execution of jobs. This module alone imports DBOS.

A job is a workflow under the same id; each of its steps runs until its result is recorded, and after a death of the
worker the next one goes on behind the last recorded step. The engine's tables live in the database of the service,
so that a job and its place in the queue are stored in one transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, StepOptions, error
from sqlalchemy.orm import Session

from service.settings import Settings

NAME = "bespoke"
WORKFLOW = "job"
QUEUES = ("cpu", "cuda")
"""One queue for each kind of accelerator that a job may need."""
VERSION = "jobs-3"
"""Raise it when the sequence of steps changes: jobs begun under another version wait for a worker of theirs."""
ACTIVE = ("ENQUEUED", "DELAYED", "PENDING")

Json = dict[str, Any]
Work = Callable[[], Coroutine[Any, Any, Json]]


class Durable(Protocol):
    """Does a piece of work once for good: after a restart the recorded result is given back in its place."""

    async def __call__(self, name: str, work: Work) -> Json:
        """The result of the work, from now or from before."""


Body = Callable[[str, Durable], Awaitable[None]]
"""What a worker does with the job of an id."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where the engine stands with one job."""

    job_id: str
    status: str
    queue: str | None
    executor: str | None

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ACTIVE


def prepare(settings: Settings) -> None:
    """Make the engine's tables and queues, or bring them to the state that this version needs."""
    logging.getLogger("dbos").setLevel(logging.ERROR)
    DBOS.migrate(settings.database_url, schema=settings.engine_schema)
    client = _client(settings)
    for name in QUEUES:
        client.register_queue(name, worker_concurrency=1, polling_interval_sec=settings.poll_s)
    client.destroy()


def _client(settings: Settings) -> DBOSClient:
    return DBOSClient(
        system_database_url=settings.database_url,
        dbos_system_schema=settings.engine_schema,
        serializer=DBOSPortableJSONSerializer(),
        application_name=NAME,
        lazy=True,
        retry_connection_errors=False,
        sys_db_idle_transaction_timeout_sec=settings.database_idle_s,
    )


class Queue:
    """The engine as seen by processes that run no jobs: put in, cancel, go on, look."""

    def __init__(self, settings: Settings) -> None:
        self._client = _client(settings)

    def add(self, session: Session, job_id: str, *, queue: str, priority: int, version: str = VERSION) -> None:
        """Enqueue within the transaction of the session; a second time changes nothing.

        Args:
            session: A writing transaction on the database of the service.
            job_id: The job, and the workflow.
            queue: One of QUEUES.
            priority: Smaller is sooner.
            version: Workers of this version take it.
        """
        self._client.enqueue_in_transaction(
            session,
            {
                "workflow_name": WORKFLOW,
                "queue_name": queue,
                "workflow_id": job_id,
                "app_version": version,
                "priority": priority,
            },
            job_id,
        )

    def cancel(self, job_id: str) -> None:
        """Let nobody go on with it."""
        self._client.cancel_workflow(job_id)

    def again(self, job_id: str, *, steps_done: int, queue: str) -> None:
        """Enqueue an ended job once more, to go on behind its first `steps_done` steps; no effect on an active one."""
        if self.find([job_id])[job_id].active:
            return
        try:
            self._client.rewind_workflow(job_id, start_step=steps_done + 1, queue_name=queue)
        except error.DBOSException:
            if not self.find([job_id])[job_id].active:  # else somebody was quicker: the API, or the detector
                raise

    def requeue(self, job_id: str, *, queue: str) -> None:
        """Take an active job from the worker that holds it: the next free one goes on."""
        self._client.resume_workflow(job_id, queue_name=queue)

    def find(self, job_ids: Iterable[str]) -> dict[str, Execution]:
        """Where the engine stands with these jobs; unknown ones are left out."""
        wanted = list(job_ids)
        return self._list(workflow_ids=wanted) if wanted else {}

    def running(self, executor: str | None = None) -> dict[str, Execution]:
        """The jobs that workers hold, or that one of them does."""
        return self._list(status=["PENDING"], executor_id=executor) if executor else self._list(status=["PENDING"])

    def _list(self, **wanted: Any) -> dict[str, Execution]:
        found = self._client.list_workflows(name=WORKFLOW, load_input=False, load_output=False, **wanted)
        return {
            one.workflow_id: Execution(
                job_id=one.workflow_id, status=one.status, queue=one.queue_name, executor=one.executor_id
            )
            for one in found
        }

    def forget(self, job_id: str) -> None:
        """Delete what is recorded of an ended job."""
        if self.find([job_id]):
            self._client.delete_workflow(job_id)

    def results(self, job_id: str) -> list[Json]:
        """What the recorded steps of a job gave, in their order."""
        steps = self._client.list_workflow_steps(job_id)
        return [step["output"] for step in steps if step["output"] is not None]

    def check(self) -> None:
        """See that the engine's tables are there and answer."""
        self._client.list_workflows(name=WORKFLOW, workflow_ids=["none"], load_input=False, load_output=False)

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()


class Engine:
    """The engine of one worker process; there is one in a process."""

    def __init__(
        self, settings: Settings, *, executor: str, queues: Iterable[str], body: Body, version: str = VERSION
    ) -> None:
        """Nothing runs before `start`.

        Args:
            settings: Where the database is, and how often to look for jobs.
            executor: Name of this worker, the same after a restart and of no other.
            queues: Queues that it serves.
            body: What is done with a job; its steps must be asked for in the same order each time.
            version: Jobs of this version are taken.
        """
        DBOS(
            config=DBOSConfig(
                name=NAME,
                system_database_url=settings.database_url,
                dbos_system_schema=settings.engine_schema,
                application_version=version,
                executor_id=executor,
                use_listen_notify=True,
                run_migrations=False,
                log_level="ERROR",
                serializer=DBOSPortableJSONSerializer(),
                sys_db_pool_size=5,
                sys_db_idle_transaction_timeout_sec=settings.database_idle_s,
            )
        )
        DBOS.listen_queues(tuple(queues))

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        async def job(job_id: str) -> None:
            await body(job_id, _durable)

    def start(self) -> None:
        """Go on with the jobs that this worker held when it died, and take new ones."""
        DBOS.launch()

    def stop(self) -> None:
        """Take nothing more and leave what runs where it is."""
        thread = threading.Thread(target=DBOS.destroy, name="engine-stop", daemon=True)
        thread.start()
        thread.join(5.0)  # a step that does not end keeps its loop; the process ends without it


async def _durable(name: str, work: Work) -> Json:
    return await DBOS.run_step_async(StepOptions(name=name), work)
