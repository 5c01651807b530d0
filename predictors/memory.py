"""Working memory of a call: activations alive at once, and the weights where they are not read in place."""

from __future__ import annotations

import numpy as np

from design.counts import model_bytes
from design.encoding import EncodedDesigns, FloatArray
from design.task import Task
from predictors.descriptor import Descriptor
from predictors.predictor import Estimates


def peak_memory_bytes(
    designs: EncodedDesigns, device: Descriptor, packed_bytes: FloatArray | None = None
) -> FloatArray:
    """Working memory of one call, N bytes.

    Peak of the activations alive at once at their stored bits (see `design.liveness`) times the batch size, plus the
    packed weights - but for microcontrollers, which read them where they lie, in flash. Buffers of the runtime itself
    are not counted.

    Args:
        designs: N.
        device: Where they run.
        packed_bytes: N, as `model_bytes` counts them; None = not counted yet.
    """
    activations = device.batch_size * designs.peak_activation_bytes
    if device.weights_in_flash:
        return np.asarray(activations)
    return np.asarray(activations + (model_bytes(designs) if packed_bytes is None else packed_bytes))


class WorkingMemory:
    """Working memory of a call in bytes, counted."""

    name = "liveness"
    version = "2"

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """Working memory per call, N bytes, exact."""
        median = peak_memory_bytes(designs, device)
        return Estimates(median=median, spread=np.zeros_like(median), scale="exact")
