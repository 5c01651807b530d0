"""16 bits: values rounded to float16 or bfloat16 and computed with at full width; the gradient passes straight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.quantizers.options import Half

DTYPES = {Half.FLOAT16: torch.float16, Half.BFLOAT16: torch.bfloat16}


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        largest = torch.finfo(dtype).max
        return x.clamp(-largest, largest).to(dtype).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class HalfPrecision(nn.Module):
    """Rounds weights or activations to 16 bits; what is too large becomes the largest finite value."""

    def __init__(self, half: Half = Half.FLOAT16) -> None:
        super().__init__()
        self.dtype = DTYPES[half]

    def forward(self, x: Tensor) -> Tensor:
        """The shape and type of `x`."""
        if x.dtype is self.dtype:
            return x
        return _Rounded.apply(x, self.dtype)  # type: ignore[no-any-return, no-untyped-call]
