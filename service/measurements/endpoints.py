"""/v1/devices/{id}/measurements: what was measured on a device; predictions for it are adapted at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.context import ContextDep
from service.designs.schemas import Name
from service.idempotency import OnceDep
from service.measurements import operations, suggestions
from service.measurements.schemas import (
    MeasurementDocument,
    MeasurementsAnswer,
    SuggestionsDocument,
)
from service.measurements.upload import DESCRIPTION, BodyDep
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import responses

router = APIRouter(prefix="/v1/devices/{device_id}/measurements", tags=["measurements"])


@router.post(
    "",
    name="create",
    summary="Store measurements and adapt the predictions to them",
    status_code=201,
    response_model=MeasurementsAnswer,
    responses=responses(400, 404, 409, 413, 415, 422, 503),
    openapi_extra=DESCRIPTION,
)
def create_measurements(context: ContextDep, once: OnceDep, device_id: str, body: BodyDep) -> Response:
    """Rows are stored together or not at all, as JSON or as a CSV table (`text/csv`).

    Every later prediction and design for this device rests on them. Measurements of a catalogue device
    (`id@setting` included) go into a new device of your own with its profile; the answer names it. The answer says
    what became of every row, how far predictions were off before and after, and what to measure next.
    """
    return operations.create(context, once, device_id, body.upload())


@router.get("", name="list", summary="Measurements of a device", responses=responses(404, 422))
def list_measurements(
    request: Request, context: ContextDep, device_id: str, limit: LimitQuery = DEFAULT, cursor: CursorQuery = None
) -> Page[MeasurementDocument]:
    """Newest first, each with what became of it; none on a device of the catalogue."""
    found, after = operations.listed(context, device_id, limit, cursor)
    return page(found, after, request)


@router.get("/suggestions", name="suggest", summary="What to measure next", responses=responses(404, 422, 503))
def suggest_measurements(
    context: ContextDep,
    device_id: str,
    task: Annotated[Name, Query(description="for which networks are suggested")] = suggestions.DEFAULT_TASK,
    space: Annotated[Name | None, Query(description="only members of this space")] = None,
    count: Annotated[int, Query(ge=1, le=suggestions.MOST)] = suggestions.DEFAULT,
) -> SuggestionsDocument:
    """The networks whose measurement tells most about all others, and what each buys."""
    return operations.suggested(context, device_id, task, space, count)


@router.delete(
    "/{measurement_id}",
    name="delete",
    summary="Delete one measurement",
    status_code=204,
    responses=responses(404, 503),
)
def delete_measurement(context: ContextDep, device_id: str, measurement_id: str) -> None:
    """Predictions no longer rest on it."""
    operations.remove(context, device_id, measurement_id)
