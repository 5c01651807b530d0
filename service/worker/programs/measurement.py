"""Measurement: how fast the exported models are on the worker's machine, beside what is predicted for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from networks.runtime.host import host_profile
from networks.runtime.measure import HostLatency, MeasureOptions, measure
from predictors.descriptor import describe
from predictors.predict import explain
from service.worker.programs.failing import in_words
from service.worker.programs.subject import Subject
from service.worker.trainer import Report

OPTIONS = MeasureOptions(seconds=2.0)


@in_words
def run(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Time each model, one thread and one picture a call; the fastest is what a user would run."""
    subject = Subject(job)
    exported = subject.result("export")
    assert exported is not None
    found: dict[str, HostLatency] = {}
    for place, name in enumerate(exported["models"]):
        found[name] = measure(subject.folder / name, OPTIONS)
        report.progress((place + 1) / len(exported["models"]), file=name, latency_ms=found[name].latency_ms)
    best = min(found, key=lambda name: found[name].latency_ms)
    profile = host_profile(runtime=found[best].runtime, threads=OPTIONS.threads, batch_size=OPTIONS.batch_size)
    predicted = explain(subject.design, describe(profile), subject.task)
    return {
        "models": {name: asdict(one) | {"latency_ms": one.latency_ms, "note": one.note} for name, one in found.items()},
        "best": best,
        "latency_ms": found[best].latency_ms,
        "note": f"{best}: {found[best].note}",
        "host": profile.model_dump(mode="json", exclude_none=True),
        "prediction": predicted.model_dump(mode="json", exclude={"layers"}),
    }
