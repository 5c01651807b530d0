"""Binary weights scaled per filter, and binary activations with an optional learned shift.

Weights (XNOR-Net, Rastegari et al., arXiv 1603.05279), for a filter of n latent weights W:

    alpha = ||W||_1 / n          the scale that minimises ||W - alpha B||^2 over alpha, for B = sign(W)
    Wq    = alpha * sign(W)

Gradient with respect to W, with g that of Wq:

- STRAIGHT: `g * 1(|W| <= 1)`, as if Wq were W within [-1, 1] (Bi-Real Net; ReActNet detaches alpha likewise);
- XNOR: `alpha * 1(|W| <= 1) * g + sign(W) / n * sum_j sign(W_j) g_j`.

Latent weights are kept in [-1, 1] by `networks.quantize.clip_latent_`, called after each step; those that it puts at
-1 or 1 have the gradient of those inside, so that they can come back.

Activations: `sign(x - shift)`, with a shift per channel learned by gradient (RSign of ReActNet, Liu et al.,
arXiv 2003.03488), or plain `sign(x)`. A shift that starts from data begins at the channel's mean where the input has
no negative values, since the sign of such an input says nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.quantizers.options import ScaleGradient, SignGradient
from networks.quantizers.quantizer import Codes, WeightQuantizer, per_filter
from networks.quantizers.sign import sign, signs
from networks.quantizers.start import StartsFromData


class _StraightBinary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return per_filter(filter_scale(weight), weight) * signs(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (weight,) = ctx.saved_tensors
        inside: Tensor = weight.abs() <= 1
        return grads[0] * inside


class _XnorBinary(_StraightBinary):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        weight: Tensor = ctx.saved_tensors[0]
        grad, own, inside = grads[0], signs(weight), weight.abs() <= 1
        along = (own * grad).flatten(1).mean(1)
        return per_filter(filter_scale(weight), weight) * inside * grad + own * per_filter(along, weight)


def filter_scale(weight: Tensor) -> Tensor:
    """Mean magnitude of each filter (filters first)."""
    return weight.abs().flatten(1).mean(1)


class BinaryWeights(WeightQuantizer):
    """+alpha and -alpha in each filter."""

    def __init__(self, gradient: ScaleGradient = ScaleGradient.STRAIGHT) -> None:
        super().__init__()
        self.gradient = gradient

    def forward(self, weight: Tensor) -> Tensor:
        """Quantized weight, the shape of `weight`."""
        function = _StraightBinary if self.gradient is ScaleGradient.STRAIGHT else _XnorBinary
        return function.apply(weight)  # type: ignore[no-any-return, no-untyped-call]

    @property
    def grid(self) -> tuple[int, int]:
        """See WeightQuantizer."""
        return -1, 2

    def codes(self, weight: Tensor) -> Codes:
        """See WeightQuantizer."""
        values = signs(weight.detach()).to(torch.int16)
        return Codes(values=values, scale=filter_scale(weight.detach()))


class BinaryActivations(nn.Module):
    """+1 and -1.

    Args:
        channels: Of the input, for the shift; None without.
        gradient: Of sign.
        axis: Which one the channels are on: 1 of N x C (x H x W), -1 of tokens.
    """

    def __init__(
        self, channels: int | None = None, gradient: SignGradient = SignGradient.QUADRATIC, *, axis: int = 1
    ) -> None:
        super().__init__()
        self.gradient, self.axis = gradient, axis
        self.shift = None if channels is None else nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        """Shift nothing."""
        if self.shift is not None:
            nn.init.zeros_(self.shift)

    def shifted(self, x: Tensor) -> Tensor:
        """What the sign is taken of, the shape of `x`."""
        if self.shift is None:
            return x
        return x - self.shift.to(x.dtype).reshape(-1, *(1,) * (x.dim() - 1 - self.axis % x.dim()))

    def forward(self, x: Tensor) -> Tensor:
        """Signs, the shape of `x`."""
        return sign(self.shifted(x), self.gradient)


class StartedBinaryActivations(StartsFromData, BinaryActivations):
    """Binary activations whose shift starts from the first batch: at the mean where no value is negative."""

    def start(self, x: Tensor) -> None:
        """See StartsFromData."""
        if self.shift is not None and float(x.min()) >= 0:
            self.shift.copy_(x.float().movedim(self.axis, 0).reshape(len(self.shift), -1).mean(1))

    def forward(self, x: Tensor) -> Tensor:
        """Signs, the shape of `x`."""
        self.start_once(x)
        return super().forward(x)
