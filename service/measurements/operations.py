"""What can be done with the measurements of a device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import Response

from design.device import DeviceProfile
from design.spaces.registry import find_space
from design.task import find_task
from optimizer.problem import DEFAULT_ENERGY_MODEL
from service.context import Context
from service.devices import repository as devices
from service.devices.operations import Target, known
from service.errors import below, in_query
from service.idempotency import Once, Record, Reply
from service.ids import new_id
from service.measurements import repository, suggestions
from service.measurements.adaptations import Adapted, adapted
from service.measurements.documents import adaptation_document, measurement_document
from service.measurements.networks import network_of
from service.measurements.schemas import (
    MOST_ROWS,
    MeasurementDocument,
    MeasurementInput,
    MeasurementsAnswer,
    SuggestionsDocument,
)
from service.measurements.sources import MeasuredNetwork
from service.measurements.upload import Upload
from service.models import MeasurementRow
from service.paging import from_cursor, to_cursor
from service.problems import Refusal, not_found

ORDER = "newest first"
TRIES = 50
"""Times that rows are adapted to anew because others were stored meanwhile."""


def create(context: Context, once: Once, device_id: str, upload: Upload) -> Response:
    """Store rows, all or none, and say what they did; on a catalogue device into a new copy of it.

    Raises:
        Refusal: There is no such device, a row names what is not known, or the device has too many.
    """

    def work(record: Record) -> Reply:
        known(context, device_id)
        with upload.placed():
            networks = networks_of(context, upload.rows)
        for _ in range(TRIES):
            reply = _stored(context, record, known(context, device_id), upload.rows, networks)
            if reply is not None:
                return reply
        detail = "Others are storing measurements of this device; nothing was stored. Try again."
        raise Refusal("busy", 503, detail, headers={"Retry-After": "5"})

    return once.answer(context, upload.request(), work)


def networks_of(context: Context | None, rows: Sequence[MeasurementInput]) -> list[MeasuredNetwork]:
    """The networks that rows name.

    Args:
        context: Where designs are stored; None = nowhere.
        rows: As they came.

    Raises:
        Refusal: One is not known or does not fit its task; it says where as if the rows were `/measurements`.
    """
    seen: dict[str, MeasuredNetwork] = {}
    found = []
    for place, row in enumerate(rows):
        name = row.model_dump_json(include={"design", "design_id", "network", "task"})
        if name not in seen:
            with below(f"/measurements/{place}"):
                seen[name] = network_of(context, row)
        found.append(seen[name])
    return found


def _stored(
    context: Context,
    record: Record,
    target: Target,
    inputs: Sequence[MeasurementInput],
    networks: Sequence[MeasuredNetwork],
) -> Reply | None:
    """One try: adapt outside of any transaction, then store unless others stored something meanwhile (None)."""
    own = target.row
    with context.database.reading() as session:
        before = list(repository.every(session, own.id)) if own else []
    if len(before) + len(inputs) > MOST_ROWS:
        detail = f"A device has at most {MOST_ROWS:,} measurements, but this would make {len(before) + len(inputs):,}."
        raise Refusal("too-many-measurements", 409, f"{detail} Nothing was stored.")
    device_id = own.id if own else new_id(devices.PREFIX)
    fresh = repository.new_rows(device_id, inputs, networks)
    with context.gate.enter():
        found = adapted(target.profile, [*before, *fresh], DEFAULT_ENERGY_MODEL)
        answer = _answer(device_id, target, fresh, found, frozenset(row.key for row in [*before, *fresh]))
    place = f"{answer.device_href}/measurements" if own else answer.device_href
    reply = Reply(status=201, body=answer.model_dump_json(), location=place)
    with context.database.writing() as session:
        if own is None:
            devices.add(session, target.profile, device_id=device_id, origin=target.device_id)
        else:
            row = repository.lock(session, device_id)
            if row is None:
                raise not_found("device", device_id)
            content = [(one.key, one.latency_ms, one.energy_mj) for one in before]
            if row.measured_digest != (repository.digest(content) if content else None):
                return None
        repository.add(session, fresh)
        repository.settle(session, device_id)
        record(session, reply)
    context.adaptations.keep(device_id, found)
    return reply


def _answer(
    device_id: str, target: Target, fresh: Sequence[MeasurementRow], found: Adapted, measured: frozenset[str]
) -> MeasurementsAnswer:
    task = Counter(row.task for row in fresh).most_common(1)[0][0]
    return MeasurementsAnswer(
        device_id=device_id,
        device_created=target.row is None,
        device_href=f"/v1/devices/{device_id}",
        stored=len(fresh),
        items=tuple(measurement_document(row, found.verdicts[row.id]) for row in fresh),
        adaptation=adaptation_document(found),
        next=suggestions.suggest(
            target.profile, found.adaptation, measured, task=task, space=None, count=suggestions.DEFAULT
        ),
    )


def listed(
    context: Context, device_id: str, limit: int, cursor: str | None
) -> tuple[list[MeasurementDocument], str | None]:
    """One page of a device's measurements, newest first, each with its verdicts; and the cursor of the next one.

    Raises:
        Refusal: There is no such device.
    """
    target = known(context, device_id)
    after = str(from_cursor(cursor, ORDER, (str,))[0]) if cursor else None
    found = target.adapted(context, DEFAULT_ENERGY_MODEL)
    if target.row is None or found is None:
        return [], None
    with context.database.reading() as session:
        rows = repository.listed(session, target.row.id, after, limit + 1)
    if not all(row.id in found.verdicts for row in rows):  # others with the same content have come in their place
        found = _afresh(context, target.row.id, target.profile)
    items = [measurement_document(row, found.verdicts.get(row.id, ())) for row in rows[:limit]]
    return items, to_cursor(ORDER, (rows[limit - 1].id,)) if len(rows) > limit else None


def _afresh(context: Context, device_id: str, profile: DeviceProfile) -> Adapted:
    """Adapt to the rows as they are stored now."""
    with context.database.reading() as session:
        rows = repository.every(session, device_id)
    found = adapted(profile, rows, DEFAULT_ENERGY_MODEL)
    context.adaptations.keep(device_id, found)
    return found


def summary(context: Context, device_id: str) -> Adapted | None:
    """What the measurements of a device did; None without any.

    Raises:
        Refusal: There is no such device.
    """
    return known(context, device_id).adapted(context, DEFAULT_ENERGY_MODEL)


def remove(context: Context, device_id: str, measurement_id: str) -> None:
    """Delete one measurement; predictions no longer rest on it.

    Raises:
        Refusal: There is none of that id on this device.
    """
    with context.database.writing() as session:
        row = repository.lock(session, device_id)
        if row is None or not repository.remove(session, device_id, measurement_id):
            raise not_found("measurement", measurement_id)
        repository.settle(session, device_id)


def suggested(context: Context, device_id: str, task: str, space: str | None, count: int) -> SuggestionsDocument:
    """What to measure next on a device.

    Raises:
        Refusal: There is no such device, task or space, or they do not fit.
    """
    target = known(context, device_id)
    with in_query("task"):
        find_task(task)
    if space is not None:
        with in_query("space"):
            find_space(space).genes(find_task(task))
    found = target.adapted(context, DEFAULT_ENERGY_MODEL)
    measured: frozenset[str] = frozenset()
    if target.row is not None and found is not None:
        with context.database.reading() as session:
            measured = frozenset(row.key for row in repository.every(session, target.row.id))
    with context.gate.enter():
        items = suggestions.suggest(
            target.profile, found.adaptation if found else None, measured, task=task, space=space, count=count
        )
    return SuggestionsDocument(device_id=device_id, count=found.count if found else 0, items=items)
