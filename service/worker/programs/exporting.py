"""Exporting: the trained network as files that others can run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from networks.export.description import description
from networks.export.exported import Form
from networks.export.onnx_model import export_onnx
from networks.export.trained import save_trained
from networks.packing import pack
from service.worker.precisions import integer_layers
from service.worker.programs.failing import in_words
from service.worker.programs.inspection import ranges_of
from service.worker.programs.subject import Subject
from service.worker.trainer import Report

WEIGHTS, PACKED, DESIGN = "weights.safetensors", "packed.bin", "design.json"
MODELS = {Form.EXACT: "model.onnx", Form.INTEGER: "model-int8.onnx"}
BINARY = "application/octet-stream"
ONNX = "application/onnx"


@in_words
def run(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Write weights, models, packed weights and the design into the work folder, and keep them."""
    subject = Subject(job)
    network, design, folder = subject.trained(), subject.design, subject.folder
    save_trained(network, design, folder / WEIGHTS, task=subject.task.name, seed=subject.seed)
    report.artifact(folder / WEIGHTS, media_type=BINARY)
    about = description(
        design=design.digest,
        task=subject.task.name,
        classes=subject.data.train.classes,
        normalisation=subject.data.normalisation,
        made_by=str(job["job_id"]),
    )
    forms = [Form.EXACT, *([Form.INTEGER] if integer_layers(design) else [])]
    for form in forms:
        ranges = ranges_of(subject) if form is Form.INTEGER else None
        exported = export_onnx(network, form=form, ranges=ranges, metadata=about)
        exported.save(folder / MODELS[form])
        report.artifact(folder / MODELS[form], media_type=ONNX)
    packed = pack(network, design)
    _write(folder / PACKED, packed)
    report.artifact(folder / PACKED, media_type=BINARY)
    _write(folder / DESIGN, json.dumps(job["design"], indent=1).encode())
    report.artifact(folder / DESIGN, media_type="application/json")
    return {
        "models": [MODELS[form] for form in forms],
        "packed_bytes": len(packed),
        "packed_digest": hashlib.sha256(packed).hexdigest(),
    }


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
