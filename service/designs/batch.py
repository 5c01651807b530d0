"""Designs for a fleet: one pass for all devices, a result or a problem for each."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Response

from design.design import Genotype
from design.device import DeviceProfile
from design.errors import BespokeError
from design.spaces.registry import find_space
from design.task import Task, find_task
from optimizer.approaches import VERSIONS, why_in_fleet
from optimizer.fleet import Fleet, optimize_fleet
from optimizer.fleet_groups import FleetGroup
from optimizer.fleet_member import FleetMember
from optimizer.library_search import LibrarySearch
from optimizer.problem import Problem
from predictors.energy import find_energy_model
from predictors.predictions import of_any_device
from service.context import Context
from service.designs.batch_schemas import (
    BatchDesign,
    BatchDocument,
    BatchGroup,
    BatchItem,
    BatchRequest,
    BrokenLimit,
    FleetDevice,
    Malformed,
)
from service.designs.infeasible import infeasible
from service.designs.places import Place
from service.designs.schemas import Versions
from service.devices.operations import resolve
from service.devices.schemas import RestsOn
from service.errors import at, invalid
from service.idempotency import Once, Record, Reply
from service.problems import Fault, Refusal, problem_document
from service.problems import Problem as ProblemDocument
from service.release import RELEASE

PATH = "/v1/designs/batch"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One device of the request, and its problem for the optimizer; or why there is none.

    Attributes:
        place: Where the body has it and its limits.
    """

    device_id: str | None
    place: Place
    profile: DeviceProfile | None = None
    rests_on: RestsOn | None = None
    problem: Problem | None = None
    refusal: Refusal | None = None


def create(context: Context, once: Once, request: BatchRequest, request_id: str) -> Response:
    """Design for every device of the request; a device that is malformed or not known has a problem of its own."""

    def work(record: Record) -> Reply:
        reply = Reply(status=200, body=design(context, request, request_id).model_dump_json())
        with context.database.writing() as session:
            record(session, reply)
        return reply

    if once.key is None:
        return Reply(status=200, body=design(context, request, request_id).model_dump_json()).response()
    return once.answer(context, request, work)


def design(context: Context, request: BatchRequest, request_id: str) -> BatchDocument:
    """The designs that a request asks for; the problems of devices carry its id.

    Raises:
        Refusal: The task, a space or the energy model is not known.
        BespokeError: The fleet as a whole cannot be answered.
    """
    with at("/task"):
        task = find_task(request.task)
    with at("/energy_model"):
        find_energy_model(request.energy_model)
    for index, name in enumerate(request.spaces):
        with at(f"/spaces/{index}"):
            find_space(name).genes(task)
    asked = [_asked(context, request, task, index) for index in range(len(request.devices))]
    places = [index for index, one in enumerate(asked) if one.problem is not None]
    with context.gate.enter():
        fleet = optimize_fleet([one.problem for one in asked if one.problem is not None]) if places else None
    members = dict(zip(places, fleet.members, strict=True)) if fleet else {}
    groups = [_group(task, group, places) for group in fleet.groups] if fleet else []
    serving = {device: number for number, group in enumerate(groups) for device in group.devices}
    items = [_item(one, members.get(index), serving.get(index), request_id) for index, one in enumerate(asked)]
    context.metrics.designs.labels("batch").inc(len(places))
    return BatchDocument(
        task=task.name,
        approach=LibrarySearch.approach,
        feasible=sum(item.design is not None for item in items),
        versions=_versions(fleet, request.energy_model) if fleet else None,
        items=items,
        groups=groups,
    )


