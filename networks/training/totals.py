"""Totals: sums over the steps of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(kw_only=True)
class Totals:
    """Of the steps so far."""

    loss: float = 0.0
    right: float = 0.0
    pictures: float = 0.0
    steps: int = 0

    def add(self, loss: float, logits: Tensor, labels: Tensor) -> None:
        """One step: its mean loss, logits N x classes, labels N."""
        self.loss += loss
        self.right += int((logits.argmax(1) == labels).sum())
        self.pictures += len(labels)
        self.steps += 1
