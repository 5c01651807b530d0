"""Estimate: how far the sums of drawn channels are from those of all. What the theorem's bound is held against.

Letters: N pictures, C channels read, P patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.layers import Quantized
from networks.pruning.shares import VANISHES, Piece, columns, signed_weights, signs

FloatArray = NDArray[np.float64]


def relative_errors(part: nn.Module, x: Tensor, pieces: Sequence[Piece], factors: Sequence[FloatArray]) -> FloatArray:
    """The largest relative error of any same-sign sum, of each picture.

    Args:
        part: A convolution or a linear layer.
        x: What it reads, N x ....
        pieces: The channels that are drawn.
        factors: Of each piece N x width: count_j / (m p_j) of a draw of its own for each picture.

    Returns:
        N: max over outputs, patches and signs of |sum of drawn channels / sum of all - 1|, where the latter does not
        vanish.
    """
    weights, kernel = signed_weights(part)
    if isinstance(part, Quantized):
        x = part.quantized_input(x)
    x = x.detach().float()
    scale = torch.ones(weights.shape[0] * weights.shape[2], len(x))
    for piece, own in zip(pieces, factors, strict=True):
        first, rows = piece.start * kernel, piece.copies * kernel
        scale[first : first + piece.width * rows] = torch.from_numpy(own.T).float().repeat_interleave(rows, dim=0)
    largest = torch.zeros(len(x))
    for one_sign in signs(x):
        signed = columns(part, one_sign)
        sums, drawn = (
            (weights @ one.reshape(len(weights), -1, one.shape[1] * one.shape[2])).view(-1, *one.shape[1:])
            for one in (signed, signed * scale[:, :, None])
        )
        off = torch.where(sums > VANISHES, drawn / sums - 1, 0).abs()
        largest = torch.maximum(largest, off.amax((0, 2)))
    return largest.double().numpy()
