"""DesignPage: a stored design as its page shows it; every figure already worded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from design.constraints import Constraints
from design.device import DeviceProfile
from design.devices.catalogue import catalogue
from design.prediction import Assumption, Estimate, LayerCost, Prediction
from optimizer.approaches import why
from optimizer.problem import FrontPoint
from service.dashboard.charts import front_chart
from service.dashboard.glance import Range, Strip, interval_range, strip
from service.designs.fronts import StoredFront
from service.models import DesignRow
from service.units import count, kilobytes, millijoules, milliseconds, percent, shape, span
from service.verdicts import Verdict, verdicts
from service.wording import BASES, assumed_value, bits, filters, operation


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key figure: value and unit, what its spread is, the interval as a picture, and its limit."""

    label: str
    value: str
    unit: str
    spread: str
    range: Range | None
    verdict: Verdict | None


@dataclass(frozen=True, kw_only=True)
class LayerLine:
    """One layer of the table; parts are percent of the largest layer's figure, for the bars."""

    name: str
    operation: str
    shape: str
    weight_bits: int | None
    bits: str
    filters: str
    macs: str
    weights: str
    latency: str
    latency_part: float
    energy: str
    energy_part: float
    bound: str


@dataclass(frozen=True, kw_only=True)
class FrontLine:
    """One member of the front."""

    name: str
    latency: str
    accuracy: str
    energy: str
    model: str
    memory: str
    feasible: bool
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class AssumedLine:
    """One figure that the profile left out."""

    field: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DesignPage:
    """Everything that `design.html` shows."""

    id: str
    name: str
    task: str
    device_name: str
    device_href: str | None
    device_gone: bool
    measured: int
    risk: str
    keys: tuple[Key, ...]
    strip: Strip
    layers: tuple[LayerLine, ...]
    front: tuple[FrontLine, ...]
    chart: dict[str, Any]
    assumed: tuple[AssumedLine, ...]
    basis: str
    origin: tuple[tuple[str, str], ...]
    request: str
    api_href: str
    front_href: str
    front_changed: bool
    front_missing: str


def design_page(row: DesignRow, front: StoredFront | str, *, device_gone: bool = False) -> DesignPage:
    """The page of one stored design, with its front or with why there is none."""
    prediction = Prediction.model_validate(row.prediction)
    constraints = Constraints.model_construct(**row.limits)  # as it was asked, whatever is refused by now
    drawn = front if isinstance(front, StoredFront) else None
    points = drawn.points if drawn else ()
    return DesignPage(
        id=row.id,
        name=row.name,
        task=row.task,
        device_name=row.device_name,
        device_href=None if device_gone else _device_href(row),
        device_gone=device_gone,
        measured=row.measurements["count"] if row.measurements else 0,
        risk=f"{constraints.risk:g}",
        keys=key_figures(prediction, constraints),
        strip=strip(prediction.layers),
        layers=layer_lines(prediction),
        front=tuple(_front_line(member) for member in sorted(points, key=lambda member: member.latency_ms)),
        chart=front_chart(points, constraints).model_dump(mode="json"),
        assumed=assumed_lines(prediction.assumed),
        basis=BASES[prediction.accuracy_basis],
        origin=_origin(row, prediction),
        request=json.dumps(_request(row), indent=2, ensure_ascii=False),
        api_href=f"/v1/designs/{row.id}",
        front_href=f"/v1/designs/{row.id}/front",
        front_changed=drawn is not None and not drawn.as_designed,
        front_missing="" if isinstance(front, StoredFront) else front,
    )


def rests_on(measurements: dict[str, Any] | None) -> str:
    """The measurements of the device that a design rests on, in words."""
    if not measurements:
        return "none: predicted from the device profile alone"
    count = measurements["count"]
    return f"{count:,} of this device, digest {measurements['digest'][:16]}"


def _device_href(row: DesignRow) -> str | None:
    """The page of the device: by its id, or of the catalogue device whose profile was sent whole."""
    if row.device_id:
        return f"/devices/{row.device_id.partition('@')[0]}"
    profile = DeviceProfile.model_validate(row.device)
    same = (
        known.id
        for known in catalogue().values()
        if known.name == profile.name and any(known.profile(setting) == profile for setting in known.settings)
    )
    return next((f"/devices/{name}" for name in same), None)


