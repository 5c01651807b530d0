"""/v1/jobs: train and compress a stored design."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.context import ContextDep
from service.idempotency import OnceDep
from service.jobs import events, operations
from service.jobs.schemas import EXAMPLE_REQUEST, ArtifactDocument, JobDocument, JobRequest
from service.jobs.states import JobState
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import responses

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "",
    name="create",
    summary="Train and compress a stored design",
    status_code=202,
    response_model=JobDocument,
    responses=responses(400, 409, 413, 415, 422, 429, 503),
)
def create_job(
    context: ContextDep, once: OnceDep, request: Annotated[JobRequest, Body(examples=[EXAMPLE_REQUEST])]
) -> Response:
    """Queues the job and answers at once; ask at `Location` again after `Retry-After` seconds, or follow its events."""
    return operations.create(context, once, request)


@router.get("", name="list", summary="All jobs", responses=responses(422))
def list_jobs(
    request: Request,
    context: ContextDep,
    state: Annotated[JobState | None, Query(description="only jobs in this state")] = None,
    design: Annotated[str | None, Query(max_length=40, pattern=r"^[^\x00-\x1f]*$")] = None,
    limit: LimitQuery = DEFAULT,
    cursor: CursorQuery = None,
) -> Page[JobDocument]:
    """Newest first."""
    found, after = operations.listed(context, state, design, limit, cursor)
    return page(found, after, request)


@router.get("/{job_id}", name="get", summary="One job", responses=responses(404))
def get_job(context: ContextDep, job_id: str, response: Response) -> JobDocument:
    """State, step, progress, and the reason if it failed."""
    found = operations.find(context, job_id)
    if not found.state.ended:
        response.headers["Retry-After"] = operations.LOOK_AGAIN_S
    return found


@router.get(
    "/{job_id}/events",
    name="events",
    summary="Follow a job (server-sent events)",
    response_class=StreamingResponse,
    responses=responses(404, 422)
    | {
        200: {"description": "`id` counts from 1, `data` is a JobEvent", "content": {events.MEDIA_TYPE: {}}},
        204: {"description": "The job has ended and all its events were sent: do not ask again"},
    },
)
async def follow_job(
    context: ContextDep,
    job_id: str,
    last_event_id: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=1 << 31, description="go on behind this event")
    ] = 0,
) -> Response:
    """All events so far, then each as it happens, until the job ends; any replica can go on where one left off."""
    found, ended = await asyncio.to_thread(events.read, context, job_id, last_event_id)
    if ended and not found:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        events.stream(context, job_id, last_event_id), headers=headers, media_type=events.MEDIA_TYPE
    )


@router.post(
    "/{job_id}/cancel",
    name="cancel",
    summary="Cancel a job",
    status_code=202,
    response_model=JobDocument,
    responses=responses(404, 409, 503),
)
def cancel_job(context: ContextDep, once: OnceDep, job_id: str) -> Response:
    """Its trainer ends within a second; a second time changes nothing."""
    return operations.cancel(context, once, job_id)


@router.post(
    "/{job_id}/retry",
    name="retry",
    summary="Retry a job",
    status_code=202,
    response_model=JobDocument,
    responses=responses(404, 409, 503),
)
def retry_job(context: ContextDep, once: OnceDep, job_id: str) -> Response:
    """A failed or cancelled job goes on behind its last finished step."""
    return operations.retry(context, once, job_id)


@router.get(
    "/{job_id}/logs",
    name="logs",
    summary="What the trainers wrote",
    response_class=StreamingResponse,
    responses=responses(404) | {200: {"description": "Text", "content": {"text/plain": {}}}},
)
def get_logs(context: ContextDep, job_id: str) -> Response:
    """Step by step, the newest megabyte of each."""
    return StreamingResponse(operations.logs(context, job_id), media_type="text/plain; charset=utf-8")


@router.get("/{job_id}/artifacts", name="artifacts", summary="Files that a job made", responses=responses(404))
def list_artifacts(request: Request, context: ContextDep, job_id: str) -> Page[ArtifactDocument]:
    """By name; all on one page."""
    return page(operations.artifacts(context, job_id), None, request)


@router.delete(
    "/{job_id}", name="delete", summary="Delete an ended job", status_code=204, responses=responses(404, 409)
)
def delete_job(context: ContextDep, job_id: str) -> None:
    """With its events, logs and files; a file that another job made too stays."""
    operations.remove(context, job_id)
