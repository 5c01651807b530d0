"""What can be predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from fastapi import Response
from pydantic import BaseModel

from design.design import Design
from design.task import Task
from predictors.descriptor import describe
from predictors.energy import find_energy_model
from predictors.predict import explain
from service.context import Context
from service.devices.operations import resolve
from service.devices.schemas import DeviceReference, RestsOn
from service.errors import at
from service.idempotency import Once, Record, Reply
from service.predictions.schemas import DevicePrediction, PredictionDocument, PredictionRequest, PredictionVersions
from service.predictions.subjects import subject_of
from service.release import RELEASE


def create(context: Context, once: Once, request: PredictionRequest) -> Response:
    """Predict one design on every device of the request; one device that is wrong refuses the whole request."""
    return answer(context, once, request, lambda: predict(context, request))


def answer(context: Context, once: Once, request: BaseModel, made: Callable[[], PredictionDocument]) -> Response:
    """Make the document, or give the stored answer to the request's key."""

    def work(record: Record) -> Reply:
        reply = Reply(status=200, body=made().model_dump_json())
        with context.database.writing() as session:
            record(session, reply)
        return reply

    if once.key is None:
        return Reply(status=200, body=made().model_dump_json()).response()
    return once.answer(context, request, work)


def predict(context: Context, request: PredictionRequest) -> PredictionDocument:
    """The predictions that a request asks for.

    Raises:
        Refusal: Something it names is not known, or does not fit.
    """
    subject = subject_of(context, request)
    with at("/energy_model"):
        find_energy_model(request.energy_model)
    with context.gate.enter():
        items = on_devices(
            context, subject.design, subject.task, request.devices, request, lambda index: at(f"/devices/{index}")
        )
    made = document(subject.design, subject.task, items, request.energy_model)
    return made.model_copy(update={"design_id": request.design_id, "network": request.network})


class Wanted(Protocol):
    """How predictions are to be made."""

    @property
    def energy_model(self) -> str:
        """How energy is reckoned."""
        ...

    @property
    def layers(self) -> bool:
        """With the share of every layer."""
        ...


def on_devices(
    context: Context,
    design: Design,
    task: Task | None,
    devices: Sequence[DeviceReference],
    wanted: Wanted,
    place: Callable[[int], AbstractContextManager[None]],
) -> list[DevicePrediction]:
    """The prediction for each device.

    Args:
        context: Where devices and their measurements are known.
        design: What runs.
        task: What it is for; None: a user's model, of whose task nothing was said.
        devices: Where it runs.
        wanted: How predictions are to be made.
        place: Says where in the request a device stands.
    """
    items = [_on_device(context, design, task, one, place(index), wanted) for index, one in enumerate(devices)]
    context.metrics.predictions.inc(len(items))
    return items


def document(
    design: Design, task: Task | None, items: list[DevicePrediction], energy_model: str, notes: tuple[str, ...] = ()
) -> PredictionDocument:
    """What is answered about a design."""
    origin = design.genotype
    return PredictionDocument(
        name=design.architecture.name,
        digest=design.digest,
        space=origin.space if origin else None,
        design_id=None,
        network=None,
        task=task.name if task else None,
        notes=notes,
        versions=PredictionVersions(bespoke=RELEASE, energy_model=energy_model),
        items=items,
    )


def _on_device(
    context: Context,
    design: Design,
    task: Task | None,
    reference: DeviceReference,
    place: AbstractContextManager[None],
    wanted: Wanted,
) -> DevicePrediction:
    with place:
        target = resolve(context, reference)
        found = target.adapted(context, wanted.energy_model)
        prediction = explain(
            design,
            describe(target.profile),
            task,
            energy_model=wanted.energy_model,
            adaptation=found.adaptation if found else None,
        )
    if not wanted.layers:
        prediction = prediction.model_copy(update={"layers": ()})
    return DevicePrediction(
        device_id=target.device_id,
        device=target.profile,
        measurements=RestsOn(count=found.count, digest=found.digest) if found else None,
        prediction=prediction,
    )
