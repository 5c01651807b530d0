"""Reasons: why the job of a file does not need a step, in words for its user; None where it does."""

from __future__ import annotations

from typing import Any

from design.design import Design
from service.worker.precisions import compared_layers, integer_layers, is_cut, is_full_precision, pruned_layers

Json = dict[str, Any]


def straight_to_bits(job: Json) -> str | None:
    """Of training in full precision."""
    if job["options"].get("full_precision_first", True) or is_full_precision(_design(job)):
        return None
    return "the options say to train at the design's bits from the start"


def nothing_to_compare(job: Json) -> str | None:
    """Of the check of significance."""
    if straight_to_bits(job) is not None:
        return "it looks at the network in full precision, which was not trained"
    number = len(compared_layers(_design(job)))
    return None if number > 1 else f"it compares convolutions between first and last layer; the design has {number}"


def filters_stay(job: Json) -> str | None:
    """Of pruning."""
    design = _design(job)
    if is_cut(design, job["options"]):
        return None
    pruned, number = pruned_layers(design), len(design.policy.layers)
    if not pruned:
        return "the design keeps all its filters"
    return (
        "the options say not to train in full precision first: the design, which keeps fewer filters in "
        f"{pruned} of its {number} layers, is trained at that size from the start"
    )


def bits_are_full(job: Json) -> str | None:
    """Of training at few bits."""
    return "the design is in full precision" if is_full_precision(_design(job)) else None


def no_whole_numbers(job: Json) -> str | None:
    """Of calibration."""
    if integer_layers(_design(job)):
        return None
    return "no layer of the design reads 2 to 8 bits, so nothing runs on whole numbers"


def _design(job: Json) -> Design:
    return Design.model_validate(job["design"])
