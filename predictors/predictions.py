"""Predictions: what N designs will cost on one device, what they are on any, and where the figures come from."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from design.counts import model_bytes, training_memory_bytes
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.joined import joined
from design.prediction import AccuracyBasis
from design.task import Task
from predictors.accuracy import accuracy_predictor
from predictors.costs import LATENCY
from predictors.descriptor import Descriptor
from predictors.energy import find_energy_model
from predictors.memory import WorkingMemory, peak_memory_bytes
from predictors.power_effects import LEARNED_ENERGY, shipped_power_effects
from predictors.predictor import Estimates

MEMORY = WorkingMemory()
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


def assembled(
    designs: EncodedDesigns,
    device: Descriptor,
    task: Task | None,
    *,
    latency_ms: Estimates,
    energy_mj: Estimates,
    energy_model: str,
    measured: tuple[int, int] = (0, 0),
) -> Predictions:
    """Predictions of N designs whose costs on a device are known, with what they are on any.

    Args:
        designs: N.
        device: Where they run.
        task: For which pictures; None: accuracy is not known.
        latency_ms: N.
        energy_mj: N.
        energy_model: Name of the model that energy rests on.
        measured: How many measurements of latency and of energy these rest on.
    """
    own = own_figures(designs, task)
    return Predictions(
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        accuracy=own.accuracy,
        model_bytes=own.model_bytes,
        peak_memory_bytes=peak_memory_bytes(designs, device, own.model_bytes),
        training_memory_bytes=own.training_memory_bytes,
        accuracy_basis=accuracy_predictor().basis(designs, task) if task else "unknown",
        energy_model=energy_model,
        sources=_sources(task, energy_model, *measured),
    )


def _sources(task: Task | None, energy_model: str, timed: int, metered: int) -> dict[str, str]:
    """Figure -> name and version of what it comes from, after so many measurements of latency and of energy."""
    accuracy, model = None if task is None else accuracy_predictor(), find_energy_model(energy_model)
    return {
        "latency": f"{LATENCY.name} {LATENCY.version}" + _measured(timed),
        "energy": f"{LEARNED_ENERGY} {shipped_power_effects().version}" + _measured(metered),
        "energy_model": f"{model.name} {model.version}: {model.source}",
        "accuracy": f"{accuracy.name} {accuracy.version}" if accuracy else "none: no task was named",
        "memory": f"{MEMORY.name} {MEMORY.version}",
    }


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
