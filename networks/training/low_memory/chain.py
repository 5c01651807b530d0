"""Chain: a layer with weights, its pool, norm and sign, which are computed together; and what passes between chains."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import torch
from torch import Tensor
from torch.nn import functional

from networks.training.low_memory.options import LowMemoryOptions
from networks.training.low_memory.planes import Plane


class Reading(Enum):
    """What a chain reads.

    SIGNS: The plane of the chain before it.
    VALUES: Numbers, whose signs it takes.
    REAL: Numbers as they are (pictures, or the output of a quantizer of more bits).
    """

    SIGNS = auto()
    VALUES = auto()
    REAL = auto()


@dataclass(frozen=True, eq=False)
class Signs:
    """What one chain hands to the next: bits, and a place for the gradient.

    Attributes:
        ticket: N x C x H x W of no memory (one element, expanded), through which autograd sees the chains.
        plane: The signs.
    """

    ticket: Tensor
    plane: Plane


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What is computed, apart from weights and norm.

    Attributes:
        reading: What comes in.
        signs_out: Signs go out, else numbers.
        binary_weights: The weight is a latent one, of which the signs are computed with.
        linear: A fully connected layer on all of C x H x W, else a convolution.
        pool: Maxima of windows of 2 x 2 behind it.
        relu: Negative values are cut off before the norm.
        eps: Of the norm.
    """

    reading: Reading
    signs_out: bool
    binary_weights: bool
    linear: bool
    pool: bool
    relu: bool
    eps: float
    options: LowMemoryOptions
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """N x C x H x W of the layer; `weight` with all or some of its filters."""
        if self.linear:
            return functional.linear(x.flatten(1), weight)[:, :, None, None]
        if self._skips(weight):
            return functional.conv2d(self._read(x), weight, None, groups=self.groups)
        return functional.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def backward(self, gradient: Tensor, x: Tensor, weight: Tensor, *, wanted: bool) -> tuple[Tensor | None, Tensor]:
        """Gradients of input (where wanted) and weight from that of the output."""
        if self.linear:
            flat = gradient.flatten(1)
            own = (flat @ weight).view(x.shape) if wanted else None
            return own, flat.t() @ x.flatten(1)
        skips = self._skips(weight)
        found = torch.ops.aten.convolution_backward(
            gradient,
            self._read(x) if skips else x,
            weight,
            None,
            (1, 1) if skips else self.stride,
            self.padding,
            self.dilation,
            False,
            (0, 0),
            self.groups,
            (wanted, True, False),
        )
        if not skips or not wanted:
            return found[0], found[1]
        whole = torch.zeros_like(x)
        self._read(whole).copy_(found[0])
        return whole, found[1]

    def _skips(self, weight: Tensor) -> bool:
        """Whether it is a kernel of 1 x 1 with steps, which is given what it reads alone (see `QuantizedConv2d`)."""
        return weight.shape[2:] == (1, 1) and self.padding == (0, 0) and self.stride != (1, 1)

    def _read(self, x: Tensor) -> Tensor:
        """The pixels of N x C x H x W that such a kernel reads."""
        return x[:, :, :: self.stride[0], :: self.stride[1]]

    def picture_chunk(self, in_elements: int, filters: int, positions: int, size: int) -> int:
        """Pictures computed at once.

        Args:
            in_elements: Of one picture.
            filters: Computed at once.
            positions: Of the layer's output, before a pool.
            size: Bytes of a number.
        """
        largest = max(in_elements, filters * positions)
        return max(1, int(self.options.chunk_mib * 2**20 / (size * largest)))

    def filter_chunk(self, weight: Tensor) -> int:
        """Filters computed at once: all of a convolution; of a linear layer as many as fit."""
        if not self.linear:
            return len(weight)
        return max(1, int(self.options.chunk_mib * 2**20 / (4 * weight[0].numel())))
