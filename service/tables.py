"""Tables: designs, predictions and devices as the terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from design.constraints import Constraints
from design.devices.catalogue import CatalogueDevice
from design.prediction import Assumption, Prediction
from optimizer.problem import Answer, Violation
from service.units import DASH, kilobytes, memory, millijoules, milliseconds, percent, shape, span
from service.verdicts import LIMITS, Verdict, own_memory, verdicts
from service.wording import BASES, assumed_value, bits, fact_origin, fact_text, filters, operation

UNLIMITED = Constraints()


def new_table(title: str, *columns: str, left: int = 1) -> Table:
    """A table whose first `left` columns are text and the rest figures."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if position < left else "right", overflow="fold")
    return table


def _share(part: float, total: float) -> str:
    return percent(part / total) if total > 0 else DASH


def layer_table(prediction: Prediction) -> Table:
    """Every layer with weights, and one line for all others together."""
    columns = ("layer", "operation", "out shape", "bits", "filters kept", "latency", "energy", "bound by")
    table = new_table("Layers (share of predicted latency and energy)", *columns, left=3)
    latency, energy = prediction.latency_ms.value, prediction.energy_mj.value
    others = [layer for layer in prediction.layers if layer.weight_bits is None]
    for layer in prediction.layers:
        if layer.weight_bits is not None:
            table.add_row(
                Text(layer.name),
                operation(layer),
                shape(layer.out_shape),
                bits(layer),
                filters(layer),
                _share(layer.latency_ms, latency),
                _share(layer.energy_mj, energy),
                layer.bound,
            )
    if others:
        table.add_row(
            Text(f"{len(others)} without weights", style="dim"),
            "",
            "",
            "",
            "",
            _share(sum(layer.latency_ms for layer in others), latency),
            _share(sum(layer.energy_mj for layer in others), energy),
            "",
        )
    return table


def _verdict(verdict: Verdict | None) -> Sequence[RenderableType]:
    if verdict is None:
        return (DASH, "")
    mark = Text("kept", style="green") if verdict.kept else Text("broken", style="bold red")
    return (f"{verdict.relation} {verdict.allowed}", mark)