def key_figures(prediction: Prediction, constraints: Constraints) -> tuple[Key, ...]:
    """The figures in the head of the page, each beside its limit; a stored design keeps every one of them."""
    limits = {str(name): value for name, value in constraints.limits().items()}
    found = verdicts(constraints, prediction)
    made = prediction.known_accuracy
    accuracy = Key(
        label="Predicted accuracy",
        value=percent(made.value).removesuffix(" %"),
        unit="%",
        spread=f"90 % interval {span(made.interval, 100)} %",
        range=interval_range(made, limits.get("min_accuracy"), whole=1.0),
        verdict=found.get("min_accuracy"),
    )
    per_call = "per picture" if prediction.batch_size == 1 else f"per call of {prediction.batch_size} pictures"
    spread: tuple[tuple[str, str, Estimate, Callable[[float], str]], ...] = (
        ("latency_ms", f"Predicted latency {per_call}", prediction.latency_ms, milliseconds),
        ("energy_mj", f"Predicted energy {per_call}", prediction.energy_mj, millijoules),
    )
    positive = (
        _spread_key(label, estimate, text, limits.get(name), found.get(name)) for name, label, estimate, text in spread
    )
    low, step = prediction.low_memory_training_bytes, f"one step of {prediction.training_batch_size}, counted"
    if low is not None and low < prediction.training_memory_bytes:
        step += f"; {kilobytes(low)} with low-memory training"
    sizes = (
        ("model_kb", "Model size", prediction.model_bytes, "packed weights, counted"),
        ("peak_memory_kb", "Peak memory", prediction.peak_memory_bytes, f"working memory {per_call}, counted"),
        ("training_memory_kb", "Training memory", prediction.training_memory_bytes, step),
    )
    counted = (
        Key(
            label=label,
            value=kilobytes(size).split(" ")[0],
            unit=kilobytes(size).split(" ")[1],
            spread=how,
            range=None,
            verdict=found.get(name),
        )
        for name, label, size, how in sizes
    )
    return (accuracy, *positive, *counted)


def _spread_key(
    label: str, estimate: Estimate, text: Callable[[float], str], limit: float | None, verdict: Verdict | None
) -> Key:
    """A positive figure with its interval."""
    value, unit = text(estimate.value).split(" ")
    return Key(
        label=label,
        value=value,
        unit=unit,
        spread=f"90 % interval {span(estimate.interval)} {unit}",
        range=interval_range(estimate, limit),
        verdict=verdict,
    )


def assumed_lines(assumed: tuple[Assumption, ...]) -> tuple[AssumedLine, ...]:
    """What was assumed, worded."""
    return tuple(AssumedLine(field=item.field, value=assumed_value(item), reason=item.reason) for item in assumed)


def layer_lines(prediction: Prediction) -> tuple[LayerLine, ...]:
    """The table of layers; bars are as long as the largest layer's is full."""
    latency, energy = prediction.latency_ms.value or 1.0, prediction.energy_mj.value or 1.0
    slowest = max((layer.latency_ms for layer in prediction.layers), default=0.0) or 1.0
    hungriest = max((layer.energy_mj for layer in prediction.layers), default=0.0) or 1.0
    return tuple(
        _layer_line(
            layer,
            latency=layer.latency_ms / latency,
            energy=layer.energy_mj / energy,
            latency_part=layer.latency_ms / slowest,
            energy_part=layer.energy_mj / hungriest,
        )
        for layer in prediction.layers
    )


def _layer_line(
    layer: LayerCost, *, latency: float, energy: float, latency_part: float, energy_part: float
) -> LayerLine:
    return LayerLine(
        name=layer.name,
        operation=operation(layer),
        shape=shape(layer.out_shape),
        weight_bits=layer.weight_bits,
        bits=bits(layer),
        filters=filters(layer),
        macs=count(layer.macs) if layer.macs else "",
        weights=kilobytes(layer.weight_bytes) if layer.weight_bytes else "",
        latency=percent(latency),
        latency_part=round(100 * latency_part, 2),
        energy=percent(energy),
        energy_part=round(100 * energy_part, 2),
        bound="" if layer.bound == "none" else layer.bound,
    )


def _front_line(member: FrontPoint) -> FrontLine:
    return FrontLine(
        name=member.name,
        latency=milliseconds(member.latency_ms),
        accuracy=percent(member.accuracy),
        energy=millijoules(member.energy_mj),
        model=kilobytes(member.model_bytes),
        memory=kilobytes(member.peak_memory_bytes),
        feasible=member.feasible,
        chosen=member.chosen,
    )


def _origin(row: DesignRow, prediction: Prediction) -> tuple[tuple[str, str], ...]:
    """What the design and its figures came from, by name."""
    return (
        ("Made", row.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Approach", f"{row.approach}, {row.evaluations:,} designs evaluated"),
        *((("Why", reason),) if (reason := why(row.approach, row.method)) else ()),
        ("Measurements", rests_on(row.measurements)),
        ("Seed", str(row.seed)),
        ("Space", row.space or "none"),
        ("Energy model", prediction.energy_model),
        ("Accuracy basis", prediction.accuracy_basis),
        ("Versions", f"bespoke {row.versions['bespoke']}, optimizer {row.versions['optimizer']}"),
        *((f"Source of {name}", source) for name, source in sorted(prediction.sources.items())),
        ("Digest", row.digest),
    )


def _request(row: DesignRow) -> dict[str, Any]:
    """What was asked, with the snapshot of the device."""
    return {
        "device": row.device_id or row.device,
        "task": row.task,
        "limits": row.limits,
        "preferences": row.preferences,
        "spaces": row.spaces,
        "seed": row.seed,
        "energy_model": row.energy_model,
        **({} if row.method is None else {"method": row.method}),
        "device_profile_used": row.device,
    }
