"""Wording: how layers, facts and the origin of figures are put for people, on the pages and in the terminal alike."""

from __future__ import annotations

from design.devices.catalogue import Fact
from design.prediction import AccuracyBasis, Assumption, LayerCost
from service.units import DASH, TIMES, significant

BASES: dict[AccuracyBasis, str] = {
    "prior": "a prior fitted on published results: neither this design nor its neighbours were trained",
    "table": "a predictor fitted on a published table of trainings of this space",
    "unknown": "nothing: the model came without a task that it was trained for",
    "corpus": "a predictor fitted on our own trainings of designs of this space",
}
"""What the accuracy of a prediction rests on."""


def bits(layer: LayerCost) -> str:
    """`W4A8`, or a dash for layers without weights."""
    return DASH if layer.weight_bits is None else f"W{layer.weight_bits}A{layer.activation_bits}"


def operation(layer: LayerCost) -> str:
    """Operation with its kernel where it has one."""
    named = layer.op.replace("_", " ")
    if layer.kernel == (1, 1) and layer.op != "conv":
        return named
    return f"{named} {layer.kernel[0]}{TIMES}{layer.kernel[1]}"


def filters(layer: LayerCost) -> str:
    """Filters kept of all, `12 of 16`, or only their number where none was pruned."""
    if layer.filters is None or layer.filters_kept is None:
        return DASH
    return f"{layer.filters_kept} of {layer.filters}" if layer.filters_kept != layer.filters else f"{layer.filters}"


def assumed_value(assumption: Assumption) -> str:
    """The value used instead of a figure that the profile left out."""
    return assumption.value if isinstance(assumption.value, str) else significant(assumption.value)


def fact_text(fact: Fact) -> str:
    """The value of a catalogue figure."""
    if isinstance(fact.value, list):
        return ", ".join(f"W{weight}A{activation}" for weight, activation in fact.value)
    if isinstance(fact.value, bool):
        return "yes" if fact.value else "no"
    return f"{fact.value:,}" if isinstance(fact.value, int) else str(fact.value)


def fact_origin(fact: Fact) -> str:
    """The document that states a catalogue figure, or how it follows from others."""
    return fact.source if fact.source is not None else f"derived: {fact.derived}"


def factor(value: float) -> str:
    """How many times one figure is another: `3.64×`."""
    return f"{significant(value)}{TIMES}"
