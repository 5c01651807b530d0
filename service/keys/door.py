"""Door: lets in whoever has a key with the scope that a request needs, wherever other machines can call."""

from __future__ import annotations

import asyncio
import base64
import binascii
from math import ceil

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.database import Database
from service.errors import respond
from service.keys import repository
from service.keys.rates import Rates
from service.keys.token import Scope as KeyScope
from service.keys.token import Token
from service.problems import Refusal

OPEN = ("/v1/health/live", "/v1/health/ready")
"""Answered without a key: balancers ask them, and they tell nothing."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_TRAINING = ("/v1/jobs", "/jobs", "/v1/datasets", "/v1/artifacts")
_CHALLENGE = 'Bearer realm="bespoke", Basic realm="bespoke", charset="UTF-8"'


def needed(method: str, path: str) -> KeyScope:
    """The scope that a request needs."""
    if path == "/metrics":
        return KeyScope.ADMIN
    if method in _SAFE:
        return KeyScope.READ
    return KeyScope.TRAIN if path.startswith(_TRAINING) else KeyScope.DESIGN


def token_of(headers: Headers) -> Token | None:
    """The token in a request: as a bearer, or as the password that a browser asks its user for."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return Token.parse(value.strip())
    if kind.lower() == "basic":
        try:
            _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Token.parse(password)
    return None


class Door:
    """Refuses requests that other web pages make a browser send, and, where keys are demanded, those without one.

    Args:
        app: What is called behind it.
        database: Where the keys are.
        demand: Whether a key is needed; not needed where this machine alone can call.
        per_minute: Most requests of one key.
    """

    def __init__(self, app: ASGIApp, *, database: Database, demand: bool, per_minute: int) -> None:
        self.app, self.database, self.demand = app, database, demand
        self.rates = Rates(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            try:
                await self._check(scope["method"], scope["path"], Headers(scope=scope))
            except Refusal as refusal:
                await respond(refusal, scope["path"], scope["bespoke.request_id"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _check(self, method: str, path: str, headers: Headers) -> None:
        if method not in _SAFE and headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            raise Refusal("foreign-page", 403, "Pages of other sites may not change anything here.")
        if not self.demand or path in OPEN:
            return
        token = token_of(headers)
        try:
            key = await asyncio.to_thread(repository.check, self.database, token) if token else None
        except SQLAlchemyError as error:
            structlog.get_logger().error("database", error=str(error))
            detail = "The database did not answer in time; nothing was stored. Try again."
            raise Refusal("database-busy", 503, detail, headers={"Retry-After": "5"}) from error
        if key is None:
            detail = "A valid API key must come with the request (Authorization: Bearer bespoke_...), but got none."
            raise Refusal("key-needed", 401, detail, headers={"WWW-Authenticate": _CHALLENGE})
        early_s = self.rates.wait_s(key.id)
        if early_s:
            detail = f"A key may send {self.rates.per_minute} requests a minute; try again in {early_s:.1f} s."
            raise Refusal("too-many-requests", 429, detail, headers={"Retry-After": str(ceil(early_s))})
        scope = needed(method, path)
        if not {scope.value, KeyScope.ADMIN.value} & set(key.scopes):
            detail = f"The key must have the scope {scope}, but has {', '.join(key.scopes)}."
            raise Refusal("scope-needed", 403, detail)
