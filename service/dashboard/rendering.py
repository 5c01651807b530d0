"""Rendering: templates to HTML answers, with the headers every page carries."""

from __future__ import annotations

from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.dashboard import assets
from service.release import RELEASE
from service.units import TIMES

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # plotly.js writes style elements; bars carry their length in a style
        "img-src 'self' data: blob:",  # plotly.js saves a chart as a picture
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
OPENAPI = "/openapi.json"

_environment = Environment(
    loader=PackageLoader("service.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {
    "asset": assets.address,
    "version": RELEASE,
    "openapi": OPENAPI,
    "times": TIMES,
    "section": "",
}


def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page as an answer."""
    text = _environment.get_template(template).render(**values)
    return HTMLResponse(text, status, headers=HEADERS)


def problem(
    title: str, detail: str, *, status: int, back: str = "/", back_text: str = "To the designs"
) -> HTMLResponse:
    """A page that says what is wrong with the request and where to go from there."""
    return render("problem.html", status=status, title=title, detail=detail, back=back, back_text=back_text)
