"""Predict: what designs will cost on a device, many at once for the optimizer or one in full for people."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from design.counts import model_bytes, model_bytes_per_row, training_memory_bytes
from design.design import Design
from design.encoding import EncodedDesigns, FloatArray, IntArray, encode_designs
from design.joined import joined
from design.prediction import AccuracyBasis, LayerCost, Prediction
from design.task import Task
from design.training_memory import (
    LOW_MEMORY,
    STANDARD,
    TRAINING_BATCH_SIZE,
    TrainingMethod,
    largest_batch,
    training_bytes,
)
from predictors.accuracy import accuracy_predictor
from predictors.adapt import DEFAULT_ENERGY_MODEL, Adaptation, OtherDevice
from predictors.costs import LATENCY, Costs, costs_of
from predictors.descriptor import Descriptor
from predictors.energy import find_energy_model
from predictors.memory import WorkingMemory, peak_memory_bytes
from predictors.power_effects import LEARNED_ENERGY, shipped_power_effects
from predictors.predictor import Estimates
from predictors.roofline import BOUNDS

MEMORY = WorkingMemory()
_TINY = 1e-30
_MEASURED = re.compile(r", \d+ measurements? on this device$")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What N designs will cost on one device; latency and energy are of one call at the device's batch size.

    Attributes:
        latency_ms, energy_mj, accuracy: N estimates each.
        model_bytes, peak_memory_bytes, training_memory_bytes: N, counted.
        sources: Figure -> name and version of what it comes from.
    """

    latency_ms: Estimates
    energy_mj: Estimates
    accuracy: Estimates
    model_bytes: FloatArray
    peak_memory_bytes: FloatArray
    training_memory_bytes: FloatArray
    accuracy_basis: AccuracyBasis
    energy_model: str
    sources: dict[str, str]

    def take(self, index: IntArray) -> Predictions:
        """Those at `index`."""
        return replace(
            self,
            latency_ms=self.latency_ms.take(index),
            energy_mj=self.energy_mj.take(index),
            accuracy=self.accuracy.take(index),
            model_bytes=self.model_bytes[index],
            peak_memory_bytes=self.peak_memory_bytes[index],
            training_memory_bytes=self.training_memory_bytes[index],
        )


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
    own = own_figures(designs, task)
    accuracy = None if task is None else accuracy_predictor()
    model = find_energy_model(energy_model)
    latency_ms, timed, metered = costs.latency_ms, 0, 0
    if adaptation is not None:
        latency_ms, timed = adaptation.latency_ms(designs, costs), adaptation.latency_count
    energy_mj = costs.energy_mj(latency_ms)
    if adaptation is not None and adaptation.energy_model == energy_model:
        energy_mj, metered = adaptation.energy_mj(costs, latency_ms), adaptation.energy_count
    return Predictions(
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        accuracy=own.accuracy,
        model_bytes=own.model_bytes,
        peak_memory_bytes=peak_memory_bytes(designs, device, own.model_bytes),
        training_memory_bytes=own.training_memory_bytes,
        accuracy_basis=accuracy.basis(designs, task) if accuracy and task else "unknown",
        energy_model=energy_model,
        sources={
            "latency": f"{LATENCY.name} {LATENCY.version}" + _measured(timed),
            "energy": f"{LEARNED_ENERGY} {shipped_power_effects().version}" + _measured(metered),
            "energy_model": f"{model.name} {model.version}: {model.source}",
            "accuracy": f"{accuracy.name} {accuracy.version}" if accuracy else "none: no task was named",
            "memory": f"{MEMORY.name} {MEMORY.version}",
        },
    )


@dataclass(frozen=True, kw_only=True)
class OwnFigures:
    """What N designs are on any device."""

    accuracy: Estimates
    model_bytes: FloatArray
    training_memory_bytes: FloatArray

    def take(self, index: IntArray | NDArray[np.bool_]) -> OwnFigures:
        """Those at `index`."""
        return OwnFigures(
            accuracy=self.accuracy.take(index),
            model_bytes=self.model_bytes[index],
            training_memory_bytes=self.training_memory_bytes[index],
        )

    @classmethod
    def joined(cls, parts: Sequence[OwnFigures]) -> OwnFigures:
        """All of them, in order."""
        return cls(
            accuracy=Estimates.joined([part.accuracy for part in parts]),
            model_bytes=np.concatenate([part.model_bytes for part in parts]),
            training_memory_bytes=np.concatenate([part.training_memory_bytes for part in parts]),
        )


def _fact(task: Task | None) -> tuple[Hashable, ...]:
    """Where figures for a task are kept with designs."""
    return (OwnFigures, task, task and accuracy_predictor().version)


def own_figures(designs: EncodedDesigns, task: Task | None) -> OwnFigures:
    """Accuracy on a task (unknown without one) and sizes of N designs, computed once for a set of designs."""
    predictor = None if task is None else accuracy_predictor()
    found = designs.facts.get(_fact(task))
    if not isinstance(found, OwnFigures):
        found = OwnFigures(
            accuracy=predictor.predict(designs, None, task) if predictor and task else _unknown(len(designs)),
            model_bytes=model_bytes(designs),
            training_memory_bytes=training_memory_bytes(designs),
        )
        designs.facts[_fact(task)] = found
    return found


def together(parts: Sequence[EncodedDesigns], task: Task | None) -> EncodedDesigns:
    """Sets of designs of any spaces as one, with what each is on any device as its own set has it."""
    found = joined(parts)
    found.facts[_fact(task)] = OwnFigures.joined([own_figures(part, task) for part in parts])
    return found


def _unknown(number: int) -> Estimates:
    """Estimates of which nothing is known, N."""
    return Estimates(median=np.full(number, np.nan), spread=np.full(number, np.inf), scale="logit")


def _measured(count: int) -> str:
    """What a source says of measurements."""
    return f", {count} measurement{'' if count == 1 else 's'} on this device" if count else ""


def of_any_device(sources: Mapping[str, str]) -> dict[str, str]:
    """Sources of predictions without what they say of measurements of one device."""
    return {figure: _MEASURED.sub("", source) for figure, source in sources.items()}


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
