"""/v1/predictions: what a design, a network by name or an uploaded model will cost on one device or many."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from service.context import ContextDep
from service.idempotency import OnceDep
from service.middleware import MODEL_TYPES, media_type
from service.predictions import operations, uploads
from service.predictions.schemas import EXAMPLE_REQUEST, PredictionDocument, PredictionRequest
from service.predictions.uploads import Upload
from service.problems import responses

DESCRIPTION = """\
Latency, energy, memory and accuracy, each with its interval. Stores nothing but the answer to the key.

The body is JSON, or an **ONNX file** (Content-Type `application/octet-stream` or `application/onnx`) with all else in
query parameters, which count for ONNX files alone:

    curl -s --data-binary @model.onnx -H 'content-type: application/octet-stream' \\
      'http://127.0.0.1:8080/v1/predictions?device=raspberry-pi-4&device=jetson-nano&layers=true'

The file is parsed as a protocol buffer and never kept. Accuracy is left out (`accuracy_basis` is `unknown`) unless
`task` says what the model was trained for.
"""


class ModelRoute(APIRoute):
    """A route for requests whose body is a model by its Content-Type."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, for models alone."""
        if scope["type"] == "http" and media_type(Headers(scope=scope)) in MODEL_TYPES:
            return super().matches(scope)
        return Match.NONE, {}


async def body_of(request: Request) -> bytes:
    """The body as it came; the middleware saw to its size."""
    return await request.body()


_models = APIRouter(prefix="/v1/predictions", tags=["predictions"], route_class=ModelRoute)
_designs = APIRouter(prefix="/v1/predictions", tags=["predictions"])


@_models.post("", name="upload", response_model=PredictionDocument, include_in_schema=False)
def create_model_prediction(
    context: ContextDep,
    once: OnceDep,
    upload: Annotated[Upload, Query()],
    content: Annotated[bytes, Depends(body_of)],
) -> Response:
    """Predict an uploaded ONNX model on one device or many."""
    return uploads.create(context, once, upload, content)


def _upload_parameters() -> list[dict[str, Any]]:
    """The query parameters of uploads, as OpenAPI describes them; not required, since JSON bodies have none."""
    schema = Upload.model_json_schema()
    return [
        {"name": name, "in": "query", "required": False, "description": own.pop("description", ""), "schema": own}
        for name, own in schema["properties"].items()
    ]


@_designs.post(
    "",
    name="create",
    summary="Predict a design, a named network or an ONNX model on one device or many",
    description=DESCRIPTION,
    response_model=PredictionDocument,
    responses=responses(400, 409, 413, 415, 422, 503),
    openapi_extra={
        "parameters": _upload_parameters(),
        "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
def create_prediction(
    context: ContextDep, once: OnceDep, request: Annotated[PredictionRequest, Body(examples=[EXAMPLE_REQUEST])]
) -> Response:
    """Latency, energy, memory and accuracy, each with its interval. Stores nothing but the answer to the key."""
    return operations.create(context, once, request)


router = APIRouter()
router.include_router(_models)
router.include_router(_designs)
