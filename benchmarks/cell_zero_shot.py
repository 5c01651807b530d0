"""Latency of cells on devices of which nothing was measured: the universal predictor, fitted without their chips."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, FloatArray
from predictors.adapt import Adaptation, adapt
from predictors.descriptor import Descriptor
from predictors.fit_price_model import timings
from predictors.fit_universal import fit_universal
from predictors.measurement import Measurements
from predictors.predictor import Estimates
from predictors.timed_tables import read_timed_devices
from predictors.universal import UniversalLatency


def fit_without(folder: Path, table: str, rows: Collection[str]) -> UniversalLatency:
    """The universal predictor fitted on all timings but those of the chip families of some rows of a table."""
    devices = read_timed_devices(folder)
    unseen = {one.family for one in devices if one.group == table and one.row in rows}
    return UniversalLatency(fit_universal(timings([one for one in devices if one.family not in unseen])))


class UnseenLatency:
    """The same for one device, in place of what measurements would say.

    Attributes:
        left_out_ms: Empty: nothing was measured.
    """

    name, version = "universal-latency-unseen", "1"

    def __init__(self, model: UniversalLatency, device: Descriptor) -> None:
        self._model, self._device = model, device
        self.left_out_ms: FloatArray = np.zeros(0)

    def answers(self, designs: EncodedDesigns) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(designs), dtype=np.bool_)

    def latency_ms(self, designs: EncodedDesigns) -> Estimates:
        """Of N designs."""
        return self._model.predict(designs, self._device, None)


def unmeasured(model: UniversalLatency, device: Descriptor, designs: EncodedDesigns) -> Adaptation:
    """A device of which nothing was measured, as `model` sees it; `designs` of any kind are needed for their form."""
    nothing = np.zeros(0)
    none = Measurements(designs=designs.take(np.zeros(0, dtype=np.int64)), latency_ms=nothing, energy_mj=nothing)
    return replace(adapt(device, none), posteriors=(UnseenLatency(model, device),))
