"""Learned step size quantization, LSQ (Esser et al., arXiv 1902.08153).

With v = x / s, Qn and Qp the smallest and largest whole number:

    forward    xq = s * round(clip(v, Qn, Qp))
    gradient   d xq / d x = 1(Qn < v < Qp)
               d xq / d s = round(v) - v inside, Qn at and below Qn, Qp at and above Qp; multiplied by
               1 / sqrt(n Qp), n the number of weights per step or, of activations, of elements per picture
    start      s = 2 mean|x| / sqrt(Qp)

Signed: Qn = -2^(b-1), Qp = 2^(b-1) - 1 (weights, and activations that may be negative); unsigned: Qn = 0,
Qp = 2^b - 1 (behind a ReLU). Weights have one step per filter, activations one per layer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from networks.quantizers.quantizer import Codes, WeightQuantizer, per_filter
from networks.quantizers.start import StartsFromData

SMALLEST_STEP = 1e-8


class _LearnedStep(torch.autograd.Function):
    """Arguments: x, step (broadcasts over x), Qn, Qp, factor of the step's gradient, dimensions to sum it over."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, factor: float, filters: bool) -> Tensor:
        own = step.to(x.dtype)
        scaled = x / own
        whole = torch.clamp(scaled, low, high).round_()
        ctx.save_for_backward(scaled, whole, step)
        ctx.low, ctx.high, ctx.factor, ctx.filters = low, high, factor, filters
        return whole * own

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        (scaled, whole, step), (grad,) = ctx.saved_tensors, grads
        inside = torch.ops.aten.hardtanh_backward(grad, scaled, float(ctx.low), float(ctx.high))
        change = (whole * grad).addcmul_(inside, scaled, value=-1)
        axes = tuple(range(1, change.dim())) if ctx.filters else tuple(range(change.dim()))
        slope = change.sum(axes).to(step.dtype)  # adds up in float32 whatever the type
        return inside, (slope * ctx.factor).reshape(step.shape), None, None, None, None


def learned_step(x: Tensor, step: Tensor, low: int, high: int, factor: float, *, filters: bool = False) -> Tensor:
    """Quantize to the whole numbers from `low` to `high` times `step`.

    Args:
        x: Any shape; filters first if `filters`.
        step: One value, or one a filter shaped to broadcast.
        low: Qn.
        high: Qp.
        factor: Of the step's gradient.
        filters: Whether the step is per filter.
    """
    return _LearnedStep.apply(x, step, low, high, factor, filters)  # type: ignore[no-any-return, no-untyped-call]


def limits(bits: int, *, unsigned: bool) -> tuple[int, int]:
    """Qn and Qp."""
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class LearnedStepWeights(WeightQuantizer):
    """Weights on a grid whose step is learned, one a filter; the steps start from the weights."""

    def __init__(self, filters: int, bits: int) -> None:
        super().__init__()
        self.low, self.high = limits(bits, unsigned=False)
        self.step = nn.Parameter(torch.ones(filters))

    def start_from(self, weight: Tensor) -> None:
        """Set the steps for a weight (filters first)."""
        with torch.no_grad():
            start = 2 * weight.abs().flatten(1).mean(1) / math.sqrt(self.high)
            self.step.copy_(start.clamp_(min=SMALLEST_STEP))

    def forward(self, weight: Tensor) -> Tensor:
        """Quantized weight, the shape of `weight`."""
        factor = 1 / math.sqrt(weight[0].numel() * self.high)
        return learned_step(weight, per_filter(self.step, weight), self.low, self.high, factor, filters=True)

    @property
    def grid(self) -> tuple[int, int]:
        """See WeightQuantizer."""
        return self.low, 1

    def codes(self, weight: Tensor) -> Codes:
        """See WeightQuantizer."""
        step = self.step.detach()
        values = torch.clamp(weight.detach() / per_filter(step, weight), self.low, self.high).round_()
        return Codes(values=values.to(torch.int16), scale=step)


class LearnedStepActivations(StartsFromData):
    """Activations on a grid whose step is learned, one a layer; the step starts from the first batch.

    Args:
        bits: 2 to 8.
        unsigned: Whether no input is negative; None: the first batch tells.
    """

    unsigned: Tensor

    def __init__(self, bits: int, *, unsigned: bool | None) -> None:
        super().__init__()
        self.bits = bits
        self.known = unsigned
        self.step = nn.Parameter(torch.ones(()))
        self.register_buffer("unsigned", torch.tensor(bool(unsigned)))
        self._limits: tuple[int, int] | None = None if unsigned is None else limits(bits, unsigned=unsigned)

    def reset_parameters(self) -> None:
        """Start again from the next batch."""
        nn.init.ones_(self.step)
        self.unsigned.fill_(bool(self.known))
        self.restart()

    def start(self, x: Tensor) -> None:
        """See StartsFromData."""
        if self.known is None:
            self.unsigned.fill_(bool((x >= 0).all()))
        _, high = limits(self.bits, unsigned=bool(self.unsigned))
        self.step.copy_((2 * x.float().abs().mean() / math.sqrt(high)).clamp_(min=SMALLEST_STEP))

    def forward(self, x: Tensor) -> Tensor:
        """Quantized N x C (x H x W)."""
        if not self._started:
            self.start_once(x)
            self._limits = limits(self.bits, unsigned=bool(self.known if x.is_meta else self.unsigned))
        assert self._limits is not None
        low, high = self._limits
        factor = 1 / math.sqrt(x[:1].numel() * high)
        return learned_step(x, self.step, low, high, factor)
