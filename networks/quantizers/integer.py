"""8-bit weights: symmetric whole numbers from -127 to 127 with one scale a filter.

The scale of a filter is max|W| / 127, taken anew from the latent weights at each step, as in the usual
quantization-aware training of integer networks (Jacob et al., arXiv 1712.05877, per channel). The gradient passes
straight: no weight is ever outside. The same as `torch.fake_quantize_per_channel_affine`, which has no form without
data (tensors on the meta device); a test compares them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from networks.quantizers.quantizer import Codes, WeightQuantizer, per_filter

HIGH = 127
SMALLEST_SCALE = 1e-12


class IntegerWeights(WeightQuantizer):
    """int8 weights, one scale a filter."""

    def forward(self, weight: Tensor) -> Tensor:
        """Quantized weight, the shape of `weight`."""
        return self.codes(weight).dequantized().to(weight.dtype) + (weight - weight.detach())

    @property
    def grid(self) -> tuple[int, int]:
        """See WeightQuantizer."""
        return -HIGH, 1

    def codes(self, weight: Tensor) -> Codes:
        """See WeightQuantizer."""
        weight = weight.detach()
        scale = weight.abs().flatten(1).amax(1).clamp_(min=SMALLEST_SCALE) / HIGH
        values = (weight / per_filter(scale, weight)).round_().clamp_(-HIGH, HIGH).to(torch.int16)
        return Codes(values=values, scale=scale)
