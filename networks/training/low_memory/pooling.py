"""Max pools of 2 x 2 that remember where each maximum was in two bits."""

from __future__ import annotations

import torch
from torch import Tensor

from networks.training.low_memory.planes import less

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def pooled(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maxima of N x C x H x W over windows of 2 x 2; an odd last row or column is left out. Of equals the first counts.

    Returns:
        N x C x H/2 x W/2, and two boolean tensors of that shape: the maximum was in the right column, in the lower row.
    """
    upper_left, upper_right, lower_left, lower_right = (_corner(x, *place) for place in _CORNERS)
    upper, lower = torch.maximum(upper_left, upper_right), torch.maximum(lower_left, lower_right)
    below = less(upper, lower)
    right, right_above = less(lower_left, lower_right), less(upper_left, upper_right)
    right = right_above ^ (below & (right ^ right_above))  # of the row with the maximum
    return torch.maximum(upper, lower), right, below


def spread(gradient: Tensor, right: Tensor, below: Tensor, side: tuple[int, int]) -> Tensor:
    """The gradient of the maxima brought back to where they were.

    Args:
        gradient: N x C x H/2 x W/2, channels last.
        right: Of that shape, 1 where the maximum was in the right column, else 0.
        below: Likewise for the lower row.
        side: H and W.
    """
    number, channels, height, width = gradient.shape
    odd = side != (2 * height, 2 * width)
    make = torch.zeros if odd else torch.empty
    found = make(number, *side, channels, dtype=gradient.dtype, device=gradient.device).permute(0, 3, 1, 2)
    in_lower = gradient * below
    in_upper = gradient - in_lower
    for row, part in enumerate((in_upper, in_lower)):
        torch.mul(part, right, out=_corner(found, row, 1))
        torch.sub(part, _corner(found, row, 1), out=_corner(found, row, 0))
    return found


def _corner(x: Tensor, row: int, column: int) -> Tensor:
    """One corner of every window, N x C x H/2 x W/2 (a view)."""
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    return x[:, :, row:height:2, column:width:2]
