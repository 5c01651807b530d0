"""/v1/devices: the catalogue and the user's own."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query, Request, Response

from design.device import DeviceKind
from service.context import ContextDep
from service.devices import operations
from service.devices.schemas import EXAMPLE_PROFILE, DeviceDocument, DeviceSummary, Profile, Source
from service.idempotency import OnceDep
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import responses

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get("", name="list", summary="The catalogue and the user's own devices", responses=responses(422))
def list_devices(
    request: Request,
    context: ContextDep,
    kind: Annotated[DeviceKind | None, Query(description="only devices of this kind")] = None,
    q: Annotated[
        str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$", description="part of the name, id or chip")
    ] = "",
    source: Annotated[Source | None, Query(description="only the catalogue, or only own devices")] = None,
    limit: LimitQuery = DEFAULT,
    cursor: CursorQuery = None,
) -> Page[DeviceSummary]:
    """The user's own devices come first, newest first; then the catalogue by id."""
    found, after = operations.listed(context, kind=kind, text=q, source=source, limit=limit, cursor=cursor)
    return page(found, after, request)


@router.post(
    "",
    name="create",
    summary="Register a device profile",
    status_code=201,
    response_model=DeviceDocument,
    responses=responses(400, 409, 413, 415, 422),
)
def create_device(
    context: ContextDep, once: OnceDep, profile: Annotated[Profile, Body(examples=[EXAMPLE_PROFILE])]
) -> Response:
    """Every figure but name and kind may be left out; what is missing is inferred when predicting, and listed."""
    return operations.register(context, once, profile)


@router.get("/{device_id}", name="get", summary="One device, every figure with its source", responses=responses(404))
def get_device(context: ContextDep, device_id: str) -> DeviceDocument:
    """A device of the catalogue or the user's own."""
    return operations.find(context, device_id)


@router.delete(
    "/{device_id}", name="delete", summary="Delete an own device", status_code=204, responses=responses(404, 409, 422)
)
def delete_device(
    context: ContextDep,
    device_id: str,
    measurements: Annotated[
        Literal["keep", "delete"],
        Query(description="`delete`: its measurements go, too; without, it stays if it has any"),
    ] = "keep",
) -> None:
    """Designs made for it stay: they keep a snapshot of its profile. Measurements are lost only on demand."""
    operations.remove(context, device_id, with_measurements=measurements == "delete")
