"""AdaptedLatency: latencies of one measured device, as a Predictor."""

from __future__ import annotations

from dataclasses import dataclass

from design.encoding import EncodedDesigns
from design.task import Task
from predictors.adapt import VERSION, Adaptation, OtherDevice
from predictors.costs import costs_of
from predictors.descriptor import Descriptor
from predictors.predictor import Estimates


@dataclass(eq=False)
class AdaptedLatency:
    """Predicts what `predict(..., adaptation=...)` says, without energy and accuracy; equal to itself alone.

    Attributes:
        adaptation: What measurements said of the device.
    """

    adaptation: Adaptation
    name: str = "adapted"
    version: str = VERSION

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """Milliseconds per call of N designs.

        Raises:
            OtherDevice: The adaptation is of another device.
        """
        del task
        if self.adaptation.device.profile != device.profile:
            raise OtherDevice("the adaptation must be of the device asked for", repr(device.profile.name))
        return self.adaptation.latency_ms(designs, costs_of(designs, device, self.adaptation.energy_model))
