"""What can be done with jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from design.design import Design
from design.task import TASKS
from service.context import Context, JobDesk
from service.datasets import repository as datasets
from service.designs import repository as designs
from service.errors import at
from service.idempotency import Once, Record, Reply
from service.jobs import repository
from service.jobs.schemas import (
    ArtifactDocument,
    ArtifactLinks,
    JobDocument,
    JobLinks,
    JobRequest,
)
from service.jobs.states import EventKind, JobState
from service.models import ArtifactRow, DatasetRow, DesignRow, JobRow
from service.problems import Fault, Refusal, not_found, shown
from service.worker.logs import read_logs

LOOK_AGAIN_S = "2"


class Nothing(BaseModel):
    """The body of a request without one."""


def create(context: Context, once: Once, request: JobRequest) -> Response:
    """Store a job and put it into the queue, both or neither."""

    def work(record: Record) -> Reply:
        with context.database.writing() as session:
            most = context.settings.unfinished_jobs
            if repository.unfinished(session) >= most:
                detail = f"At most {most} jobs may wait and run at once; try again when one has ended."
                raise Refusal("too-many-jobs", 429, detail, headers={"Retry-After": "60"})
            design = designs.find(session, request.design)
            if design is None:
                raise _fault("/design", "must be the id of a stored design", request.design)
            dataset = _dataset(session, design, request.dataset)
            row = repository.add(
                session,
                design_id=design.id,
                dataset=str(dataset["name"]),
                queue=request.accelerator,
                priority=request.priority,
                options=request.options.model_dump(mode="json"),
                subject=_subject(design, dataset),
            )
            context.desk.queue.add(session, row.id, queue=row.queue, priority=row.priority)
            reply = _reply(row)
            record(session, reply)
        return reply

    response = once.answer(context, request, work)
    response.headers["Retry-After"] = LOOK_AGAIN_S
    return response


def find(context: Context, job_id: str) -> JobDocument:
    """One job.

    Raises:
        Refusal: There is none of that id.
    """
    with context.database.reading() as session:
        return _document(_row(repository.find(session, job_id), job_id))


def listed(
    context: Context, state: JobState | None, design_id: str | None, limit: int, cursor: str | None
) -> tuple[list[JobDocument], str | None]:
    """One page of jobs, newest first, and the cursor of the next one."""
    with context.database.reading() as session:
        rows, after = repository.listed(session, state=state, design_id=design_id, limit=limit, cursor=cursor)
        return [_document(row) for row in rows], after


def cancel(context: Context, once: Once, job_id: str) -> Response:
    """End a job; a cancelled one stays as it is.

    Raises:
        Refusal: There is none of that id, or it has ended otherwise.
    """

    def work(record: Record) -> Reply:
        with context.database.writing() as session:
            row = _row(repository.lock(session, job_id), job_id)
            state = JobState(row.state)
            if state in (JobState.SUCCEEDED, JobState.FAILED):
                raise Refusal("job-ended", 409, f"The job has {state} already; there is nothing to cancel.")
            if state is not JobState.CANCELLED:
                repository.end(session, row, JobState.CANCELLED, EventKind.CANCELLED, {})
            reply = _reply(row)
            record(session, reply)
        context.desk.queue.cancel(job_id)
        return reply

    return once.answer(context, Nothing(), work)


def retry(context: Context, once: Once, job_id: str) -> Response:
    """Go on with a failed or cancelled job behind its last finished step.

    Raises:
        Refusal: There is none of that id, it has succeeded, or it has not ended.
    """

    def work(record: Record) -> Reply:
        with context.database.writing() as session:
            row = _row(repository.lock(session, job_id), job_id)
            if JobState(row.state) not in (JobState.FAILED, JobState.CANCELLED):
                detail = f"Only a failed or cancelled job can be retried; this one is {row.state}."
                raise Refusal("job-not-failed", 409, detail)
            row.state, row.error, row.finished_at, row.strikes, row.step = JobState.QUEUED.value, None, None, 0, None
            repository.append(session, row.id, EventKind.QUEUED, {"queue": row.queue, "retry": True})
            reply, steps_done, queue = _reply(row), row.steps_done, row.queue
            record(session, reply)
        context.desk.queue.again(job_id, steps_done=steps_done, queue=queue)
        return reply

    return once.answer(context, Nothing(), work)


def remove(context: Context, job_id: str) -> None:
    """Delete an ended job with its events, logs and work folder, and its files unless others have them too.

    Raises:
        Refusal: There is none of that id, or it has not ended.
    """
    desk = context.desk
    with context.database.writing() as session:
        row = _row(repository.lock(session, job_id), job_id)
        if not JobState(row.state).ended:
            raise Refusal(
                "job-not-ended", 409, f"Only an ended job can be deleted; it is {row.state}. Cancel it first."
            )
        digests = {one.digest for one in repository.artifacts(session, job_id)}
        session.delete(row)
        session.flush()
        kept = {digest for digest in digests if repository.artifact_of(session, digest)}
        kept |= datasets.digests(session) & digests
    desk.queue.forget(job_id)
    for digest in digests - kept:
        desk.store.remove(digest)
    shutil.rmtree(context.settings.job_folder(job_id), ignore_errors=True)


def logs(context: Context, job_id: str) -> Iterator[bytes]:
    """What the trainers of a job wrote, step by step."""
    return read_logs(context.settings.log_folder(find(context, job_id).id))


def artifacts(context: Context, job_id: str) -> list[ArtifactDocument]:
    """The files that a job has made so far."""
    with context.database.reading() as session:
        _row(repository.find(session, job_id), job_id)
        return [_artifact(row) for row in repository.artifacts(session, job_id)]


def _dataset(session: Session, design: DesignRow, wanted: str | None) -> dict[str, Any]:
    """The data set of a job as its snapshot says it."""
    task = TASKS[design.task]
    if wanted is None:
        if not task.trainable:
            raise _fault(
                "/dataset", f"must be given: the task {task.name} is for predictions and designs only", "nothing"
            )
        return {"name": task.name}
    row = datasets.find(session, wanted)
    if row is None:
        raise _fault("/dataset", "must be the id or name of a registered data set", wanted)
    if tuple(row.shape) != task.input_shape or len(row.classes) != task.classes:
        must = f"must have pictures of {task.input_shape} (C x H x W) and {task.classes} classes, as the design does"
        raise _fault("/dataset", must, f"{tuple(row.shape)} and {len(row.classes)} classes")
    return dataset_snapshot(row)


def dataset_snapshot(row: DatasetRow) -> dict[str, Any]:
    """What a job keeps of a registered data set."""
    return {"id": row.id, "name": row.name, "digest": row.digest, "shape": row.shape, "classes": row.classes}


def _subject(design: DesignRow, dataset: dict[str, Any]) -> dict[str, Any]:
    """Snapshot of all that the steps need."""
    with at("/design"):
        Design.model_validate(design.design)
    names = ("id", "name", "digest", "task", "device", "limits", "energy_model", "versions", "design", "prediction")
    stored = {name: getattr(design, name) for name in names}
    return {f"design_{name}" if name in ("id", "name", "digest") else name: value for name, value in stored.items()} | {
        "dataset": dataset
    }


def _fault(pointer: str, must: str, got: str) -> Refusal:
    fault = Fault(pointer=pointer, must=must, got=shown(got))
    return Refusal("invalid-request", 422, f"{pointer} {must}, but got {shown(got)}.", faults=[fault])


def _row(row: JobRow | None, job_id: str) -> JobRow:
    if row is None:
        raise not_found("job", job_id)
    return row


def _document(row: JobRow) -> JobDocument:
    own = f"/v1/jobs/{row.id}"
    links = JobLinks(
        self=own,
        design=f"/v1/designs/{row.design_id}",
        events=f"{own}/events",
        logs=f"{own}/logs",
        artifacts=f"{own}/artifacts",
    )
    names = [name for name in JobDocument.model_fields if name not in ("links", "accelerator")]
    stored = {name: getattr(row, name) for name in names}
    return JobDocument.model_validate(stored | {"accelerator": row.queue, "links": links})


def _reply(row: JobRow) -> Reply:
    document = _document(row)
    return Reply(status=202, body=document.model_dump_json(), location=document.links.self)


def _artifact(row: ArtifactRow) -> ArtifactDocument:
    names = [name for name in ArtifactDocument.model_fields if name != "links"]
    links = ArtifactLinks(content=f"/v1/artifacts/{row.digest}")
    return ArtifactDocument.model_validate({name: getattr(row, name) for name in names} | {"links": links})


def desk_state(desk: JobDesk) -> str:
    """`ok`, or what is wrong with the engine."""
    try:
        desk.queue.check()
    except Exception as error:
        return f"does not answer ({type(error).__name__})"
    return "ok"