def prediction_table(
    prediction: Prediction, constraints: Constraints = UNLIMITED, violations: Sequence[Violation] = ()
) -> Table:
    """The predicted figures with their intervals, beside the limits that were set."""
    found = verdicts(constraints, prediction, violations)
    table = new_table("Predictions (nothing here was measured)", "figure", "predicted", "90 % interval")
    table.add_column(f"at risk {constraints.risk:g}", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("", justify="left")
    latency, energy, accuracy = prediction.latency_ms, prediction.energy_mj, prediction.accuracy
    spread = (
        ("latency_ms", "Latency", milliseconds(latency.value), f"{span(latency.interval)} ms"),
        ("energy_mj", "Energy", millijoules(energy.value), f"{span(energy.interval)} mJ"),
        (
            ("min_accuracy", "Accuracy", percent(accuracy.value), f"{span(accuracy.interval, 100)} %")
            if accuracy
            else ("min_accuracy", "Accuracy", "unknown", DASH)
        ),
    )
    for name, label, value, interval in spread:
        own = found.get(name)
        table.add_row(label, value, interval, own.reached if own else "", *_verdict(own))
    exact = (
        ("model_kb", "Model size", prediction.model_bytes),
        ("peak_memory_kb", "Peak memory", prediction.peak_memory_bytes),
        ("training_memory_kb", "Training memory", prediction.training_memory_bytes),
    )
    for name, label, size in exact:
        own = found.get(name)
        table.add_row(label, kilobytes(size), "counted", "", *_verdict(own))
    return table


def assumption_table(assumed: Iterable[Assumption]) -> RenderableType:
    """Every figure that the profile left out."""
    table = new_table("Assumed (the profile does not state it)", "figure", "value", "why", left=3)
    for item in assumed:
        table.add_row(Text(item.field), Text(assumed_value(item)), Text(item.reason))
    return table if table.row_count else Text("Assumed: nothing, the profile states every figure.")


def violation_table(violations: Iterable[Violation], constraints: Constraints) -> Table:
    """The limits that the nearest design breaks, the device's own memory among them, and the tightest of each."""
    table = new_table(
        "Limits that no design found keeps together", "limit", "allowed", "nearest design", "tightest alone"
    )
    for violation in violations:
        limit = LIMITS[violation.limit]
        texts = (limit.text(value) for value in (violation.allowed, violation.reached, violation.tightest))
        own = own_memory(violation, constraints)
        table.add_row(limit.label if own is None else f"{limit.label} (the device's own {own.label})", *texts)
    return table


def sources_line(prediction: Prediction) -> Text:
    """Where the figures come from, in one paragraph."""
    names = "; ".join(f"{name}: {source}" for name, source in prediction.sources.items())
    basis = BASES[prediction.accuracy_basis]
    return Text(f"Accuracy from {basis}. Energy model {prediction.energy_model}. Sources: {names}.", style="dim")


def prediction_view(prediction: Prediction, constraints: Constraints = UNLIMITED) -> Group:
    """A prediction whole: figures, layers, what was assumed, sources."""
    parts = (prediction_table(prediction, constraints), layer_table(prediction), assumption_table(prediction.assumed))
    return Group(*(line for part in parts for line in (part, "")), sources_line(prediction))


def answer_view(answer: Answer, device: str, task: str, constraints: Constraints, took: str) -> Group:
    """An answer whole: design, layers, predictions, what was assumed, how it was found.

    Args:
        answer: What the optimizer said.
        device: The device's name.
        task: The task's name.
        constraints: The limits it was asked to keep.
        took: How long the answer took, for people.
    """
    prediction = answer.prediction
    title = f"{answer.design.architecture.name} for {task} on {device}"
    state = "keeps every limit" if answer.feasible else "the nearest design; no design found keeps every limit"
    head = Panel(Text(f"{state} at risk {constraints.risk:g}"), title=Text(title), title_align="left", expand=False)
    parts: list[RenderableType] = [head]
    if not answer.feasible:
        parts += [violation_table(answer.violations, constraints), ""]
    parts += [layer_table(prediction), ""]
    parts += [prediction_table(prediction, constraints, answer.violations), ""]
    parts += [assumption_table(prediction.assumed), "", sources_line(prediction)]
    found = f"Found by {answer.approach} over {answer.evaluations:,} designs in {took} "
    reason = "" if answer.why is None else f": {answer.why}"
    parts.append(Text(f"{found}(optimizer {answer.optimizer_version}, seed {answer.seed}){reason}."))
    return Group(*parts)


def device_table(devices: Iterable[CatalogueDevice]) -> Table:
    """The catalogue, one line a device."""
    table = new_table("", "id", "name", "kind", "core", "cores", "clock", "RAM", "settings", left=4)
    table.columns[-1].justify = "left"
    for device in devices:
        profile = device.profile()
        table.add_row(
            device.id,
            Text(device.name),
            device.kind.value,
            Text(profile.core or DASH),
            DASH if profile.cores is None else str(profile.cores),
            DASH if profile.clock_ghz is None else f"{profile.clock_ghz:g} GHz",
            DASH if profile.ram_kb is None else memory(profile.ram_kb),
            Text(", ".join(device.settings)),
        )
    return table


def device_view(device: CatalogueDevice) -> Group:
    """One device of the catalogue: its figures with their origin, and its settings."""
    figures = new_table(f"{device.name} ({device.kind.value})", "figure", "value", "from", left=3)
    for name, fact in sorted(device.figures.items()):
        figures.add_row(Text(name), Text(fact_text(fact)), Text(fact_origin(fact), style="dim"))
    settings = new_table("Settings", "address", "how it is run", left=2)
    for name, setting in device.settings.items():
        stated = setting.model_dump(exclude_none=True)
        address = device.id if name == "default" else f"{device.id}@{name}"
        settings.add_row(address, Text(", ".join(f"{field} {value}" for field, value in stated.items())))
    return Group(figures, "", settings)
