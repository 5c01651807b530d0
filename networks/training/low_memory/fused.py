"""Layer, pool, l1 batch norm and sign in one step that keeps bits, after Wang et al. (arXiv 2102.04270).

Forward, for each channel over all B elements of pictures and positions (Y what the layer and its pool give):

    mu  = mean(Y)      psi = mean|Y - mu|      z = (Y - mu) / psi      X = gain * z + shift

Kept: signs of what the layer reads and of X, a mask |X| < 1, places of maxima, mu, psi and omega = mean|X|. Back, with
g the gradient of X where the mask lets it pass, v = gain * g / psi and s = sign(X):

    dY = v - mean(v) - omega * mean(v s) * s

The exact gradient is v - mean(v) - mean(v z) (sign(z) - mean(sign(z))); with the standard deviation for psi it is
v - mean(v) - mean(v z) z. Signs of weights are computed with: their scale (mean magnitude of a filter) cancels in the
norm, except in its running statistics and in the gradient of the weights.

Gradients between chains are multiplied by 2^10, so that float16 holds the small ones; what leaves is divided again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from networks.training.low_memory.backward import Backward
from networks.training.low_memory.chain import Chain, Reading
from networks.training.low_memory.forward import Forward
from networks.training.low_memory.norm import Statistics
from networks.training.low_memory.planes import Plane


@dataclass(kw_only=True)
class Outcome:
    """What a chain leaves beside its output.

    Attributes:
        plane: Signs of X, where they go on or are kept.
        statistics: Of the batch (or those given), in units of the layer with its weights' scale.
    """

    plane: Plane | None = None
    statistics: Statistics | None = None


class Fused(torch.autograd.Function):
    """See the module.

    Arguments: input or ticket, weight, shift, gain, chain, plane that is read, given statistics, outcome.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        shift: Tensor,
        gain: Tensor,
        chain: Chain,
        plane: Plane | None,
        given: Statistics | None,
        outcome: Outcome,
    ) -> Tensor:
        """Numbers or a ticket, N x C x H x W."""
        with torch.autocast(x.device.type, enabled=False):
            run = Forward(x, weight, shift, gain, chain, plane, given)
            found = run.output()
        outcome.plane, outcome.statistics = run.kept.signs, run.deployed()
        ctx.chain, ctx.kept, ctx.given = chain, run.kept, given is not None
        ctx.sink = weight if isinstance(weight, nn.Parameter) else None
        real = x if chain.reading is Reading.REAL else None
        ctx.shape, ctx.read_dtype = tuple(x.shape), x.dtype
        ctx.save_for_backward(real, weight, gain)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the arguments."""
        real, weight, gain = ctx.saved_tensors
        run = Backward(ctx, grads[0], real, weight, gain)
        ctx.kept = None  # the node may live on with the loss
        dx, dw = run.gradients(wanted=ctx.needs_input_grad[0])
        return dx, dw, run.shift_gradient, None, None, None, None, None
