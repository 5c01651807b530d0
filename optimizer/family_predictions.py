"""FamilyPredictions: what whole families of networks cost, kept for the devices asked about last.

A family (every network of a small space under one policy, or what a library offers) is predicted in one pass of array
code. That pass depends on the device and its measurements but on no limit, so that every further request to the device
only compares numbers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from design.encoding import EncodedDesigns
from design.task import Task
from predictors.adapt import Adaptation
from predictors.descriptor import Descriptor
from predictors.predict import predict
from predictors.predictions import Predictions

MOST = 36
"""Families kept, about 1.3 MB each for the 15,625 cells of NAS-Bench-201: six devices at six precisions."""


@dataclass(frozen=True)
class _Kept:
    """Predictions and what they are of; held, so that no other object takes its place in memory."""

    family: EncodedDesigns
    device: Descriptor
    adaptation: Adaptation | None
    predictions: Predictions


class FamilyPredictions:
    """Remembers the predictions of families; safe among threads.

    Families, devices and adaptations are told apart as objects: those of equal requests are the same (`exact.family`,
    `describe` and the service keep them), and other objects are merely predicted anew.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, int, int, str, str], _Kept] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()

    def of(
        self,
        family: EncodedDesigns,
        device: Descriptor,
        task: Task,
        *,
        energy_model: str,
        adaptation: Adaptation | None,
    ) -> Predictions:
        """The same as `predict`, remembered."""
        key = (id(family), id(device), id(adaptation), task.name, energy_model)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found.predictions
        predictions = predict(family, device, task, energy_model=energy_model, adaptation=adaptation)
        with self._lock:
            self._kept[key] = _Kept(family, device, adaptation, predictions)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return predictions


FAMILIES = FamilyPredictions()
MOST_LIBRARIES = 128
"""Libraries kept, each of a space for one device: at most 80 kB each."""
LIBRARIES = FamilyPredictions(MOST_LIBRARIES)
