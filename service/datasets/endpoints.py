"""/v1/datasets: pictures to train with."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.artifacts.store import PIECE_BYTES
from service.context import ContextDep
from service.datasets import operations
from service.datasets.schemas import NAME_PATTERN, DatasetDocument, DatasetRequest
from service.idempotency import OnceDep
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import Fault, Refusal, responses

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
ZIP, ARRAYS = "application/zip", "application/octet-stream"
UPLOADS = (ZIP, ARRAYS)
"""Content types of a data set in the body."""
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {ZIP: _FILE, ARRAYS: _FILE, "application/json": {"schema": DatasetRequest.model_json_schema()}},
    }
}


@router.get("", name="list", summary="Registered data sets", responses=responses(422))
def list_datasets(
    request: Request, context: ContextDep, limit: LimitQuery = DEFAULT, cursor: CursorQuery = None
) -> Page[DatasetDocument]:
    """By name."""
    found, after = operations.listed(context, limit, cursor)
    return page(found, after, request)


@router.get("/{name}", name="get", summary="One data set", responses=responses(404))
def get_dataset(context: ContextDep, name: str) -> DatasetDocument:
    """By id or name."""
    return operations.find(context, name)


@router.delete("/{name}", name="delete", summary="Delete a data set", status_code=204, responses=responses(404, 409))
def delete_dataset(context: ContextDep, name: str) -> None:
    """By id or name; refused while a job that needs it has not ended."""
    operations.remove(context, name)


@router.post(
    "",
    name="create",
    summary="Register a data set",
    status_code=201,
    response_model=DatasetDocument,
    responses=responses(400, 409, 413, 415, 422, 503, 507),
    openapi_extra=_BODY,
)
async def create_dataset(
    request: Request,
    context: ContextDep,
    once: OnceDep,
    name: Annotated[str | None, Query(pattern=NAME_PATTERN, description="of an uploaded data set")] = None,
) -> Response:
    """From the body, or from a folder that the settings allow.

    The body is a zip archive of class folders (`application/zip`; or of `train` and `test` with class folders each), an
    .npz with `x_train, y_train, x_test, y_test` or `images, labels` (`application/octet-stream`), or JSON that names a
    folder. Pictures are PNG, JPEG, BMP or PPM of one size. Without a test split, every fifth picture of a class is it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in UPLOADS:
        return await run_in_threadpool(operations.adopt, context, once, await _named(request))
    if name is None:
        fault = Fault(parameter="name", must="must be given with an upload", got="nothing")
        raise Refusal("invalid-request", 422, "name must be given with an upload, but got nothing.", faults=[fault])
    with tempfile.TemporaryFile() as file:
        held = bytearray()
        async for piece in request.stream():
            held += piece
            if len(held) >= PIECE_BYTES:
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        await asyncio.to_thread(file.write, bytes(held))
        return await run_in_threadpool(operations.upload, context, once, name, file, zipped=kind == ZIP)


async def _named(request: Request) -> DatasetRequest:
    try:
        return DatasetRequest.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        pointer = "".join(f"/{part}" for part in first["loc"])
        fault = Fault(pointer=pointer, must=first["msg"], got="what came")
        raise Refusal("invalid-request", 422, f"{pointer or 'The body'}: {first['msg']}.", faults=[fault]) from None
