"""WeightAverage: an exponential moving average of a network's weights (Polyak and Juditsky, 1992)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages all floating-point state (weights and batch-norm statistics); counters are copied.

    The decay rises as (1 + t) / (10 + t) so that the first, random weights are soon forgotten.

    Args:
        module: Averaged from its present state.
        decay: Share of the old average kept at each step.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the present weights."""
        self.steps += 1
        own = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - own)
            else:
                self.state[name].copy_(value)

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Go on from a saved average."""
        self.steps = steps
        for name, value in state.items():
            self.state[name].copy_(value)