def _asked(context: Context, request: BatchRequest, task: Task, index: int) -> _Asked:
    entry = request.devices[index]
    place = Place.in_fleet(index, entry)
    if isinstance(entry, Malformed):
        errors = [{**one, "loc": ("body", *one["loc"])} for one in entry.errors]
        return _Asked(device_id=entry.device_id(), place=place, refusal=invalid(errors, entry.entry, place.entry))
    if isinstance(entry, FleetDevice):
        reference, limits = entry.device, entry.limits_in(request.limits)
    else:
        reference, limits = entry, request.limits
    named = reference if isinstance(reference, str) else None
    try:
        with at(place.device):
            target = resolve(context, reference)
            found = target.adapted(context, request.energy_model)
    except Refusal as refusal:
        return _Asked(device_id=named, place=place, refusal=refusal)
    if limits.risk != request.limits.risk:
        other = _other_risk(f"{place.limits}/risk", limits.risk, request.limits.risk)
        return _Asked(device_id=named, place=place, profile=target.profile, refusal=other)
    return _Asked(
        device_id=target.device_id,
        place=place,
        profile=target.profile,
        rests_on=RestsOn(count=found.count, digest=found.digest) if found else None,
        problem=Problem(
            device=target.profile,
            task=task,
            constraints=limits,
            preferences=request.preferences,
            spaces=request.spaces,
            energy_model=request.energy_model,
            adaptation=found.adaptation if found else None,
        ),
    )


def _other_risk(pointer: str, own: float, shared: float) -> Refusal:
    """Limits of one device at another risk than those of the request."""
    must, got = f"must be that of the request, {shared}", f"{own}"
    way_out = "Leave it out, or ask for this device in a request of its own."
    fault = Fault(pointer=pointer, must=must, got=got, way_out=way_out)
    return Refusal("invalid-request", 422, f"{pointer} {must}, but got {got}. {way_out}", faults=[fault])


def _item(asked: _Asked, member: FleetMember | BespokeError | None, group: int | None, request_id: str) -> BatchItem:
    refusal, own = asked.refusal, None
    if isinstance(member, BespokeError):
        refusal = asked.place.refused(member)
    elif member is not None and asked.problem is not None:
        own = _design(member, asked.problem)
        if not member.feasible:
            nearest, limits = own.model_dump(mode="json"), asked.problem.constraints
            refusal, own = infeasible(member.violations, nearest, limits, searched=False, place=asked.place), None
    return BatchItem(
        device_id=asked.device_id,
        device=asked.profile,
        measurements=asked.rests_on,
        design=own,
        group=group,
        problem=None
        if refusal is None
        else ProblemDocument.model_validate(problem_document(refusal, instance=PATH, request_id=request_id)),
    )


def _design(member: FleetMember, problem: Problem) -> BatchDesign:
    """What is proposed; its figures carry the values that limits are compared with, at the requested risk."""
    found, task, risk = member.predictions, problem.task, problem.constraints.risk
    return BatchDesign(
        name=member.space.title(task, member.genotype),
        genotype=Genotype(space=member.space.name, task=task.name, values=tuple(member.genotype.tolist())),
        feasible=member.feasible,
        broken=[BrokenLimit(limit=one.limit, allowed=one.allowed, reached=one.reached) for one in member.violations],
        approach=member.approach,
        why=why_in_fleet(member.approach, alone=member.alone),
        optimizer_version=VERSIONS[member.approach],
        latency_ms=found.latency_ms.at(0, 1 - risk),
        energy_mj=found.energy_mj.at(0, 1 - risk),
        accuracy=found.accuracy.at(0, risk),
        accuracy_basis=found.accuracy_basis,
        model_bytes=int(found.model_bytes[0]),
        peak_memory_bytes=int(found.peak_memory_bytes[0]),
        training_memory_bytes=int(found.training_memory_bytes[0]),
    )


def _group(task: Task, group: FleetGroup, places: list[int]) -> BatchGroup:
    decoded = group.space.decode(task, group.genotype)
    return BatchGroup(
        name=decoded.architecture.name,
        digest=decoded.digest,
        design=decoded,
        devices=[places[one] for one in group.members],
        accuracy=group.accuracy,
        accuracy_lost=group.accuracy_lost,
    )


def _versions(fleet: Fleet, energy_model: str) -> Versions | None:
    sources = next((one.predictions.sources for one in fleet.members if isinstance(one, FleetMember)), None)
    if sources is None:
        return None
    return Versions(
        bespoke=RELEASE,
        optimizer=VERSIONS[LibrarySearch.approach],
        energy_model=energy_model,
        predictors=of_any_device(sources),
    )
