"""Ask: what a request wants, as numbers a network reads; and how far figures are from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from optimizer.objective import EXPONENT, LEAST_ERROR, LEAST_WEIGHT, LIMITS, Objective
from optimizer.observation import Observation
from optimizer.surrogate import FIGURES, Figure

SIGNS = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, -1.0])
"""A cost may not exceed its limit, accuracy may not fall short of it."""
_COLUMNS = {
    "latency_ms": Figure.LATENCY_MS,
    "energy_mj": Figure.ENERGY_MJ,
    "model_kb": Figure.MODEL_BYTES,
    "peak_memory_kb": Figure.PEAK_BYTES,
    "training_memory_kb": Figure.TRAINING_BYTES,
    "min_accuracy": Figure.ACCURACY,
}
FIGURE_OF_LIMIT = tuple(_COLUMNS[name] for name in LIMITS)
_LEAST, _MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True)
class Ask:
    """B requests.

    Attributes:
        limits: B x FIGURES on the scale of figures, for medians: what uncertainty takes is already off. 0 if not set.
        present: B x FIGURES, 1 where a limit is set.
        weights: B x 4, shares of accuracy, latency, energy and size in what is maximised.
        caution: B, standard deviations of accuracy that a design's error is judged at, times their size.
    """

    limits: Tensor
    present: Tensor
    weights: Tensor
    caution: Tensor

    def repeat(self, count: int) -> Ask:
        """Each request `count` times in a row."""
        columns = (self.limits, self.present, self.weights, self.caution)
        limits, present, weights, caution = (one.repeat_interleave(count, dim=0) for one in columns)
        return Ask(limits, present, weights, caution)

    def take(self, index: Tensor) -> Ask:
        """Those at `index`."""
        return Ask(self.limits[index], self.present[index], self.weights[index], self.caution[index])

    @classmethod
    def joined(cls, parts: Sequence[Ask]) -> Ask:
        """All of them, in order."""
        return cls(
            torch.cat([part.limits for part in parts]),
            torch.cat([part.present for part in parts]),
            torch.cat([part.weights for part in parts]),
            torch.cat([part.caution for part in parts]),
        )

    def tightened(self, share: Tensor) -> Ask:
        """Every limit tighter by a share (B, in natural logarithms; of log odds half as much)."""
        step = SIGNS * torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.5])
        return replace(self, limits=self.limits - share[:, None] * step * self.present)


def ask_of(objective: Objective, risk: float, seen: Observation) -> Ask:
    """One request on one device (B = 1): limits at the risk become limits of medians by the observed spreads."""
    limits, present = np.zeros(FIGURES), np.zeros(FIGURES)
    quantile = NormalDist().inv_cdf(1 - risk)
    for name, allowed in objective.limits.items():
        column = _COLUMNS[name]
        present[column] = 1
        if name == "min_accuracy":
            inner = min(max(allowed, _LEAST), _MOST)
            limits[column] = math.log(inner / (1 - inner)) + quantile * seen.accuracy_spread
        elif name in ("latency_ms", "energy_mj"):
            limits[column] = math.log(allowed) - quantile * seen.spreads[column]
        else:
            limits[column] = math.log(1000 * allowed)
    given = objective.preferences
    weights = np.array([given.accuracy, given.latency, given.energy, given.size])
    return Ask(
        torch.tensor(limits[None], dtype=torch.float32),
        torch.tensor(present[None], dtype=torch.float32),
        torch.tensor(np.maximum(weights / weights.sum(), LEAST_WEIGHT)[None], dtype=torch.float32),
        torch.tensor([quantile * seen.accuracy_spread], dtype=torch.float32),
    )


def excess(figures: Tensor, ask: Ask) -> Tensor:
    """How far each limit is broken (above 0) or kept (below), B x FIGURES; 0 for limits that are not set."""
    return (figures - ask.limits) * SIGNS * ask.present


def utility(figures: Tensor, ask: Ask) -> Tensor:
    """The same as `Objective.utility` for figures, B, differentiable."""
    odds = figures[:, Figure.ACCURACY] - ask.caution
    error = torch.sigmoid(-odds).clamp(min=LEAST_ERROR)
    costs = figures[:, [Figure.LATENCY_MS, Figure.ENERGY_MJ, Figure.MODEL_BYTES]]
    return -ask.weights[:, 0] * torch.log(error) - EXPONENT * (ask.weights[:, 1:] * costs).sum(dim=1)
