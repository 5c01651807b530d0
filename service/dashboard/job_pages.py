"""The pages of jobs: the list, one job, its report, and the form of a design's page that begins one."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from pydantic import ValidationError

from service.context import ContextDep
from service.dashboard.jobs_page import REPORT, job_list, job_page
from service.dashboard.measurement_form import is_ours
from service.dashboard.rendering import problem, render
from service.idempotency import Once
from service.jobs import operations, repository
from service.jobs.schemas import JobRequest
from service.problems import Refusal, shown

REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
router = APIRouter()


async def form_fields(request: Request) -> dict[str, str]:
    """Fields of a form (application/x-www-form-urlencoded) that one of our own pages sent.

    Raises:
        Refusal: It comes from elsewhere.
    """
    if not is_ours(request):
        detail = "A form must be sent from a page of this service; programs use POST /v1/jobs."
        raise Refusal("foreign-form", 403, detail)
    text = (await request.body()).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text, max_num_fields=20).items()}


FieldsDep = Annotated[dict[str, str], Depends(form_fields)]


@router.get("/jobs", name="jobs_page")
def list_jobs(context: ContextDep, cursor: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """Jobs, newest first; a cursor that does not fit begins again."""
    with context.database.reading() as session:
        try:
            page = job_list(session, cursor or None)
        except Refusal:
            page = job_list(session, None)
    return render("jobs.html", section="jobs", on=context.jobs is not None, page=page)


@router.post("/jobs", name="start_form")
def start_job(context: ContextDep, fields: FieldsDep) -> Response:
    """Begin the job that a design's page asks for, then show it."""
    design = fields.get("design", "")
    back, back_text = f"/designs/{design}" if design.isalnum() or "_" in design else "/", "Back to the design"
    if context.jobs is None:
        return problem("No jobs here", "This service takes no jobs.", status=409, back=back, back_text=back_text)
    try:
        request = JobRequest.model_validate(
            {"design": design, "options": {"preset": fields.get("preset", "standard")}}
            | ({"dataset": fields["dataset"]} if fields.get("dataset") else {})
        )
        stored = operations.create(context, Once("", None), request)
    except ValidationError as error:
        detail = "; ".join(str(one["msg"]) for one in error.errors())
        return problem("No job was begun", detail, status=422, back=back, back_text=back_text)
    except Refusal as refusal:
        return problem("No job was begun", refusal.detail, status=refusal.status, back=back, back_text=back_text)
    return RedirectResponse(str(stored.headers["location"]).removeprefix("/v1"), status_code=303)


@router.get("/jobs/{job_id}", name="job_page")
def show_job(context: ContextDep, job_id: str) -> HTMLResponse:
    """One job: how far it is, what it made, and how that compares with what was predicted."""
    with context.database.reading() as session:
        page = job_page(session, job_id)
    if page is None:
        return _nothing(job_id)
    return render("job.html", section="jobs", page=page)


@router.get("/jobs/{job_id}/report", name="job_report")
def show_report(context: ContextDep, job_id: str) -> Response:
    """The report of a job as it was made, without scripts."""
    with context.database.reading() as session:
        files = repository.artifacts(session, job_id) if job_id.isprintable() else ()
        digest = next((one.digest for one in files if one.name == REPORT), None)
    path = context.jobs.store.find(digest) if context.jobs is not None and digest is not None else None
    if path is None:
        return _nothing(job_id)
    headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-cache"}
    return FileResponse(path, media_type="text/html", headers=headers)


def _nothing(job_id: str) -> HTMLResponse:
    detail = f"There is no job {shown(job_id)} that has this; it may have been deleted."
    return problem("No such job", detail, status=404, back="/jobs", back_text="To the jobs")
