"""Assets: stylesheet, script, icon and plotly.js, each under an address that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

IMMUTABLE = "public, max-age=31536000, immutable"
OUTDATED = "no-cache"
MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
PLOTLY = "plotly.min.js"
_PLACES = {
    "style.css": ("service.dashboard", "static/style.css"),
    "chart.js": ("service.dashboard", "static/chart.js"),
    "follow.js": ("service.dashboard", "static/follow.js"),
    "icon.svg": ("service.dashboard", "static/icon.svg"),
    PLOTLY: ("plotly", "package_data/plotly.min.js"),
}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file as it is sent: plain and compressed once, with its media type and the digest of its content."""

    content: bytes
    compressed: bytes
    media_type: str
    digest: str


def names() -> tuple[str, ...]:
    """Everything that can be asked for; no part of a request is ever used as a path."""
    return tuple(_PLACES)


@cache
def asset(name: str) -> Asset:
    """The asset of that name, compressed on first use.

    Raises:
        KeyError: No such asset.
    """
    package, place = _PLACES[name]
    content = files(package).joinpath(place).read_bytes()
    return Asset(
        content=content,
        compressed=gzip.compress(content, compresslevel=9, mtime=0),
        media_type=MEDIA_TYPES[name.rsplit(".", 1)[-1]],
        digest=digest(name),
    )


@cache
def digest(name: str) -> str:
    """The first 16 hex digits of the SHA-256 of an asset's content."""
    package, place = _PLACES[name]
    return hashlib.sha256(files(package).joinpath(place).read_bytes()).hexdigest()[:16]


def address(name: str) -> str:
    """Where a page links it: `/static/<digest>/<name>`."""
    return f"/static/{digest(name)}/{name}"
