"""/v1/devices/{id}/proxies: which known devices may stand in for a device, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from design.device import DeviceKind
from predictors.monotonicity import Verdict
from service.context import ContextDep
from service.devices.schemas import Source
from service.paging import DEFAULT, CursorQuery, LimitQuery, Page, page
from service.problems import responses
from service.proxies import operations
from service.proxies.schemas import ProxyDocument

router = APIRouter(prefix="/v1/devices/{device_id}/proxies", tags=["proxies"])


@router.get("", name="list", summary="Devices that may stand in for this one", responses=responses(404, 422, 503))
def list_proxies(
    request: Request,
    context: ContextDep,
    device_id: str,
    kind: Annotated[DeviceKind | None, Query(description="only devices of this kind")] = None,
    q: Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$", description="part of the name or id")] = "",
    source: Annotated[Source | None, Query(description="only the catalogue, or only own devices")] = None,
    verdict: Annotated[Verdict | None, Query(description="only proxies of this verdict")] = None,
    limit_ms: Annotated[
        float | None,
        Query(
            gt=0, le=1e9, allow_inf_nan=False, description="a latency limit of this device, to be said for each proxy"
        ),
    ] = None,
    limit: LimitQuery = DEFAULT,
    cursor: CursorQuery = None,
) -> Page[ProxyDocument]:
    """How alike every known device ranks designs (Spearman, with its interval), the best first.

    The verdict says whether a proxy's front may be reused for this device, and the explanation why. Devices with
    measurements are compared by what was measured on both, where that is enough, else by adapted predictions.
    """
    found, after = operations.listed(
        context,
        device_id,
        kind=kind,
        text=q,
        source=source,
        verdict=verdict,
        limit_ms=limit_ms,
        limit=limit,
        cursor=cursor,
    )
    return page(found, after, request)
