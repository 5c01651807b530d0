"""Events of a job as server-sent events: read from the database, so that any replica can go on where one left off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from service.context import Context
from service.jobs import repository
from service.jobs.schemas import JobEvent
from service.jobs.states import LAST, EventKind
from service.models import JobEventRow
from service.problems import not_found

LOOK_EVERY_S = 0.5
SILENCE_S = 15.0
"""After this long without an event a comment is sent, so that nothing in between takes the connection for dead."""
MEDIA_TYPE = "text/event-stream"


def read(context: Context, job_id: str, after: int) -> tuple[Sequence[JobEventRow], bool]:
    """Events behind the one of number `after`, and whether nothing can follow them.

    Raises:
        Refusal: There is no job of that id.
    """
    with context.database.reading() as session:
        job = repository.find(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        found = repository.events(session, job_id, after=after)
        last = found[-1] if found else repository.last_event(session, job_id)
        ended = job.finished_at is not None and last is not None and EventKind(last.kind) in LAST
        return found, ended


async def stream(context: Context, job_id: str, after: int) -> AsyncIterator[bytes]:
    """The events of a job as they happen, until it ends."""
    spoke = time.monotonic()
    while True:
        try:
            found, ended = await asyncio.to_thread(read, context, job_id, after)
        except Exception:  # the client asks again, another replica if need be, and goes on behind the last id
            return
        for row in found:
            after, spoke = row.number, time.monotonic()
            yield _line(row)
        if ended:
            return
        if time.monotonic() - spoke >= SILENCE_S:
            spoke = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_EVERY_S)


def _line(row: JobEventRow) -> bytes:
    event = JobEvent(number=row.number, at=row.at, kind=EventKind(row.kind), data=row.data)
    return f"id: {row.number}\nevent: {row.kind}\ndata: {event.model_dump_json()}\n\n".encode()
