"""What quantizers promise: weights as whole numbers times a scale per filter, activations as a function of a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Quantized weights as they are stored.

    Attributes:
        values: Whole numbers, the shape of the weight, int16.
        scale: One a filter, float32; the weight is exactly `scale * values`.
        lowest: The smallest whole number that the quantizer can give.
        stride: Distance of neighbouring whole numbers (2 for odd grids such as -1, +1).
    """

    values: Tensor
    scale: Tensor
    lowest: int
    stride: int

    def dequantized(self) -> Tensor:
        """The weight, float32."""
        return per_filter(self.scale, self.values) * self.values.to(torch.float32)


class WeightQuantizer(nn.Module):
    """Maps latent weights (filters first) to quantized ones, with a gradient."""

    def codes(self, weight: Tensor) -> Codes:
        """The weight as whole numbers; what `forward` gives without a gradient, exactly."""
        raise NotImplementedError


def per_filter(values: Tensor, weight: Tensor) -> Tensor:
    """One value a filter, shaped to broadcast over a weight (filters first)."""
    return values.reshape(-1, *(1,) * (weight.dim() - 1))
