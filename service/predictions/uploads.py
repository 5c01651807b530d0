"""Uploaded models: an ONNX file as the body, all else in query parameters. It is read in memory and never kept."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from typing import Annotated, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from design.design import Design
from design.errors import BespokeError
from design.task import Task, find_task
from networks.tracing.errors import UnsupportedModel
from networks.tracing.onnx_model import trace_onnx
from optimizer.problem import DEFAULT_ENERGY_MODEL
from predictors.energy import find_energy_model
from service.context import Context
from service.designs.schemas import Name
from service.errors import at, in_query, refused
from service.idempotency import Once
from service.predictions.operations import answer, document, on_devices
from service.predictions.schemas import MOST_DEVICES, PredictionDocument
from service.predictions.subjects import check_size, check_task
from service.problems import Fault, Refusal

SHAPE = r"^[0-9]{1,8}(x[0-9]{1,8}){0,3}$"


class Upload(BaseModel):
    """What is asked about an uploaded model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Annotated[list[str], Field(min_length=1, max_length=MOST_DEVICES, description="device id; may be repeated")]
    name: Annotated[str, Field(min_length=1, max_length=200, description="what to call the model")] = "model"
    task: Name | None = Field(
        None, description="what the model was trained for; left out: its accuracy is not predicted"
    )
    input_shape: Annotated[str, Field(pattern=SHAPE, max_length=40)] | None = Field(
        None, description="one picture as CxHxW, where the model leaves its sides open"
    )
    bits: Literal["1", "2", "4", "8", "16", "32"] | None = Field(
        None, description="bits of all weights and activations (edges 8 or more); left out: as in the model"
    )
    energy_model: Name = Field(DEFAULT_ENERGY_MODEL, description="how energy is reckoned")
    layers: bool = Field(False, description="with the share of every layer")


class _Asked(BaseModel):
    """Upload and digest of the file: what makes two requests the same."""

    upload: Upload
    sha256: str


def create(context: Context, once: Once, upload: Upload, content: bytes) -> Response:
    """Predict an uploaded model on every device named; nothing of it is kept."""
    asked = _Asked(upload=upload, sha256=hashlib.sha256(content).hexdigest())
    return answer(context, once, asked, lambda: predict(context, upload, content))


def predict(context: Context, upload: Upload, content: bytes) -> PredictionDocument:
    """The predictions for a model.

    Raises:
        Refusal: It cannot be read, or something the query names is not known or does not fit.
    """
    with in_query("energy_model"):
        find_energy_model(upload.energy_model)
    with context.gate.enter():
        design, task, notes = _read(context, upload, content)
        items = on_devices(context, design, task, upload.device, upload, _device)
    return document(design, task, items, upload.energy_model, notes)


def _device(index: int) -> AbstractContextManager[None]:
    return in_query("device")


def _read(context: Context, upload: Upload, content: bytes) -> tuple[Design, Task | None, tuple[str, ...]]:
    """The model, its task if one is named, and what reading it left out."""
    task = None
    if upload.task is not None:
        with in_query("task"):
            task = find_task(upload.task)
    hint = None if upload.input_shape is None else tuple(int(side) for side in upload.input_shape.split("x"))
    seconds = context.settings.model_seconds
    try:
        traced = trace_onnx(content, name=upload.name, input_shape=hint, seconds=seconds)
    except UnsupportedModel as error:
        raise _unsupported(error) from error
    except BespokeError as error:
        raise refused(error) from error
    design = traced.at_bits(int(upload.bits) if upload.bits else None).design
    with at(""):
        check_size(design)
    if task is not None:
        check_task(design.architecture, task)
    return design, task, traced.notes


def _unsupported(error: UnsupportedModel) -> Refusal:
    """One fault for each operator."""
    faults = [
        Fault(pointer="", must="must be a supported operator", got=one, way_out=error.way_out)
        for one in error.operators
    ]
    return Refusal("unsupported-model", 422, str(error), faults=faults)
