"""Problem: what an answer says when something is wrong (RFC 9457), and the kinds there are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
_URN = "urn:bespoke:problem:"

TITLES: dict[str, str] = {
    "invalid-request": "The request does not hold what it must",
    "invalid-json": "The body is not JSON",
    "invalid-profile": "The figures of the device profile contradict each other",
    "invalid-architecture": "The layers do not fit together",
    "invalid-design": "The precision policy or the pruning plan does not fit the architecture",
    "invalid-genotype": "The vector is not a member of its space",
    "task-too-small": "The space cannot expand for pictures this small",
    "task-mismatch": "The design and the task do not belong together",
    "invalid-model": "The uploaded model cannot be read",
    "unsupported-model": "The uploaded model has operators that are not supported",
    "unknown-name": "A name is not known",
    "no-usable-space": "No space has designs for this task that the device can run",
    "no-library": "No library of designs was made for the spaces and the task asked for",
    "infeasible-constraints": "No design found keeps every limit on this device",
    "front-not-drawable": "The front around the design can no longer be drawn",
    "not-found": "There is nothing at this address",
    "method-not-allowed": "This address does not take this method",
    "invalid-csv": "The table does not hold what it must",
    "device-has-measurements": "A device with measurements is deleted only together with them",
    "too-many-measurements": "The device has as many measurements as one can have",
    "catalogue-device": "A device of the catalogue cannot be changed",
    "body-too-large": "The body is larger than this service takes",
    "unsupported-media-type": "The body must be JSON, or an ONNX file where models are taken",
    "idempotency-mismatch": "The Idempotency-Key was used with another body",
    "idempotency-in-progress": "The first request with this Idempotency-Key is still being answered",
    "foreign-form": "A form was sent from a page of another site",
    "host-not-allowed": "The Host header names a host that this service does not serve",
    "foreign-page": "A page of another site sent the request",
    "key-needed": "An API key is needed",
    "scope-needed": "The API key does not allow this",
    "too-many-requests": "The API key sends too many requests",
    "busy": "Too many requests are waiting",
    "database-busy": "The database did not answer in time",
    "not-ready": "The service is not ready",
    "invalid-dataset": "The file does not hold a data set",
    "dataset-in-use": "A job needs the data set",
    "name-taken": "The name is in use",
    "disk-full": "There is no room to store it",
    "too-many-jobs": "Too many jobs wait and run",
    "job-ended": "The job has ended",
    "job-not-ended": "The job has not ended",
    "job-not-failed": "The job has not failed",
    "internal-error": "The service failed",
}


def _none(value: object) -> bool:
    return value is None


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str | None = Field(None, exclude_if=_none, description="JSON pointer (RFC 6901) into the body")
    parameter: str | None = Field(None, exclude_if=_none, description="name of the query, path or header parameter")
    row: int | None = Field(None, exclude_if=_none, description="line of a CSV table, counted from 1")
    column: str | None = Field(None, exclude_if=_none, description="column of a CSV table")
    must: str = Field(description="what must hold")
    got: str = Field(description="what came, shortened")
    way_out: str | None = Field(None, exclude_if=_none, description="what the caller can do")


class Problem(BaseModel):
    """A problem document; some types carry further members."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": f"{_URN}invalid-request",
                "title": TITLES["invalid-request"],
                "status": 422,
                "detail": "/limits/latency_ms must be greater than 0, but got -5.",
                "instance": "/v1/designs",
                "request_id": "req_0ngzk3yb7k0v8m3fq6w5c2d9xh",
                "errors": [{"pointer": "/limits/latency_ms", "must": "must be greater than 0", "got": "-5"}],
            }
        },
    )

    type: str = Field(description="stable name of the kind of problem")
    title: str
    status: int
    detail: str
    instance: str = Field(description="path of the request")
    request_id: str = Field(description="quote it when reporting; the log lines carry it")
    errors: list[Fault] = Field(default=[], description="every fault found in the request")


class Refusal(Exception):
    """Raised anywhere in the service to answer a request with a problem document.

    Args:
        slug: A key of TITLES.
        status: HTTP status.
        detail: What is wrong this time, for people.
        faults: What is wrong with the request, place by place.
        headers: Further headers of the answer.
        more: Further members of the document.
    """

    def __init__(
        self,
        slug: str,
        status: int,
        detail: str,
        *,
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.slug, self.status, self.detail = slug, status, detail
        self.faults, self.headers, self.more = faults or [], headers or {}, more or {}
        super().__init__(detail)


def problem_document(refusal: Refusal, *, instance: str, request_id: str) -> dict[str, Any]:
    """The document as JSON values."""
    problem = Problem(
        type=_URN + refusal.slug,
        title=TITLES[refusal.slug],
        status=refusal.status,
        detail=refusal.detail,
        instance=instance,
        request_id=request_id,
        errors=refusal.faults,
    )
    return problem.model_dump(mode="json") | refusal.more


def not_found(what: str, name: str) -> Refusal:
    """404 for something the path names."""
    return Refusal("not-found", 404, f"There is no {what} {shown(name)}.")


def shown(value: object, longest: int = 80) -> str:
    """A value as it came, short enough to be read."""
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)} items"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    literals: dict[object, str] = {None: "null", True: "true", False: "false"}
    text = literals[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem documents for the OpenAPI description of an operation."""
    descriptions = {
        400: "Not JSON, or a Host that is not served",
        404: "Nothing there",
        409: "In conflict with what is stored or under way",
        413: "Body too large",
        415: "Neither JSON nor, where models are taken, ONNX by its Content-Type",
        422: "Something in the request does not hold",
        429: "Too many; try again later",
        503: "Not now; try again",
        507: "No room to store it",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": descriptions[status], "content": content} for status in statuses}
