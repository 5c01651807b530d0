"""The pages: stored designs, one design, devices; all rendered by the server, readable without scripts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue
from service.catalogue_search import search as search_catalogue
from service.context import ContextDep
from service.dashboard import assets
from service.dashboard.charts import Chart, designs_chart
from service.dashboard.design_page import design_page
from service.dashboard.device_page import catalogue_line, catalogue_page, device_line, own_page
from service.dashboard.filters import read_filters
from service.dashboard.listing import read_figures, read_listing
from service.dashboard.measured_section import measured_section
from service.dashboard.measurement_form import TableDep
from service.dashboard.rendering import problem, render
from service.designs import repository as stored_designs
from service.designs.fronts import front_to_show
from service.devices import repository as own_devices
from service.devices.operations import exists
from service.idempotency import Once
from service.jobs import repository as stored_jobs
from service.measurements import operations as measurements
from service.measurements.upload import CSV, Body
from service.problems import Refusal, shown

OWN_DEVICES_SHOWN = 200
CHART_DESIGNS = 2_000

router = APIRouter()


@router.get("/", name="designs_page")
def list_designs(request: Request, context: ContextDep) -> HTMLResponse:
    """Stored designs with filters, sort links and the front chart."""
    filters, faults = read_filters(request.query_params)
    with context.database.reading() as session:
        listing = read_listing(session, filters)
    return render(
        "designs.html",
        status=422 if faults else 200,
        section="designs",
        page=listing,
        faults=faults,
        origin=str(request.base_url).rstrip("/"),
    )


@router.get("/charts/designs", name="designs_chart")
def chart_designs(request: Request, context: ContextDep) -> Chart:
    """The points of the chart of stored designs, under the same filters as the list."""
    filters, _ = read_filters(request.query_params)
    with context.database.reading() as session:
        return designs_chart(read_figures(session, filters, CHART_DESIGNS))


@router.get("/designs/{design_id}", name="design_page")
def show_design(context: ContextDep, design_id: str) -> HTMLResponse:
    """One stored design."""
    with context.database.reading() as session:
        row = stored_designs.find(session, design_id)
        if row is None:
            return problem(
                "No such design", f"There is no design {shown(design_id)}; it may have been deleted.", status=404
            )
        jobs, _ = stored_jobs.listed(session, state=None, design_id=row.id, limit=1, cursor=None)
    front = front_to_show(context, row)
    gone = row.device_id is not None and not exists(context, row.device_id)
    page = design_page(row, front, device_gone=gone)
    trains = context.jobs is not None
    return render("design.html", section="designs", page=page, trains=trains, jobs=jobs)


@router.get("/devices", name="devices_page")
def list_devices(
    context: ContextDep,
    kind: Annotated[str, Query(max_length=20)] = "",
    search: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """The catalogue and the user's own devices."""
    kinds = [known.value for known in DeviceKind]
    chosen = DeviceKind(kind) if kind in kinds else None
    with context.database.reading() as session:
        rows = own_devices.listed(session, kind=chosen, text=search, before=None, limit=OWN_DEVICES_SHOWN)
    # as stored: one profile that is refused by now does not take the list with it
    stated = [DeviceProfile.model_construct(**row.profile | {"kind": DeviceKind(row.kind)}) for row in rows]
    own = [device_line(row.id, profile) for row, profile in zip(rows, stated, strict=True)]
    return render(
        "devices.html",
        section="devices",
        devices=[catalogue_line(device) for device in search_catalogue(chosen, search)],
        own=own,
        total=len(catalogue()),
        kinds=kinds,
        chosen_kind=chosen.value if chosen else "",
        search=search,
    )


@router.get("/devices/{device_id}", name="device_page")
def show_device(context: ContextDep, device_id: str) -> HTMLResponse:
    """One device with the source of every figure."""
    known = catalogue().get(device_id)
    if known is not None:
        measured = measured_section(context, known.id, known.profile(), None)
        return render("device.html", section="devices", page=catalogue_page(known), measured=measured)
    with context.database.reading() as session:
        row = own_devices.find(session, device_id)
    if row is None:
        detail = f"There is no device {shown(device_id)} in the catalogue or registered here."
        return problem("No such device", detail, status=404, back="/devices", back_text="To the devices")
    profile = DeviceProfile.model_validate(row.profile)
    measured = measured_section(context, row.id, profile, row)
    return render("device.html", section="devices", page=own_page(row.id, profile, row.origin), measured=measured)


@router.post("/devices/{device_id}/measurements", name="measurements_form")
def send_measurements(context: ContextDep, device_id: str, table: TableDep) -> Response:
    """Store the table that a device's page sent, then show the device that has it."""
    back, back_text = f"/devices/{device_id.partition('@')[0]}", "Back to the device"
    body = Body(media_type=CSV, content=table)
    try:
        stored = measurements.create(context, Once("", None), device_id, body.upload())
    except Refusal as refusal:
        return problem("Nothing was stored", refusal.detail, status=refusal.status, back=back, back_text=back_text)
    device_href = str(stored.headers["location"]).removeprefix("/v1").removesuffix("/measurements")
    return RedirectResponse(f"{device_href}#measurements", status_code=303)


@router.get("/static/{digest}/{name}", name="asset")
def static_asset(
    digest: str,
    name: str,
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A file of the pages; kept for good by browsers under its present digest."""
    if name not in assets.names():
        return problem("Nothing here", "There is no such file.", status=404)
    asset = assets.asset(name)
    fresh = digest == asset.digest
    headers = {
        "Cache-Control": assets.IMMUTABLE if fresh else assets.OUTDATED,
        "ETag": f'"{asset.digest}"',
        "Vary": "Accept-Encoding",
    }
    if asset.digest in if_none_match:
        return Response(status_code=304, headers=headers)
    if "gzip" in accept_encoding:
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
