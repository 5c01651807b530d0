"""Surrogate: the predictors as a differentiable network, for choosing designs by their gradient.

    log latency(x, d) = log sum_k exp(phi_k(x) + w_k(d)),   likewise energy

with amounts `phi` of a design and prices `w` of a device, both learned: the form of every additive cost model, and
smooth. `d` is an Observation. Sizes and accuracy need no device. It leads the fit without labels
(`optimizer.fit_without_labels`) and no request: designs are always scored by the predictors themselves.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor, nn

from optimizer.observation import PROBES

TERMS = 48
HIDDEN, DEVICE_HIDDEN = 384, 256


class Figure(IntEnum):
    """The columns of figures: natural logarithms, and the log odds of accuracy."""

    LATENCY_MS = 0
    ENERGY_MJ = 1
    MODEL_BYTES = 2
    PEAK_BYTES = 3
    TRAINING_BYTES = 4
    ACCURACY = 5


FIGURES = len(Figure)
_NOTHING = 1e-6
COSTS = 2
"""Figures that depend on the device."""


class Surrogate(nn.Module):
    """Figures of designs on devices.

    Attributes:
        own_mean, own_deviation: Of what does not depend on the device, over random designs: model bytes, activation
            bytes at the peak per picture, training bytes, accuracy.
    """

    own_mean: Tensor
    own_deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, HIDDEN)
        self.body = nn.Sequential(
            nn.LayerNorm(HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
        )
        self.amounts = nn.Linear(HIDDEN, COSTS * TERMS)
        self.own = nn.Linear(HIDDEN + PROBES, FIGURES - COSTS)
        self.prices = nn.Sequential(
            nn.Linear(COSTS * PROBES + 1, DEVICE_HIDDEN),
            nn.GELU(),
            nn.Linear(DEVICE_HIDDEN, DEVICE_HIDDEN),
            nn.GELU(),
            nn.Linear(DEVICE_HIDDEN, COSTS * TERMS),
        )
        self.register_buffer("own_mean", torch.zeros(FIGURES - COSTS))
        self.register_buffer("own_deviation", torch.ones(FIGURES - COSTS))

    def price(self, costs: Tensor) -> Tensor:
        """Prices of B devices from their observed costs (B x P x 2), B x 2 x TERMS."""
        level = costs.mean(dim=1)
        seen = torch.cat([(costs - level[:, None]).flatten(1), level[:, :1] - level[:, 1:]], dim=1)
        return self.prices(seen).view(-1, COSTS, TERMS) + level[:, :, None]  # type: ignore[no-any-return]

    def parts(self, designs: Tensor, accuracy: Tensor) -> tuple[Tensor, Tensor]:
        """What depends on no device: amounts, B x 2 x TERMS (logarithms), and the figures of `own_mean`, B x 4.

        Args:
            designs: B x W, as of GeneCode.hot (or between the corners).
            accuracy: B x P (or 1 x P), log odds of accuracy of the probes for the task.
        """
        start = self.first(designs)
        hidden = start + self.body(start)
        task = accuracy.expand(len(hidden), -1) - self.own_mean[-1]
        own = self.own(torch.cat([hidden, task], dim=1)) * self.own_deviation + self.own_mean
        return self.amounts(hidden).view(-1, COSTS, TERMS), own

    def forward(self, designs: Tensor, prices: Tensor, accuracy: Tensor, memory: Tensor) -> Tensor:
        """Figures, B x FIGURES.

        Args:
            designs: B x W, see `parts`.
            prices: B x 2 x TERMS, or 1 x 2 x TERMS for one device.
            accuracy: B x P (or 1 x P), see `parts`.
            memory: B x 2 (or 1 x 2), logarithm of the pictures in a call, and 1 where weights take working memory.
        """
        amounts, own = self.parts(designs, accuracy)
        weights, activations = own[:, 0], own[:, 1] + memory[:, 0]
        resident = weights + torch.log(memory[:, 1].clamp(min=_NOTHING))
        peak = torch.logaddexp(activations, resident)
        own = torch.stack([weights, peak, own[:, 2], own[:, 3]], dim=1)
        return torch.cat([torch.logsumexp(amounts + prices, dim=2), own], dim=1)
