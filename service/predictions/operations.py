"""What can be predicted."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Response

from predictors.descriptor import describe
from predictors.energy import find_energy_model
from predictors.predict import explain
from service.context import Context
from service.devices.operations import resolve
from service.devices.schemas import DeviceReference, RestsOn
from service.errors import at
from service.idempotency import Once, Record, Reply
from service.predictions.schemas import DevicePrediction, PredictionDocument, PredictionRequest, PredictionVersions
from service.predictions.subjects import Subject, subject_of


def create(context: Context, once: Once, request: PredictionRequest) -> Response:
    """Predict one design on every device of the request; one device that is wrong refuses the whole request."""

    def work(record: Record) -> Reply:
        body = predict(context, request).model_dump_json()
        reply = Reply(status=200, body=body)
        with context.database.writing() as session:
            record(session, reply)
        return reply

    if once.key is None:
        return Reply(status=200, body=predict(context, request).model_dump_json()).response()
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
        items = [
            _on_device(context, subject, reference, f"/devices/{index}", request)
            for index, reference in enumerate(request.devices)
        ]
    context.metrics.predictions.inc(len(items))
    origin = subject.design.genotype
    return PredictionDocument(
        name=subject.design.architecture.name,
        digest=subject.design.digest,
        space=origin.space if origin else None,
        design_id=request.design_id,
        network=request.network,
        task=subject.task.name,
        versions=PredictionVersions(bespoke=version("bespoke"), energy_model=request.energy_model),
        items=items,
    )


def _on_device(
    context: Context, subject: Subject, reference: DeviceReference, pointer: str, request: PredictionRequest
) -> DevicePrediction:
    with at(pointer):
        target = resolve(context, reference)
        found = target.adapted(context, request.energy_model)
        prediction = explain(
            subject.design,
            describe(target.profile),
            subject.task,
            energy_model=request.energy_model,
            adaptation=found.adaptation if found else None,
        )
    if not request.layers:
        prediction = prediction.model_copy(update={"layers": ()})
    return DevicePrediction(
        device_id=target.device_id,
        device=target.profile,
        measurements=RestsOn(count=found.count, digest=found.digest) if found else None,
        prediction=prediction,
    )
