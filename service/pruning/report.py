"""What there is to say of a pruned model: a document for programs and a table for people."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from design.counts import Counts, count
from design.prediction import Interval
from networks.pruning.bound import LayerBound
from networks.pruning.kept_whole import OUTPUTS, causes
from networks.runtime.speed_up import SpeedUp
from predictors.descriptor import Descriptor
from service.pruning.model import FIGURES, Limit, Model, Pruned, estimates
from service.pruning.pictures import Samples, accuracy
from service.tables import new_table
from service.units import kilobytes, millijoules, milliseconds, significant, span

COUNTED = ("macs", "parameters", "model_bytes", "peak_activation_bytes")


def report(
    model: Model,
    pruned: Pruned,
    limit: Limit,
    *,
    device: Descriptor | None,
    energy_model: str,
    samples: Samples | None,
    measured: SpeedUp | None,
    out: Path,
) -> dict[str, Any]:
    """The document.

    `file_bytes` are those of the file that was read and of the one that is written, whatever else they hold.
    Predictions have their 90 % intervals; accuracy is there only where labelled pictures were given that nothing was
    chosen by.
    """
    designs = [model.design, pruned.design]
    sizes = (model.file_bytes, len(pruned.exported.content))
    sides: list[dict[str, Any]] = [
        _counted(count(design)) | {"file_bytes": size} for design, size in zip(designs, sizes, strict=True)
    ]
    if device is not None:
        found = estimates(designs, device, energy_model)
        for place, side in enumerate(sides):
            side["predicted"] = {name: one.at(place).model_dump(mode="json") for name, one in found.items()}
    test = samples.test if samples is not None else None
    if test is not None:
        for side, network in zip(sides, (model.network, pruned.network), strict=True):
            side["accuracy"] = accuracy(network, test)
    layers = {layer.name: layer.out_channels for layer in model.network.architecture.layers}
    kept = pruned.decision.selection.kept
    return {
        "model": model.name,
        "file": out.name,
        "device": None if device is None else device.profile.name,
        "limit": {
            "figure": limit.figure,
            "target": limit.target,
            "reached": pruned.decision.allotment.amount,
            "risk": limit.risk if limit.figure.endswith(("_ms", "_mj")) else None,
        },
        "score": pruned.score,
        "multiple": pruned.multiple,
        "multiple_asked": pruned.multiple_asked,
        "pictures": 0 if samples is None else len(samples.images),
        "pictures_delta": pruned.pictures_delta,
        "accuracy_pictures": 0 if test is None else len(test[1]),
        "before": sides[0],
        "after": sides[1],
        "measured_here": None if measured is None else _measured(measured),
        "left_whole": dict(pruned.left_whole),
        "filters": {name: {"kept": len(own), "of": layers[name]} for name, own in kept.items()},
        "kept": {name: list(own) for name, own in kept.items()},
        "bounds": [_bound(one) for one in pruned.decision.bounds],
        "design": pruned.design.model_dump(mode="json"),
        "notes": list(model.notes),
    }


def _counted(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in COUNTED}


def _bound(own: LayerBound) -> dict[str, Any]:
    """What holds for the filters that were chosen, apart from what the theorem says of as many random draws."""
    draws = {name: getattr(own, name) for name in ("samples", "distinct", "epsilon", "delta")}
    draws["epsilon"] = own.epsilon if math.isfinite(own.epsilon) else None
    return {
        "layer": own.layer,
        "sensitivity": own.sensitivity,
        "removed_share": own.removed_share,
        "for_as_many_random_draws": draws,
    }


def _measured(found: SpeedUp) -> dict[str, Any]:
    sides = {"before": found.before, "after": found.after}
    told = {name: {"latency_ms": one.latency_ms, "note": one.note} for name, one in sides.items()}
    return told | {"factor": found.factor}


def view(document: dict[str, Any]) -> RenderableType:
    """The table."""
    before, after = document["before"], document["after"]
    table = new_table(document["model"], "figure", "before", "after", "left")
    for name, label in (("parameters", "Parameters"), ("macs", "Multiply-accumulates")):
        table.add_row(label, f"{before[name]:,}", f"{after[name]:,}", _share(after[name], before[name]))
    for name, label in (
        ("file_bytes", "File"),
        ("model_bytes", "Weights"),
        ("peak_activation_bytes", "Activations, peak"),
    ):
        table.add_row(label, kilobytes(before[name]), kilobytes(after[name]), _share(after[name], before[name]))
    if "predicted" in before:
        for name, label, unit in (
            ("latency_ms", "Latency, predicted", milliseconds),
            ("energy_mj", "Energy, predicted", millijoules),
        ):
            own = [side["predicted"][name] for side in (before, after)]
            cells = [f"{unit(one['value'])} ({span(_interval(one))})" for one in own]
            table.add_row(label, *cells, _share(own[1]["value"], own[0]["value"]))
    measured = document["measured_here"]
    if measured:
        own = [measured[side]["latency_ms"] for side in ("before", "after")]
        table.add_row("Latency, measured here", *map(milliseconds, own), _share(own[1], own[0]))
    if "accuracy" in before:
        number = document["accuracy_pictures"]
        cells = [f"{side['accuracy']:.2%}" for side in (before, after)]
        table.add_row(f"Accuracy on {number:,} other pictures", *cells, "")
    lines: list[RenderableType] = [table, Text(_limit(document))]
    if document["multiple"] < document["multiple_asked"]:
        lines.append(Text(_blocks(document)))
    if after["file_bytes"] >= before["file_bytes"]:
        lines.append(Text("The file is not smaller than the one that was read; it holds weights as 32-bit floats."))
    if document["kept"]:
        lines.append(Text(f"Filters chosen {_pictures(document)}."))
    causes_of = causes(document["left_whole"])
    if causes_of:
        number = sum(reason != OUTPUTS for reason in document["left_whole"].values())
        lines.append(Text(f"Left whole: {number} layer{'s' * (number > 1)}; {'; '.join(causes_of[:4])}."))
    if "accuracy" not in before:
        lines.append(Text("Accuracy is not known: no labelled pictures were given. Train it, then count.", style="dim"))
    return Group(*lines)


def _limit(document: dict[str, Any]) -> str:
    """Whether the limit made a difference, and what is reached."""
    own = document["limit"]
    name, unit = FIGURES[own["figure"]]
    risk = "" if own["risk"] is None else f" at risk {own['risk']:g}"
    said = f"Limit: {name} at most {significant(own['target'])}{unit}{risk}; now {significant(own['reached'])}{unit}."
    return said if document["kept"] else f"{said} The model has kept it before: nothing was removed."


def _blocks(document: dict[str, Any]) -> str:
    """That numbers of filters are not multiples of what was asked for."""
    own, asked = document["multiple"], document["multiple_asked"]
    said = f"Numbers of filters are multiples of {own}" if own > 1 else "Filters are kept one by one"
    said += f"; multiples of {asked} cannot keep the limit. Runtimes compute channels in blocks"
    return f"{said}." if document["measured_here"] else f"{said}: measure it (--measure)."


def _pictures(document: dict[str, Any]) -> str:
    if document["score"] == "l1":
        return "by their weights: no pictures were given"
    said = f"by sensitivity on {document['pictures']:,} pictures"
    worst = max(document["bounds"], key=lambda one: float(one["removed_share"]))
    lost = math.ceil(100 * worst["removed_share"])  # rounded up: a bound
    if lost >= 100:
        return f"{said}; no bound says what the sums of {worst['layer']} keep (all layers: the report)"
    return (
        f"{said}; without the others no sum of terms of one sign in {worst['layer']}, reading what the whole network "
        f"gives it, loses more than {lost} % where no channel has a larger share than on these (all layers: the report)"
    )


def _share(after: float, before: float) -> str:
    return f"{after / before:.1%}" if before else ""


def _interval(estimate: dict[str, Any]) -> Interval:
    return Interval.model_validate(estimate["interval"])
