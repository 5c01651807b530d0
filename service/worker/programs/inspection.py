"""Inspection of a trained network: which layers deserve bits, and the ranges of what its layers compute."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from networks.export.calibration import calibrate
from networks.export.integer import Range
from networks.significance import significance
from service.worker.precisions import compared_layers
from service.worker.programs.failing import in_words
from service.worker.programs.subject import Subject
from service.worker.trainer import Report

PICTURES = 1_000
"""Of the validation part, most; never test pictures."""


@in_words
def significant_layers(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Principal components of each convolution of the network in full precision; advice for the next design."""
    del report
    subject = Subject(job)
    network = subject.full_precision()
    names = [network.path(name) for name in compared_layers(subject.design)]
    found = significance(network, names, subject.images(subject.data.validation, PICTURES))
    return {"layers": [asdict(layer) for layer in found.layers], "significant": list(found.significant)}


@in_words
def ranges(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Smallest and largest values of tensors that whole-number kernels write and no learned step bounds."""
    del report
    subject = Subject(job)
    found = calibrate(subject.trained(), subject.images(subject.data.validation, PICTURES))
    return {"ranges": {name: asdict(one) for name, one in found.items()}}


def ranges_of(subject: Subject) -> dict[str, Range] | None:
    """What `ranges` found; None where the step was skipped."""
    result = subject.result("calibrate")
    return None if result is None else {name: Range(**one) for name, one in result["ranges"].items()}
