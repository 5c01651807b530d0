"""Errors of drawn sums equal those of a loop over outputs and patches."""

from __future__ import annotations

import numpy as np
import torch

from networks.layers import QuantizedConv2d
from networks.pruning.estimate import relative_errors
from networks.pruning.shares import VANISHES, Piece


def test_errors_of_same_sign_sums() -> None:
    part, x = QuantizedConv2d(4, 3, 2), torch.randn(2, 4, 3, 3)
    factors = np.array([[0.0, 2.0], [1.5, 0.0]])
    found = relative_errors(part, x, [Piece(group=0, start=1, width=2)], [factors])
    weight = part.weight.detach()
    for picture in range(2):
        scale = torch.ones(4)
        scale[1:3] = torch.from_numpy(factors[picture])
        largest = 0.0
        for row in range(2):
            for column in range(2):
                patch = x[picture, :, row : row + 2, column : column + 2]
                for one in weight:
                    for sign in (1, -1):
                        for inputs in (patch.clamp(min=0), -patch.clamp(max=0)):
                            parts = (one * sign).clamp(min=0) * inputs
                            whole, drawn = float(parts.sum()), float((parts.sum((1, 2)) * scale).sum())
                            if whole > VANISHES:
                                largest = max(largest, abs(drawn / whole - 1))
        assert abs(found[picture] - largest) < 1e-4 * largest


def test_all_channels_drawn_once_err_nowhere() -> None:
    part, x = QuantizedConv2d(4, 3, 3, padding=1), torch.randn(3, 4, 5, 5)
    found = relative_errors(part, x, [Piece(group=0, start=0, width=4)], [np.ones((3, 4))])
    assert found.max() < 1e-5
