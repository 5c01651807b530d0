"""NcnnPosterior: measurements on a CPU under ncnn, seen by the model fitted on that runtime's public timings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, FloatArray
from predictors.descriptor import Descriptor
from predictors.latency import AdaptedLatency
from predictors.measurement import Measurements
from predictors.ncnn_likeness import Likeness, ncnn_latency, runs_ncnn
from predictors.predictor import Estimates
from predictors.roofline import executed_width

LEAST_LIKENESS = 0.5
"""Networks at least so like those of the timings are answered for."""


class NcnnPosterior:
    """See DesignPosterior.

    Args:
        device: What was measured.
        adapted: The model after the measurements.
        left_out_ms: n, what the other measurements say of each; NaN where it does not answer.
    """

    name = "learned-latency-adapted"
    version = AdaptedLatency.version

    def __init__(self, device: Descriptor, adapted: AdaptedLatency, left_out_ms: FloatArray) -> None:
        self._device, self._adapted = device, adapted
        self.left_out_ms = left_out_ms

    def answers(self, designs: EncodedDesigns) -> NDArray[np.bool_]:
        """Real networks of some size, like those of the timings."""
        return _like(designs, self._device)

    def latency_ms(self, designs: EncodedDesigns) -> Estimates:
        """Of N designs."""
        return self._adapted.predict(designs, self._device, None)


def _like(designs: EncodedDesigns, device: Descriptor) -> NDArray[np.bool_]:
    """Which of N designs are like networks of the timings."""
    return np.asarray(Likeness.of(designs, executed_width(designs.rows, device)).weight >= LEAST_LIKENESS)


def ncnn_posterior(device: Descriptor, measurements: Measurements) -> NcnnPosterior | None:
    """The posterior, where the device is a CPU under ncnn and a network like those of the timings was measured."""
    if not runs_ncnn(device):
        return None
    timed = measurements.latency_index
    like = timed[_like(measurements.designs.take(timed), device)]
    if not len(like):
        return None
    model = ncnn_latency()
    adapted = model.adapt(measurements.designs.take(like), measurements.latency_ms[like], device)
    left_out = np.full(len(measurements), np.nan)
    if len(like) > 1:
        left_out[like] = adapted.left_out_ms()
    return NcnnPosterior(device, adapted, left_out)
