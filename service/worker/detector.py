"""Failure detector: jobs of dead workers go back into the queue, and jobs that fell between two stools too.

The live worker with the smallest id does it. Two at once, or one that judges a slow worker dead, cost repeated work
only: the engine refuses results of a former owner, and the ledger its writes.
"""

from __future__ import annotations

import structlog
from sqlalchemy import select

from service.database import Database
from service.jobs.engine import Queue
from service.jobs.states import UNFINISHED
from service.models import JobRow


def take_over(queue: Queue, alive: set[str]) -> list[str]:
    """Put the jobs of workers that are not alive into the queue again.

    Returns:
        Their ids.
    """
    taken = []
    for job in queue.running().values():
        if job.executor not in alive and job.queue is not None:
            structlog.get_logger().warning("taking over", job_id=job.job_id, dead=job.executor)
            queue.requeue(job.job_id, queue=job.queue)
            taken.append(job.job_id)
    return taken


def mend(database: Database, queue: Queue) -> list[str]:
    """Enqueue jobs that should run but that the engine has ended: a process died between two transactions.

    Returns:
        Their ids.
    """
    states = [state.value for state in UNFINISHED]
    with database.reading() as session:
        rows = session.execute(select(JobRow.id, JobRow.queue).where(JobRow.state.in_(states))).all()
    found = queue.find(job_id for job_id, _ in rows)
    stray = [(job_id, name) for job_id, name in rows if job_id in found and not found[job_id].active]
    mended = []
    for job_id, name in stray:
        with database.reading() as session:  # again: it may have ended since
            row = session.get(JobRow, job_id)
        if row is not None and row.state in states:
            structlog.get_logger().warning("enqueued again", job_id=job_id)
            queue.again(job_id, steps_done=row.steps_done, queue=name)
            mended.append(job_id)
    return mended
