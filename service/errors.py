"""From exceptions to problem documents: where it is wrong, what must hold, what came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from design.errors import (
    BespokeError,
    InvalidArchitecture,
    InvalidDesign,
    InvalidGenotype,
    InvalidProfile,
    TaskTooSmall,
    UnknownName,
)
from networks.tracing.errors import InvalidModel, UnsupportedModel
from optimizer.fleet import UnlikeProblems
from optimizer.library import NoLibrary
from optimizer.repair import NoUsableSpace
from predictors.storage import InvalidWeights
from service.datasets.pictures import InvalidDataset
from service.faults import fault_of, faults_of, genuine, library_error
from service.gate import Busy
from service.problems import MEDIA_TYPE, Refusal, problem_document, shown

SLUGS: dict[type[BespokeError], str] = {
    InvalidModel: "invalid-model",
    UnsupportedModel: "unsupported-model",
    InvalidArchitecture: "invalid-architecture",
    InvalidDesign: "invalid-design",
    InvalidGenotype: "invalid-genotype",
    InvalidProfile: "invalid-profile",
    TaskTooSmall: "task-too-small",
    UnknownName: "unknown-name",
    NoUsableSpace: "no-usable-space",
    NoLibrary: "no-library",
    UnlikeProblems: "invalid-request",
    InvalidDataset: "invalid-dataset",
}


def add_handlers(app: FastAPI) -> None:
    """Make the application answer every exception with a problem document."""
    handlers: dict[Any, Any] = {
        Refusal: _refusal,
        RequestValidationError: _invalid,
        BespokeError: _library,
        HTTPException: _http,
        Busy: _busy,
        OperationalError: _database_busy,
        InternalError: _database_busy,
        PoolTimeout: _database_busy,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def respond(refusal: Refusal, path: str, request_id: str) -> Response:
    """The answer for a refusal."""
    document = problem_document(refusal, instance=path, request_id=request_id)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return Response(
        text.encode("utf-8", "backslashreplace"), refusal.status, headers=refusal.headers, media_type=MEDIA_TYPE
    )


def refused(error: BespokeError, pointer: str = "") -> Refusal:
    """The library's error about what stands at `pointer` of the body, as a refusal."""
    if isinstance(error, InvalidWeights):
        structlog.get_logger().error("weights", error=str(error))
        return internal_error()
    fault = fault_of(error, pointer + error.pointer)
    return Refusal(SLUGS.get(type(error), "invalid-request"), 422, str(error), faults=[fault])


@contextmanager
def at(pointer: str) -> Iterator[None]:
    """Whatever of the library's errors is raised inside is about what stands at `pointer` of the body."""
    try:
        yield
    except BespokeError as error:
        raise refused(error, pointer) from error


@contextmanager
def in_query(parameter: str) -> Iterator[None]:
    """Whatever of the library's errors is raised inside is about this query parameter."""
    try:
        yield
    except BespokeError as error:
        refusal = refused(error)
        for fault in refusal.faults:
            fault.pointer, fault.parameter = None, parameter
        raise refusal from error


@contextmanager
def below(pointer: str) -> Iterator[None]:
    """Whatever is refused inside is about what stands below `pointer` of the body."""
    try:
        yield
    except Refusal as refusal:
        for fault in refusal.faults:
            if fault.pointer is not None:
                fault.pointer = pointer + fault.pointer
        raise


def internal_error() -> Refusal:
    """What a caller learns of a failure of ours: nothing but where to look it up."""
    return Refusal("internal-error", 500, "The service failed; its log has the reason under the request id.")


def _answer(request: Request, refusal: Refusal) -> Response:
    return respond(refusal, request.url.path, request_id_of(request))


def request_id_of(request: Request) -> str:
    """The id that the outermost middleware gave the request."""
    return str(request.scope.get("bespoke.request_id", ""))


RequestIdDep = Annotated[str, Depends(request_id_of)]


def _refusal(request: Request, error: Refusal) -> Response:
    return _answer(request, error)


def _library(request: Request, error: BespokeError) -> Response:
    return _answer(request, refused(error))


def _busy(request: Request, error: Busy) -> Response:
    detail = "Too many requests that compute are waiting for their turn; try again in a few seconds."
    return _answer(request, Refusal("busy", 503, detail, headers={"Retry-After": "5"}))


def _database_busy(request: Request, error: Exception) -> Response:
    structlog.get_logger().error("database", error=str(error))
    detail = "The database did not answer in time; nothing was stored. Try again."
    return _answer(request, Refusal("database-busy", 503, detail, headers={"Retry-After": "5"}))


def _http(request: Request, error: HTTPException) -> Response:
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 404:
        refusal = Refusal("not-found", 404, f"There is nothing at {shown(request.url.path)}.", headers=headers)
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here."
        refusal = Refusal("method-not-allowed", 405, detail, headers=headers | _allowed(request))
    elif error.status_code == 413:
        refusal = Refusal("body-too-large", 413, "The body is too large.", headers=headers)
    elif error.status_code == 400:
        refusal = Refusal("invalid-json", 400, "The body must be JSON (RFC 8259) in UTF-8, not too deeply nested.")
    else:
        refusal = Refusal("invalid-request", error.status_code, str(error.detail), headers=headers)
    return _answer(request, refusal)


def _allowed(request: Request) -> dict[str, str]:
    """All methods that the address takes; the router names those of one operation alone."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def _invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        place = next((part for part in found[0]["loc"] if isinstance(part, int)), 0)
        detail = f"The body must be JSON (RFC 8259), but it breaks off or goes wrong at character {place}."
        return _answer(request, Refusal("invalid-json", 400, detail))
    return _answer(request, invalid(found, error.body))


def invalid(errors: Sequence[dict[str, Any]], body: Any, pointer: str = "") -> Refusal:
    """Pydantic's errors about a request as a refusal.

    Args:
        errors: Each with its location, which begins with the part of the request: `body`, `query`, ...
        body: As it came.
        pointer: Where the body stands in that of the request, if it is but a part of it.
    """
    found = genuine(errors)
    faults = faults_of(found, body, pointer)
    own = [library_error(one) for one in found]
    slug = "invalid-request"
    if len(own) == 1 and own[0] is not None:
        slug = SLUGS.get(type(own[0]), slug)
    first = faults[0]
    where = first.parameter or first.pointer or "The body"
    detail = first.must if where in first.must else f"{where}: {first.must}"
    detail += f", but got {first.got}." + (f" {first.way_out}" if first.way_out else "")
    if len(found) > 1:
        detail += f" {len(found) - 1} more fault{'s' if len(found) > 2 else ''}."
    return Refusal(slug, 422, detail, faults=faults)
