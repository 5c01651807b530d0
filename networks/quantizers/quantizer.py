"""What quantizers promise: weights as whole numbers times a scale per filter, activations as a function of a tensor."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Quantized weights as they are stored.

    Attributes:
        values: Whole numbers, the shape of the weight, int16.
        scale: One a filter; the weight is exactly `scale * values`.
    """

    values: Tensor
    scale: Tensor

    def dequantized(self) -> Tensor:
        """The weight, of the type of the scale."""
        return per_filter(self.scale, self.values) * self.values.to(self.scale.dtype)


class WeightQuantizer(nn.Module):
    """Maps latent weights (filters first) to quantized ones, with a gradient."""

    @property
    def grid(self) -> tuple[int, int]:
        """The smallest whole number that a weight can be, and the distance of neighbours (2 for -1, +1)."""
        raise NotImplementedError

    def codes(self, weight: Tensor) -> Codes:
        """The weight as whole numbers; what `forward` gives without a gradient, exactly."""
        raise NotImplementedError


def per_filter(values: Tensor, weight: Tensor) -> Tensor:
    """One value a filter, shaped to broadcast over a weight (filters first)."""
    return values.reshape(-1, *(1,) * (weight.dim() - 1))
