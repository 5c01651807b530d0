"""Sign, with the gradients that binary networks are trained with.

Forward: +1 or -1 by the sign bit, so 0 gives +1 (and -0 gives -1, as bit-packing kernels do).

Backward, with g the gradient of the output:

- clipped straight-through: `g * 1(|x| < 1)` (Hubara et al., arXiv 1602.02830);
- piecewise quadratic: `g * max(0, 2 - 2 |x|)`, the derivative of a quadratic approximation of sign
  (Bi-Real Net, Liu et al., arXiv 1808.00278).

Both work on any shape and floating type, in few element-wise passes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from networks.quantizers.options import SignGradient


class _ClippedSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, -1.0, 1.0)  # type: ignore[no-any-return]


class _QuadraticSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        distance = x.abs().clamp_(max=1)
        return torch.addcmul(grads[0], grads[0], distance, value=-1).mul_(2)


def signs(x: Tensor) -> Tensor:
    """+1 and -1 by the sign bit, without a gradient."""
    return torch.copysign(torch.ones((), dtype=x.dtype, device=x.device), x)


def sign(x: Tensor, gradient: SignGradient) -> Tensor:
    """+1 and -1 with the chosen gradient."""
    function = _QuadraticSign if gradient is SignGradient.QUADRATIC else _ClippedSign
    return function.apply(x)  # type: ignore[no-any-return, no-untyped-call]
