"""Reporting: what the job found out as a page and as JSON, and the script that runs its models."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from design.prediction import Prediction
from service.worker.programs.exporting import DESIGN, MODELS, PACKED, WEIGHTS
from service.worker.programs.failing import SECONDS, in_words
from service.worker.programs.subject import Subject
from service.worker.report.document import (
    Comparison,
    ExportedFile,
    FileNote,
    JobReport,
    KeptFilters,
    Pruning,
    ReadBound,
    SignificantLayer,
    StepNote,
    TrainedEpoch,
    Training,
    comparisons,
)
from service.worker.report.page import report_page
from service.worker.steps import PIPELINE
from service.worker.trainer import Report

PAGE, JSON_FILE, SCRIPT = "report.html", "report.json", "run_model.py"
EXACT, INTEGER = MODELS.values()
PURPOSES = {
    EXACT: "the model for onnxruntime and others, as it was trained",
    INTEGER: "the model with whole-number kernels where its bits allow",
    PACKED: "the weights at their bits, as small as they get (networks.packing reads it)",
    WEIGHTS: "the trained weights, to train on from or to export again",
    DESIGN: "the design",
}
TRAININGS = {
    "train": "in full precision",
    "prune": "in full precision, with the filters that were kept",
    "quantize": "at the design's bits",
}
PRUNING = ("method", "before", "cut", "after", "accuracy_pictures", "accuracy_on_others")
"""What the result says of it."""
ALL_FILTERS = ", with all filters"
Json = dict[str, Any]


@in_words
def run(job: Json, report: Report) -> Json:
    """Write report and script into the work folder, and keep them; the result has the comparison."""
    subject = Subject(job)
    found = report_of(subject, made_at=datetime.now(UTC).isoformat(timespec="seconds"))
    contents = {
        PAGE: (report_page(found).encode(), "text/html"),
        JSON_FILE: (found.as_json().encode(), "application/json"),
        SCRIPT: (files("networks.export").joinpath(SCRIPT).read_bytes(), "text/x-python"),
    }
    for name, (content, media_type) in contents.items():
        part = subject.folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(subject.folder / name)
        report.artifact(subject.folder / name, media_type=media_type)
    pruned = None if found.pruning is None else found.pruning.model_dump(mode="json", include={*PRUNING})
    compared = [one.model_dump(mode="json") for one in found.comparisons]
    return {"comparisons": compared, "host": found.host, "pruning": pruned}


def report_of(subject: Subject, *, made_at: str) -> JobReport:
    """All that the steps before have found out."""
    job, verified, measured = subject.job, _needed(subject, "verify"), _needed(subject, "measure")
    host = Prediction.model_validate(measured["prediction"])
    significance = subject.result("significance") or {"layers": []}
    names = ("name", "channels", "components", "significant", "reason")
    return JobReport(
        job_id=job["job_id"],
        made_at=made_at,
        name=job["design_name"],
        digest=job["design_digest"],
        task=job["task"],
        dataset=job["dataset"]["name"],
        device=job["device"]["name"],
        seed=subject.seed,
        prediction=subject.prediction,
        comparisons=_comparisons(subject, host),
        trainings=tuple(_training(subject, step) for step in TRAININGS if subject.result(step) is not None),
        pruning=_pruning(subject),
        significance=tuple(
            SignificantLayer(**{name: layer[name] for name in names}) for layer in significance["layers"]
        ),
        exported=tuple(_exported(subject, one) for one in verified["files"]),
        host=f"{measured['host']['name']}, {measured['host']['runtime']}",
        host_assumed=host.assumed,
        training_pictures=_needed(subject, "prepare data")["training_pictures"],
        steps=_steps(subject),
        files=tuple(
            FileNote(name=name, bytes=(subject.folder / name).stat().st_size, what=what)
            for name, what in PURPOSES.items()
            if name not in MODELS.values() or name in measured["models"]
        ),
    )


def _needed(subject: Subject, step: str) -> Json:
    found = subject.result(step)
    assert found is not None
    return found


def _comparisons(subject: Subject, host: Prediction) -> tuple[Comparison, ...]:
    verified, measured = _needed(subject, "verify"), _needed(subject, "measure")
    exact = next(one for one in verified["files"] if one["name"] == EXACT)
    return comparisons(
        subject.prediction,
        host,
        accuracy=exact["exported_accuracy"],
        test_pictures=exact["test_pictures"],
        packed_bytes=verified["packed_bytes"],
        latency_ms=measured["latency_ms"],
        latency_how=measured["note"],
    )


def _training(subject: Subject, step: str) -> Training:
    result, names = _needed(subject, step), tuple(TrainedEpoch.model_fields)
    return Training(
        name=TRAININGS[step] + (ALL_FILTERS if step == "train" and subject.is_cut else ""),
        epochs=tuple(TrainedEpoch(**{name: epoch[name] for name in names}) for epoch in result["epochs"]),
        best_epoch=result["best_epoch"],
        seconds=result["seconds"],
        monitor=result.get("monitor"),
        memory=result.get("memory"),
    )


def _pruning(subject: Subject) -> Pruning | None:
    result = subject.result("prune")
    if result is None:
        return None
    return Pruning(
        **{name: result[name] for name in ("method", "pictures", "before", "cut")},
        after=result.get("after", result["validation_accuracy"]),
        accuracy_pictures=result.get("accuracy_pictures"),
        accuracy_on_others=result.get("accuracy_on_others", False),
        groups=tuple(KeptFilters(**one) for one in result["groups"]),
        bounds=tuple(
            ReadBound(layer=one["layer"], removed_share=one.get("removed_share"), draws_epsilon=one["epsilon"])
            for one in result["bounds"]
        ),
    )


def _exported(subject: Subject, file: Json) -> ExportedFile:
    copied = ("name", "form", "layer_error", "worst_layer", "logits_error", "pictures", "parted")
    return ExportedFile(
        **{name: file[name] for name in copied},
        bytes=(subject.folder / file["name"]).stat().st_size,
        integer_layers=file["integer"],
        float_layers=tuple(file["floats"]),
        accuracy=file["exported_accuracy"],
        latency_ms=_needed(subject, "measure")["models"][file["name"]]["latency_ms"],
    )


def _steps(subject: Subject) -> tuple[StepNote, ...]:
    """Every step before this one: how long it ran, or why it was skipped."""
    notes = []
    for step in PIPELINE.steps[:-1]:
        result = subject.result(step.name)
        if result is None:
            notes.append(StepNote(name=step.name, skipped=step.skip(subject.job)))
        else:
            notes.append(StepNote(name=step.name, seconds=result.get(SECONDS)))
    return tuple(notes)
