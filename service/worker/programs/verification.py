"""Verification: the files compute what the trained network computes, or the job fails with the layer that differs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from design.counts import model_bytes
from design.encoding import encode_designs
from networks.errors import InvalidArtefact
from networks.export.exported import Exported
from networks.packing import pad_bytes, unpack
from networks.packing_front import FRONT_BYTES
from networks.runtime.integer_nodes import integer_nodes
from networks.runtime.verify import Agreement, verify
from service.worker.programs.exporting import PACKED
from service.worker.programs.failing import in_words
from service.worker.programs.subject import Subject
from service.worker.trainer import Report

PICTURES = 200
"""Of the validation part, whose logits are compared."""
PACKED_TOLERANCE = 0.01


@in_words
def run(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Compare every file with the trained network: logits, layer by layer where they part, and test accuracy."""
    subject = Subject(job)
    network = subject.trained()
    exported = subject.result("export")
    assert exported is not None
    names = exported["models"]
    files = []
    for place, name in enumerate(names):
        model = Exported.read(subject.folder / name)
        agreement = verify(
            model,
            network,
            subject.images(subject.data.validation, PICTURES),
            test=subject.batches(subject.test).in_order(),
        )
        nodes = integer_nodes(model)
        files.append(_told(name, agreement) | {"integer": len(nodes.integer), "floats": list(nodes.floats)})
        report.progress((place + 1) / (len(names) + 1), file=name)
    return {"files": files} | _packed(subject)


def _told(name: str, agreement: Agreement) -> dict[str, Any]:
    return {"name": name} | asdict(agreement) | {"form": agreement.form.value}


def _packed(subject: Subject) -> dict[str, Any]:
    """The packed file gives the same logits, bit for bit, and but for its front is as large as was counted."""
    content, design = (subject.folder / PACKED).read_bytes(), subject.design
    network, again = subject.trained(), unpack(content, design)
    images = next(subject.images(subject.data.validation, PICTURES))
    with torch.inference_mode():
        if not torch.equal(network(images), again(images)):
            raise InvalidArtefact("packed weights must give the logits of the network, bit for bit", "others")
    counted = int(model_bytes(encode_designs([design]))[0])
    size = len(content) - FRONT_BYTES - pad_bytes(network)
    if abs(size - counted) > PACKED_TOLERANCE * counted:
        raise InvalidArtefact(f"packed weights must take {counted} bytes within 1 %", f"{size}")
    return {"packed_bytes": len(content), "counted_bytes": counted, "front_bytes": FRONT_BYTES}
