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
from service.gate import Busy
from service.problems import MEDIA_TYPE, Fault, Refusal, problem_document, shown

MOST_FAULTS = 20
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
# What must hold, by pydantic's stable name of the error.
MUST: dict[str, str] = {
    "missing": "must be given",
    "extra_forbidden": "must not be given: the field is unknown",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "union_tag_not_found": "must be one of the forms that the description lists",
    "union_tag_invalid": "must be one of the forms that the description lists",
    "string_unicode": "must be text in valid Unicode",
}
TYPES: dict[str, str] = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": "text",
    "list": "an array",
    "tuple": "an array",
    "dict": "an object",
    "mapping": "an object",
    "model": "an object",
    "dataclass": "an object",
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
    fault = _fault_of(error, pointer + error.pointer)
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
    detail = "Too many designs are waiting for their turn; try again in a few seconds."
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
    faults = [_fault(one, error.body) for one in found[:MOST_FAULTS]]
    own = [_library_error(one) for one in found]
    slug = "invalid-request"
    if len(own) == 1 and own[0] is not None:
        slug = SLUGS.get(type(own[0]), slug)
    first = faults[0]
    where = first.parameter or first.pointer or "The body"
    detail = first.must if where in first.must else f"{where}: {first.must}"
    detail += f", but got {first.got}." + (f" {first.way_out}" if first.way_out else "")
    if len(found) > 1:
        detail += f" {len(found) - 1} more fault{'s' if len(found) > 2 else ''}."
    return _answer(request, Refusal(slug, 422, detail, faults=faults))


def _library_error(error: dict[str, Any]) -> BespokeError | None:
    cause = error.get("ctx", {}).get("error")
    return cause if isinstance(cause, BespokeError) else None


def _fault_of(error: BespokeError, pointer: str) -> Fault:
    return Fault(pointer=pointer, must=error.must, got=error.got, way_out=error.way_out or None)


def _fault(error: dict[str, Any], body: Any) -> Fault:
    """One of pydantic's errors in our words."""
    place, *path = error["loc"]
    kind = str(error["type"])
    if place == "body":
        pointer = json_pointer(path, body, missing=kind == "missing")
        own = _library_error(error)
        if own is not None:
            return _fault_of(own, pointer + own.pointer)
        return Fault(pointer=pointer, must=_must(error), got="nothing" if kind == "missing" else shown(error["input"]))
    got = "nothing" if kind == "missing" else shown(error["input"])
    return Fault(parameter=str(path[0]) if path else str(place), must=_must(error), got=got)


def fault_of_value(error: dict[str, Any]) -> Fault:
    """One of pydantic's errors in our words, without its place."""
    own = _library_error(error)
    if own is not None:
        return _fault_of(own, "")
    return Fault(must=_must(error), got="nothing" if error["type"] == "missing" else shown(error["input"]))


def _must(error: dict[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in MUST:
        return MUST[kind].format_map(context)
    if kind == "value_error":
        return str(context.get("error", "must be valid"))
    return f"must be {TYPES.get(kind.split('_')[0], 'valid')}"


def json_pointer(path: Sequence[str | int], body: Any, *, missing: bool) -> str:
    """The JSON pointer of pydantic's location, without the names of union branches that pydantic puts in between.

    Args:
        path: Location in the body, as pydantic gives it.
        body: The body as it came.
        missing: The last part names a member that is not there.
    """
    here, parts = body, []
    for index, part in enumerate(path):
        last = index == len(path) - 1
        if isinstance(part, int) and isinstance(here, list):
            parts.append(str(part))
            here = here[part] if part < len(here) else None
        elif isinstance(here, dict) and (part in here or (missing and last)):
            parts.append(str(part))
            here = here.get(str(part))
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
