"""MeasurementForm: the table that a browser sends from a device's page, as a file or as text."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated

from fastapi import Depends, Request

from service.problems import Refusal

FILE, TEXT = "table", "rows"
"""Names of the form's fields."""


async def form_table(request: Request) -> bytes:
    """The CSV table in the body (multipart/form-data): that of the file, else the text; empty where neither came.

    Raises:
        Refusal: The request does not come from one of our own pages.
    """
    if not is_ours(request):
        detail = "A form must be sent from a page of this service; programs use POST /v1/devices/{id}/measurements."
        raise Refusal("foreign-form", 403, detail)
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
    found: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(content, bytes) and isinstance(name, str):
            found[name] = content
    file = found.get(FILE, b"")
    return file if file.strip() else found.get(TEXT, b"")


def is_ours(request: Request) -> bool:
    """Browsers say where a form was sent from; nobody else has a reason to send one."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") == str(request.base_url).rstrip("/")


TableDep = Annotated[bytes, Depends(form_table)]
