"""Shares: how much of what a layer computes comes from each channel that it reads.

Liebenwein et al., "Provable filter pruning for efficient neural networks" (arXiv 1911.07412): with weights w of output
i, channel j and kernel position k, and inputs a of a patch p, the share of channel j is

    g_ij(p) = sum_k w_ijk a_jk(p) / sum_j' sum_k w_ij'k a_j'k(p)

within each part of equal signs: weights and inputs are split into what is positive and what is negative, so that no
numerator is larger than its denominator. Biases are no part of the sums. Where a denominator vanishes the share is 0.

Letters: N pictures, O outputs, C channels read, K kernel positions, P patches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.errors import UnsupportedLayer
from networks.layers import PositionwiseLinear, Quantized

VANISHES = float(torch.finfo(torch.float32).eps)
"""Denominators up to this give a share of 0."""
LARGEST = 1 - 1e-6
"""A share from here on counts as 1: it cannot be raised any more."""
BLOCK = 1 << 18
"""Numerators held at once (floats): what stays in the cache is computed several times faster."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Neighbouring channels of what a layer reads that belong to one channel group.

    Attributes:
        group: See `design.channels`.
        start: The first of them.
        width: Channels of the group.
        copies: Channels read for each channel of the group (positions that were flattened): further kernel positions.
    """

    group: int
    start: int
    width: int
    copies: int = 1


def signed_weights(part: nn.Module) -> tuple[Tensor, int]:
    """What is positive of the weights that a layer computes with, above what is negative.

    Returns:
        2 O x C K for each group of the convolution (G x 2 O / G x C K / G), and K.

    Raises:
        UnsupportedLayer: Neither a convolution nor a linear layer.
    """
    if not isinstance(part, nn.Conv2d | nn.Linear):
        raise UnsupportedLayer("sensitivities must be those of convolutions or linear layers", type(part).__name__)
    weight = part.quantized_weight() if isinstance(part, Quantized) else part.weight
    weight = weight.detach().float()
    rows = weight.reshape(_groups(part), -1, weight.shape[1:].numel())
    return torch.cat([rows.clamp(min=0), (-rows).clamp(min=0)], dim=1), weight.shape[2:].numel()


def columns(part: nn.Module, x: Tensor) -> Tensor:
    """What each patch of N pictures multiplies with the weights, C K x N x P.

    Args:
        part: A convolution or a linear layer.
        x: As it computes with it (quantized).
    """
    if isinstance(part, nn.Conv2d):
        return _patches(part, x)
    if isinstance(part, PositionwiseLinear):
        return x.flatten(2).transpose(0, 1).contiguous()
    return x.reshape(len(x), -1, x.shape[-1]).permute(2, 0, 1).contiguous()


def _patches(part: nn.Conv2d, x: Tensor) -> Tensor:
    (above, left), (down, right) = _padding(part), part.stride
    first = functional.pad(x.transpose(0, 1).contiguous(), (left, left, above, above))
    height, width = _sides(part, x)
    found = x.new_empty(x.shape[1], part.kernel_size[0] * part.kernel_size[1], len(x), height, width)
    for row in range(part.kernel_size[0]):
        for column in range(part.kernel_size[1]):
            top, begin = row * part.dilation[0], column * part.dilation[1]
            taken = first[:, :, top : top + down * height : down, begin : begin + right * width : right]
            found[:, row * part.kernel_size[1] + column] = taken[:, :, :height, :width]
    return found.view(-1, len(x), height * width)


def _padding(part: nn.Conv2d) -> tuple[int, int]:
    if isinstance(part.padding, str):
        raise UnsupportedLayer("padding must be a number of zeros", repr(part.padding))
    return part.padding[0], part.padding[1]


def _sides(part: nn.Conv2d, x: Tensor) -> tuple[int, int]:
    """Height and width of the output."""
    padding = _padding(part)
    height, width = (
        (side + 2 * zeros - dilation * (size - 1) - 1) // stride + 1
        for side, zeros, dilation, size, stride in zip(
            x.shape[2:], padding, part.dilation, part.kernel_size, part.stride, strict=True
        )
    )
    return height, width


def shares(
    part: nn.Module,
    x: Tensor,
    pieces: Sequence[Piece],
    *,
    per_weight: bool = False,
    known: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """The largest share of each channel in any output, at any patch, of either sign.

    Args:
        part: A convolution or a linear layer; of a quantized one, what it computes with.
        x: What it reads, N x ....
        pieces: The channels wanted.
        per_weight: Numerators are single products (the largest over kernel positions) as in the paper, not their sum
            over the kernel: never larger, and K times the work.
        known: Shares that were found before, width for each piece: what is 1 already is not computed again.

    Returns:
        N x width for each piece; 0 for channels passed over.
    """
    weights, kernel = signed_weights(part)
    if isinstance(part, Quantized):
        x = part.quantized_input(x)
    x = x.detach().float()
    found = [x.new_zeros(len(x), piece.width) for piece in pieces]
    at_once = _pictures(part, x, weights)
    for first in range(0, len(x), at_once):
        own = [whole[first : first + at_once] for whole in found]
        for one in signs(x[first : first + at_once]):
            signed = columns(part, one)
            inverse = _inverse_sums(weights, signed)
            for index, piece in enumerate(pieces):
                wanted = None if known is None else known[index] < LARGEST
                _raise(own[index], weights, signed, inverse, piece, kernel, wanted, per_weight=per_weight)
    return found


def _groups(part: nn.Module) -> int:
    return part.groups if isinstance(part, nn.Conv2d) else 1


def _pictures(part: nn.Module, x: Tensor, weights: Tensor) -> int:
    """Pictures at once, so that neither numerators nor columns are many."""
    rows = weights.shape[0] * weights.shape[2]
    patches = math.prod(_sides(part, x)) if isinstance(part, nn.Conv2d) else x[0].numel() // rows
    return max(1, min(len(x), BLOCK // (weights.shape[1] * patches), 4 * BLOCK // (rows * patches)))


def signs(x: Tensor) -> Iterator[Tensor]:
    """What is positive, and what is negative where there is any."""
    if float(x.amin()) >= 0:
        yield x
    else:
        yield x.clamp(min=0)
        yield (-x).clamp(min=0)


def _inverse_sums(weights: Tensor, signed: Tensor) -> list[Tensor]:
    """One over the denominators, 2 O / G x N P for each group; 0 where they vanish."""
    found = []
    for own, rows in zip(weights, signed.flatten(1).chunk(len(weights)), strict=True):
        sums = torch.mm(own, rows)
        found.append(sums.reciprocal().masked_fill_(sums <= VANISHES, 0))
    return found


def _raise(
    found: Tensor,
    weights: Tensor,
    signed: Tensor,
    inverse: Sequence[Tensor],
    piece: Piece,
    kernel: int,
    wanted: Tensor | None,
    *,
    per_weight: bool,
) -> None:
    """Raise N x width shares to those of one part of equal signs."""
    rows = piece.copies * kernel
    step = 1 if per_weight else rows
    held = weights.shape[2]
    numerators = signed.new_empty(weights.shape[1], signed.shape[1] * signed.shape[2])
    for channel in range(piece.width):
        if wanted is not None and not wanted[channel]:
            continue
        begin = piece.start * kernel + channel * rows
        for row in range(begin, begin + rows, step):
            group, place = divmod(row, held)
            torch.mm(weights[group, :, place : place + step], signed[row : row + step].flatten(1), out=numerators)
            numerators *= inverse[group]
            largest = numerators.amax(0).view(signed.shape[1:]).amax(1)
            torch.maximum(found[:, channel], largest.clamp(max=1), out=found[:, channel])
