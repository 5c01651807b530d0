"""/v1/designs: the main job. A device, a task and limits in; the best design out, stored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response

from service.context import ContextDep
from service.designs import batch, operations
from service.designs.batch_schemas import EXAMPLE_BATCH, BatchDocument, BatchRequest
from service.designs.schemas import (
    EXAMPLE_REQUEST,
    DesignDocument,
    DesignFilter,
    DesignRequest,
    DesignSort,
    DesignSummary,
    FrontDocument,
)
from service.errors import RequestIdDep
from service.idempotency import OnceDep
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import responses

router = APIRouter(prefix="/v1/designs", tags=["designs"])
NameQuery = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
FigureQuery = Annotated[float | None, Query(ge=0, le=1e15, allow_inf_nan=False)]


@router.post(
    "",
    name="create",
    summary="Design a network for a device",
    status_code=201,
    response_model=DesignDocument,
    responses=responses(400, 409, 413, 415, 422, 503),
)
def create_design(
    context: ContextDep, once: OnceDep, request: Annotated[DesignRequest, Body(examples=[EXAMPLE_REQUEST])]
) -> Response:
    """Stores the best design that keeps every limit at the requested risk.

    If none does, the answer is a problem of type `infeasible-constraints` with the nearest design, each limit it
    breaks and the tightest value that could be kept; nothing is stored. The same request has the same answer.
    """
    return operations.create(context, once, request)


@router.post(
    "/batch",
    name="create_batch",
    summary="Design networks for a fleet",
    response_model=BatchDocument,
    responses=responses(400, 409, 413, 415, 422, 503),
)
def create_batch(
    context: ContextDep,
    once: OnceDep,
    request_id: RequestIdDep,
    request: Annotated[BatchRequest, Body(examples=[EXAMPLE_BATCH])],
) -> Response:
    """Up to 1,000 devices in one pass: a design or a problem for each, and groups that can share one design.

    An entry that is malformed or not known has a problem of its own, with JSON pointers into the request; what is wrong
    elsewhere refuses the whole. Nothing is stored. Each design keeps every limit and is the best of the libraries by
    the device's own predictors; where all of those break one, but the nearest by less than a third altogether, more of
    the libraries is polished for the device alone. If that breaks a limit too, the device has a problem of type
    `infeasible-constraints` with the nearest design, each limit it breaks and the tightest value met on the way; POST
    /v1/designs searches beside that and may still find one. A design that was polished so for one device is given to
    others too where it is the best that they know of. A shared design keeps every limit of its devices and costs none
    more than two points of accuracy.
    """
    return batch.create(context, once, request, request_id)


@router.get("", name="list", summary="Stored designs", responses=responses(422))
def list_designs(
    request: Request,
    context: ContextDep,
    task: NameQuery = None,
    space: NameQuery = None,
    device: Annotated[NameQuery, Query(description="id of a device as requested, or part of its name")] = None,
    min_accuracy: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    max_latency_ms: FigureQuery = None,
    max_energy_mj: FigureQuery = None,
    max_model_kb: FigureQuery = None,
    sort: DesignSort = DesignSort.NEWEST,
    limit: LimitQuery = DEFAULT,
    cursor: CursorQuery = None,
) -> Page[DesignSummary]:
    """Filters compare with the medians of the predictions."""
    wanted = DesignFilter(
        task=task,
        space=space,
        device=device,
        min_accuracy=min_accuracy,
        max_latency_ms=max_latency_ms,
        max_energy_mj=max_energy_mj,
        max_model_kb=max_model_kb,
    )
    found, after = operations.listed(context, wanted, sort, limit, cursor)
    return page(found, after, request)


@router.get("/{design_id}", name="get", summary="One stored design, layer by layer", responses=responses(404))
def get_design(context: ContextDep, design_id: str) -> DesignDocument:
    """With its prediction, what was assumed and everything it came from."""
    return operations.find(context, design_id)


@router.get("/{design_id}/front", name="front", summary="The front around a design", responses=responses(404, 409, 503))
def get_front(context: ContextDep, design_id: str) -> FrontDocument:
    """Accuracy, latency and energy of the designs that none looked at is better than in all three.

    Drawn when first asked for, in some tens of milliseconds, and stored. More is looked at than to choose the design:
    in one of six requests a member that keeps every limit is a little better than it (`chosen` marks it).
    """
    return operations.find_front(context, design_id)


@router.delete(
    "/{design_id}", name="delete", summary="Delete a stored design", status_code=204, responses=responses(404)
)
def delete_design(context: ContextDep, design_id: str) -> None:
    """It is gone for good."""
    operations.remove(context, design_id)
