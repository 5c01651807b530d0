"""Kept: what is held from the forward to the backward step; and the parts in which both compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from networks.training.low_memory.norm import Statistics
from networks.training.low_memory.planes import Plane, Shape


@dataclass(kw_only=True)
class Kept:
    """Everything held from forward to backward beside inputs and weights."""

    read: Plane | None = None
    passing: Plane | None = None
    read_passing: Plane | None = None
    signs: Plane | None = None
    values: Tensor | None = None
    right: Plane | None = None
    below: Plane | None = None
    positive: Plane | None = None
    statistics: Statistics | None = None
    scale: Tensor | None = None


def blocks(number: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `number`."""
    return (slice(first, min(first + size, number)) for first in range(0, number, size))


def buffer(number: int, shape: Shape, dtype: torch.dtype, device: torch.device) -> Tensor:
    """N x C x H x W in channels-last format, to be filled."""
    channels, height, width = shape
    return torch.empty(number, height, width, channels, dtype=dtype, device=device).permute(0, 3, 1, 2)
