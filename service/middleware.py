"""Around every request: its id, its log line and figures, the Host check, the limits on its body."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth import host_allowed
from service.errors import internal_error, respond
from service.ids import new_id
from service.metrics import Metrics
from service.problems import Refusal, shown

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WITH_BODY = ("POST", "PUT", "PATCH")
_TABLES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/v1/devices/[^/]+/measurements"), "text/csv"),
    (re.compile(r"/devices/[^/]+/measurements"), "multipart/form-data"),
    (re.compile(r"/jobs"), "application/x-www-form-urlencoded"),
)
"""Where a table is taken beside JSON or in its place, and by which Content-Type."""
MODEL_PATH = "/v1/predictions"
MODEL_TYPES = ("application/octet-stream", "application/onnx", "application/x-onnx")
"""Where ONNX files are taken as bodies, and the content types under which a body is one."""


class Accompany:
    """Outermost: gives the request its id, turns what nobody caught into a 500, writes one log line and counts."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else new_id("req")
        scope["bespoke.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        log = structlog.get_logger()
        status = 0
        begun = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception:
            log.exception("failed", method=scope["method"], path=scope["path"])
            if status:
                raise  # the answer is half sent: only the connection can be closed
            await respond(internal_error(), scope["path"], request_id)(scope, receive, answer)
        seconds = time.perf_counter() - begun
        route = getattr(scope.get("route"), "path", "unmatched")
        self.metrics.requests.labels(scope["method"], route, status).inc()
        self.metrics.request_seconds.labels(scope["method"], route).observe(seconds)
        log.info(
            "request", method=scope["method"], path=scope["path"], status=status, duration_ms=round(1e3 * seconds, 2)
        )


class Limits:
    """Refuses foreign Host headers, bodies that are too large, and bodies that are not JSON by their own word.

    Tables of measurements and ONNX models are taken at their own addresses alone, up to limits of their own; so are
    the uploads at the paths in `uploads` (path -> most bytes), which are passed on piece by piece.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        max_table_bytes: int,
        max_model_bytes: int,
        allowed_hosts: tuple[str, ...],
        uploads: Mapping[str, int],
        upload_types: tuple[str, ...],
    ) -> None:
        self.app, self.allowed_hosts = app, allowed_hosts
        self.uploads, self.upload_types = uploads, upload_types
        self.max_body_bytes, self.max_table_bytes, self.max_model_bytes = (
            max_body_bytes,
            max_table_bytes,
            max_model_bytes,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            most_upload = self.uploads.get(scope["path"], 0)
            if scope["method"] == "POST" and most_upload and media_type(headers) in self.upload_types:
                _check_coding(headers)
                receive = _counted(headers, receive, most_upload)
            elif scope["method"] in _WITH_BODY:
                table, model = _is_table(scope["path"], headers), _is_model(scope["path"], headers)
                most = self.max_table_bytes if table else self.max_model_bytes if model else self.max_body_bytes
                body = await self._body(headers, receive, most)
                if body:
                    _check_type(headers, other=table or model)
                receive = _replay(body, receive)
        except Refusal as refusal:
            await respond(refusal, scope["path"], scope["bespoke.request_id"])(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if not host_allowed(host, self.allowed_hosts):
            detail = f"The Host must be one of {', '.join(self.allowed_hosts)}, but got {shown(host)}."
            raise Refusal("host-not-allowed", 400, detail)

    async def _body(self, headers: Headers, receive: Receive, most: int) -> bytes:
        """The whole body, never more than one piece beyond the limit in memory."""
        stated = headers.get("content-length", "0")
        if stated.isdigit() and int(stated) > most:
            raise _too_large(most, f"{stated} bytes")
        pieces: list[bytes] = []
        held = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b""  # the client went away
            pieces.append(message.get("body", b""))
            held += len(pieces[-1])
            if held > most:
                raise _too_large(most, f"more than {most} bytes")
            if not message.get("more_body", False):
                return b"".join(pieces)


def _counted(headers: Headers, receive: Receive, most: int) -> Receive:
    """A receive that refuses to go on beyond so many bytes."""
    stated = headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > most:
        raise _too_large(most, f"{stated} bytes")
    held = 0

    async def counting() -> Message:
        nonlocal held
        message = await receive()
        held += len(message.get("body", b""))
        if held > most:
            raise _too_large(most, f"more than {most} bytes")
        return message

    return counting


def _too_large(most: int, got: str) -> Refusal:
    detail = f"The body must have at most {most} bytes, but got {got}."
    return Refusal("body-too-large", 413, detail, headers={"Connection": "close"})


def media_type(headers: Headers) -> str:
    """The Content-Type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_table(path: str, headers: Headers) -> bool:
    """Whether a table is taken at this address under this Content-Type."""
    return any(place.fullmatch(path) and media_type(headers) == kind for place, kind in _TABLES)


def _is_model(path: str, headers: Headers) -> bool:
    """Whether an ONNX model is taken at this address under this Content-Type."""
    return path == MODEL_PATH and media_type(headers) in MODEL_TYPES


def _check_type(headers: Headers, *, other: bool) -> None:
    stated = headers.get("content-type", "")
    if not other and media_type(headers) != "application/json":
        detail = f"The Content-Type must be application/json, but got {shown(stated)}."
        raise Refusal("unsupported-media-type", 415, detail, headers={"Accept": "application/json"})
    _check_coding(headers)


def _check_coding(headers: Headers) -> None:
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        detail = f"The Content-Encoding must be identity (nothing is unpacked), but got {shown(coding)}."
        raise Refusal("unsupported-media-type", 415, detail, headers={"Accept-Encoding": "identity"})


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once, then whatever follows."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
