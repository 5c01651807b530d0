"""Predict: what designs will cost on a device, many at once for the optimizer or one in full for people."""

from __future__ import annotations

from design.counts import model_bytes_per_row
from design.design import Design
from design.encoding import EncodedDesigns, encode_designs
from design.prediction import LayerCost, Prediction
from design.task import Task
from design.training_memory import (
    LOW_MEMORY,
    STANDARD,
    TRAINING_BATCH_SIZE,
    TrainingMethod,
    largest_batch,
    training_bytes,
)
from predictors.adapt import DEFAULT_ENERGY_MODEL, Adaptation, OtherDevice
from predictors.costs import Costs, costs_of
from predictors.descriptor import Descriptor
from predictors.predictions import Predictions, assembled
from predictors.roofline import BOUNDS

_TINY = 1e-30


def predict(
    designs: EncodedDesigns,
    device: Descriptor,
    task: Task,
    *,
    energy_model: str = DEFAULT_ENERGY_MODEL,
    adaptation: Adaptation | None = None,
) -> Predictions:
    """What N designs will cost on one device and how accurate they will be on a task.

    Args:
        designs: N.
        device: Where they run.
        task: For which pictures.
        energy_model: Name in `predictors.energy.ENERGY_MODELS`.
        adaptation: What measurements said of this device; measured energies count under their own energy model only.

    Raises:
        UnknownName: No such energy model.
        OtherDevice: The adaptation is of another device.
    """
    return _predictions(costs_of(designs, device, energy_model), task, energy_model, adaptation)


def _predictions(costs: Costs, task: Task | None, energy_model: str, adaptation: Adaptation | None) -> Predictions:
    designs, device = costs.designs, costs.device
    if adaptation is not None and adaptation.device.profile != device.profile:
        raise OtherDevice(
            "the adaptation must be of the device asked for", repr(adaptation.device.profile.name), "Adapt to it first."
        )
    latency_ms, timed, metered = costs.latency_ms, 0, 0
    if adaptation is not None:
        latency_ms, timed = adaptation.latency_ms(designs, costs), adaptation.latency_count
    energy_mj = costs.energy_mj(latency_ms)
    if adaptation is not None and adaptation.energy_model == energy_model:
        energy_mj, metered = adaptation.energy_mj(costs, latency_ms), adaptation.energy_count
    return assembled(
        designs,
        device,
        task,
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        energy_model=energy_model,
        measured=(timed, metered),
    )


def explain(
    design: Design,
    device: Descriptor,
    task: Task | None,
    *,
    energy_model: str = DEFAULT_ENERGY_MODEL,
    risk: float | None = None,
    adaptation: Adaptation | None = None,
) -> Prediction:
    """One design in full, with the cost of every layer.

    Args:
        design: What runs.
        device: Where.
        task: For which pictures; None: a model of which only the costs can be told, without accuracy.
        energy_model: Name in `predictors.energy.ENERGY_MODELS`.
        risk: Adds `at_risk`: what a limit is compared with (`Estimates.limit_quantile`), mostly the value that cost
            exceeds, or accuracy falls short of, with this probability.
        adaptation: What measurements said of this device.

    Raises:
        UnknownName: No such energy model.
        OtherDevice: The adaptation is of another device.
    """
    designs = encode_designs([design])
    costs = costs_of(designs, device, energy_model)
    found = _predictions(costs, task, energy_model, adaptation)
    upper = None if risk is None else 1 - risk
    return Prediction(
        latency_ms=found.latency_ms.at(0, upper),
        energy_mj=found.energy_mj.at(0, upper),
        accuracy=None if task is None else found.accuracy.at(0, risk),
        model_bytes=int(found.model_bytes[0]),
        peak_memory_bytes=int(found.peak_memory_bytes[0]),
        training_memory_bytes=int(found.training_memory_bytes[0]),
        training_batch_size=TRAINING_BATCH_SIZE,
        low_memory_training_bytes=int(training_bytes(designs, method=LOW_MEMORY)[0]),
        largest_training_batch=_largest_batch(designs, device, STANDARD),
        largest_low_memory_batch=_largest_batch(designs, device, LOW_MEMORY),
        batch_size=device.batch_size,
        accuracy_basis=found.accuracy_basis,
        energy_model=energy_model,
        assumed=device.assumed,
        sources=found.sources,
        layers=_layer_costs(design, costs, found),
    )


def _largest_batch(designs: EncodedDesigns, device: Descriptor, method: TrainingMethod) -> int | None:
    """Most pictures in a training step that the whole memory of the device holds; None where that is not stated."""
    ram_kb = device.profile.ram_kb
    return None if ram_kb is None else int(largest_batch(designs, 1024 * ram_kb, method=method)[0])


def _layer_costs(design: Design, costs: Costs, found: Predictions) -> tuple[LayerCost, ...]:
    """The part of each (pruned) layer, in execution order, scaled so that the parts add up to the prediction."""
    designs, total = costs.designs, costs.latency.row_seconds
    rows = designs.row_ids[0]
    bound, size = costs.times.bound, model_bytes_per_row(designs.rows)
    latency = total * (found.latency_ms.median[0] / max(float(total[rows].sum()), _TINY))
    energy = costs.energies.total + costs.device.static_w * (1e-3 * latency - costs.times.total)
    energy = energy * (found.energy_mj.median[0] / max(float(energy[rows].sum()), _TINY))
    full = {layer.name: layer.out_channels for layer in design.architecture.layers}
    found_costs = []
    for layer, row in zip(design.pruned.layers, rows.tolist(), strict=True):
        own = design.policy.layers.get(layer.name)
        found_costs.append(
            LayerCost(
                name=layer.name,
                op=layer.op.value,
                role=layer.role.value,
                in_shape=layer.in_shape,
                out_shape=layer.out_shape,
                kernel=(layer.kernel_height, layer.kernel_width),
                weight_bits=own.weight_bits if own else None,
                activation_bits=own.activation_bits if own else None,
                filters=full[layer.name] if own else None,
                filters_kept=layer.out_channels if own else None,
                macs=layer.macs,
                weight_bytes=int(size[row]),
                latency_ms=float(latency[row]),
                energy_mj=float(energy[row]),
                bound=BOUNDS[int(bound[row])],
            )
        )
    return tuple(found_costs)
