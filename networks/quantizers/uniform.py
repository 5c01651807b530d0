"""Uniform k-bit quantization with fixed levels, in the manner of DoReFa-Net (Zhou et al., arXiv 1606.06160).

The form is that of arXiv 1906.01493: 2^k levels evenly from -1 to 1,

    Q_k(x) = 2 * (round((2^k - 1) * (x + 1) / 2) / (2^k - 1) - 1/2)         for k = 2: -1, -1/3, 1/3, 1

clipped here: x outside [-1, 1] goes to the outer level and has no gradient (inside the gradient passes unchanged).
The released code of that paper forgets to clip activations, which then take further levels of the same grid, in
practice 13 for k = 2; `clipped=False` reproduces that, for comparison.

Activations that are never negative use the levels i / (2^k - 1) in [0, 1]. Weights are `alpha * Q_k(W)` with alpha the
mean magnitude of the filter and W clipped to [-1, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.quantizers.binary import filter_scale
from networks.quantizers.quantizer import Codes, WeightQuantizer
from networks.quantizers.start import StartsFromData


class _Uniform(torch.autograd.Function):
    """Arguments: x, lowest value (-1 or 0), number of steps from there to 1, whether to clip."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: int, steps: int, clipped: bool) -> Tensor:
        ctx.clipped, ctx.low = clipped, low
        if clipped:
            ctx.save_for_backward(x)
            x = x.clamp(low, 1)
        return ((x - low) * (steps / (1 - low))).round_().mul_((1 - low) / steps).add_(low)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        if not ctx.clipped:
            return grads[0], None, None, None
        (x,) = ctx.saved_tensors
        return grads[0] * ((x >= ctx.low) & (x <= 1)), None, None, None


def uniform(x: Tensor, bits: int, *, unsigned: bool = False, clipped: bool = True) -> Tensor:
    """The nearest of 2^bits levels in [-1, 1], or in [0, 1] if unsigned."""
    low = 0 if unsigned else -1
    return _Uniform.apply(x, low, 2**bits - 1, clipped)  # type: ignore[no-any-return, no-untyped-call]


class UniformWeights(WeightQuantizer):
    """Levels in [-alpha, alpha] in each filter; the gradient passes straight inside [-1, 1]."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: Tensor) -> Tensor:
        """Quantized weight, the shape of `weight`."""
        quantized = self.codes(weight).dequantized().to(weight.dtype)
        inside = weight.clamp(-1, 1)
        return quantized + (inside - inside.detach())

    @property
    def grid(self) -> tuple[int, int]:
        """See WeightQuantizer."""
        return 1 - 2**self.bits, 2

    def codes(self, weight: Tensor) -> Codes:
        """See WeightQuantizer."""
        weight = weight.detach()
        steps = 2**self.bits - 1
        numbers = ((weight.clamp(-1, 1) + 1) * (steps / 2)).round_()
        values = (2 * numbers - steps).to(torch.int16)
        return Codes(values=values, scale=filter_scale(weight) / steps)


class UniformActivations(nn.Module):
    """Activations on fixed levels: in [-1, 1], or in [0, 1] if unsigned."""

    unsigned: bool | Tensor

    def __init__(self, bits: int, *, unsigned: bool = False, clipped: bool = True) -> None:
        super().__init__()
        self.bits, self.unsigned, self.clipped = bits, unsigned, clipped

    def forward(self, x: Tensor) -> Tensor:
        """Quantized N x C (x H x W)."""
        return uniform(x, self.bits, unsigned=bool(self.unsigned), clipped=self.clipped)


class StartedUniformActivations(StartsFromData, UniformActivations):
    """Activations on fixed levels of which the first batch tells whether they are unsigned: no value is negative."""

    unsigned: Tensor

    def __init__(self, bits: int, *, clipped: bool = True) -> None:
        super().__init__(bits, clipped=clipped)
        del self.unsigned
        self.register_buffer("unsigned", torch.tensor(False))
        self._unsigned = False

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """States of before there were flags are of quantizers that took every input for signed."""
        if f"{prefix}started" not in state_dict:
            state_dict |= {f"{prefix}started": torch.tensor(True), f"{prefix}unsigned": torch.tensor(False)}
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def reset_parameters(self) -> None:
        """Start again from the next batch."""
        self.unsigned.fill_(False)
        self.restart()

    def start(self, x: Tensor) -> None:
        """See StartsFromData."""
        self.unsigned.fill_(bool((x >= 0).all()))

    def forward(self, x: Tensor) -> Tensor:
        """Quantized N x C (x H x W)."""
        if not self._started:
            self.start_once(x)
            self._unsigned = not x.is_meta and bool(self.unsigned)
        return uniform(x, self.bits, unsigned=self._unsigned, clipped=self.clipped)
