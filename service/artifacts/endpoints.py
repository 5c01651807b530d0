"""/v1/artifacts: the content of files, by digest."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse

from service.context import ContextDep
from service.jobs import repository
from service.problems import not_found, responses

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])


@router.get(
    "/{digest}",
    name="get",
    summary="The content of a file",
    response_class=FileResponse,
    responses=responses(404, 422)
    | {
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "The part of it that `Range` asks for"},
    },
)
def get_artifact(context: ContextDep, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
    """As it was made, checked against its digest; takes `Range`."""
    with context.database.reading() as session:
        row = repository.artifact_of(session, digest)
    path = context.desk.store.find(digest) if row is not None else None
    if row is None or path is None:
        raise not_found("artifact", digest)
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    }
    return FileResponse(path, media_type=row.media_type, filename=row.name, headers=headers)
