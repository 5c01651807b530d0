"""What can be done with devices. The catalogue comes from files, the user's own devices from the database."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Response

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import CatalogueDevice, catalogue, find_device
from design.errors import UnknownName
from service.context import Context
from service.devices import repository
from service.devices.schemas import DeviceDocument, DeviceReference, DeviceSummary, Source
from service.idempotency import Once, Record, Reply
from service.measurements import repository as measurements
from service.measurements.adaptations import Adapted
from service.models import DeviceRow
from service.paging import from_cursor, to_cursor
from service.problems import Refusal, not_found

ORDER = "own, then catalogue"


def register(context: Context, once: Once, profile: DeviceProfile) -> Response:
    """Store a device of the user's own."""

    def work(record: Record) -> Reply:
        with context.database.writing() as session:
            document = _own_document(repository.add(session, profile))
            reply = Reply(status=201, body=document.model_dump_json(), location=document.href)
            record(session, reply)
        return reply

    return once.answer(context, profile, work)


def find(context: Context, device_id: str) -> DeviceDocument:
    """One device.

    Raises:
        Refusal: There is none of that id.
    """
    known = catalogue().get(device_id)
    if known is not None:
        return _catalogue_document(known)
    with context.database.reading() as session:
        row = repository.find(session, device_id)
        if row is None:
            raise not_found("device", device_id)
        return _own_document(row)


def remove(context: Context, device_id: str, *, with_measurements: bool = False) -> None:
    """Delete one of the user's own devices; designs made for it keep their snapshot of its profile.

    Args:
        context: Of the application.
        device_id: Which.
        with_measurements: Its measurements go, too; otherwise a device that has any is not deleted.

    Raises:
        Refusal: There is none of that id, it is in the catalogue, or it has measurements.
    """
    if device_id in catalogue():
        raise Refusal("catalogue-device", 409, f"{device_id!r} is in the catalogue; only own devices can be deleted.")
    with context.database.writing() as session:
        row = measurements.lock(session, device_id)
        if row is None:
            raise not_found("device", device_id)
        if row.measured and not with_measurements:
            detail = (
                f"The device has {row.measured:,} measurement{'' if row.measured == 1 else 's'}, which would be lost "
                "with it. Add ?measurements=delete to delete both."
            )
            raise Refusal("device-has-measurements", 409, detail)
        measurements.remove_all(session, device_id)
        repository.remove(session, device_id)


def listed(
    context: Context, *, kind: DeviceKind | None, text: str, source: Source | None, limit: int, cursor: str | None
) -> tuple[list[DeviceSummary], str | None]:
    """One page of devices, the user's own first (newest first), then the catalogue by id; and the next cursor."""
    place, after = from_cursor(cursor, ORDER, (str, str)) if cursor else ("own", "")
    found: list[DeviceSummary] = []
    if place == "own" and source != "catalogue":
        with context.database.reading() as session:
            rows = repository.listed(session, kind=kind, text=text, before=str(after) or None, limit=limit + 1)
            found = [_own_summary(row) for row in rows]
    if source != "own":
        begin = str(after) if place == "catalogue" else ""
        wanted = (_catalogue_summary(one) for one in catalogue().values() if one.id > begin)
        found += [one for one in wanted if (kind is None or one.kind == kind) and _mentions(one, text)]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], to_cursor(ORDER, (last.source, last.id))


@dataclass(frozen=True, kw_only=True)
class Target:
    """The device that a request names.

    Attributes:
        device_id: As requested; None for an inline profile.
        row: Of an own device.
    """

    device_id: str | None
    profile: DeviceProfile
    row: DeviceRow | None = None

    def adapted(self, context: Context, energy_model: str) -> Adapted | None:
        """What measurements say of it; None without any."""
        return None if self.row is None else context.adaptations.of(context.database, self.row, energy_model)


def resolve(context: Context, reference: DeviceReference) -> Target:
    """The device that a request names.

    Raises:
        UnknownName: Nothing of that id, or no such setting.
    """
    if isinstance(reference, DeviceProfile):
        return Target(device_id=None, profile=reference)
    name, at, setting = reference.partition("@")
    if name.startswith(f"{repository.PREFIX}_"):
        with context.database.reading() as session:
            row = repository.find(session, name)
        if row is None:
            raise UnknownName(
                "the device must be in the catalogue or registered", repr(reference), "GET /v1/devices lists all."
            )
        if at:
            raise UnknownName(f"own devices have no settings, so the id must be {name!r}", repr(setting))
        return Target(device_id=name, profile=DeviceProfile.model_validate(row.profile), row=row)
    return Target(device_id=reference, profile=find_device(reference))


def known(context: Context, device_id: str) -> Target:
    """The device that an address names, `id@setting` included.

    Raises:
        Refusal: There is none.
    """
    try:
        return resolve(context, device_id)
    except UnknownName:
        raise not_found("device", device_id) from None


def exists(context: Context, device_id: str) -> bool:
    """Whether the device of an `id` or `id@setting` is still there."""
    name = device_id.partition("@")[0]
    if name in catalogue():
        return True
    with context.database.reading() as session:
        return repository.find(session, name) is not None


def _mentions(device: DeviceSummary, text: str) -> bool:
    return any(text.casefold() in part.casefold() for part in (device.id, device.name, device.chip or ""))


def _href(device_id: str) -> str:
    return f"/v1/devices/{device_id}"


def _own_summary(row: DeviceRow) -> DeviceSummary:
    return DeviceSummary(
        id=row.id,
        name=row.name,
        kind=DeviceKind(row.kind),
        chip=row.profile.get("chip"),
        source="own",
        settings=[],
        href=_href(row.id),
    )


def _catalogue_summary(device: CatalogueDevice) -> DeviceSummary:
    chip = device.figures.get("chip")
    return DeviceSummary(
        id=device.id,
        name=device.name,
        kind=device.kind,
        chip=None if chip is None else str(chip.value),
        source="catalogue",
        settings=list(device.settings),
        href=_href(device.id),
    )


def _own_document(row: DeviceRow) -> DeviceDocument:
    return DeviceDocument(
        id=row.id,
        source="own",
        name=row.name,
        kind=DeviceKind(row.kind),
        family=None,
        notes="",
        created_at=row.created_at,
        figures={},
        settings={},
        profile=DeviceProfile.model_validate(row.profile),
        origin=row.origin,
        measurements=row.measured,
        href=_href(row.id),
    )


def _catalogue_document(device: CatalogueDevice) -> DeviceDocument:
    return DeviceDocument(
        id=device.id,
        source="catalogue",
        name=device.name,
        kind=device.kind,
        family=device.family,
        notes=device.notes,
        created_at=None,
        figures=device.figures,
        settings=device.settings,
        profile=device.profile(),
        origin=None,
        measurements=0,
        href=_href(device.id),
    )
