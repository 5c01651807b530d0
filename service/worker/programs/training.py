"""Training: the network in full precision, then at the bits of its design."""

from __future__ import annotations

from typing import Any

from service.worker.programs.failing import in_words
from service.worker.programs.together import train
from service.worker.trainer import Report

Json = dict[str, Any]


@in_words
def full_precision(job: Json, report: Report) -> Json:
    """Train the network with nothing quantized: the starting point and teacher of the design, or the design itself."""
    return train("train", job, report)


@in_words
def quantized(job: Json, report: Report) -> Json:
    """Train the design at its bits, from the network in full precision and taught by it where there is one."""
    return train("quantize", job, report)
