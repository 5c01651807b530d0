"""Watcher: who looks at the steps of a training without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn, optim

from networks.training.data import TrainingData
from networks.training.options import FitOptions


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """A training as its watcher sees it; all of it is the training's own, to be read only.

    Attributes:
        stepper: What steps the weights.
        steps_per_epoch: So there are `options.epochs` times as many steps.
    """

    module: nn.Module
    stepper: optim.Optimizer
    data: TrainingData
    options: FitOptions
    teacher: nn.Module | None
    steps_per_epoch: int


class Watcher(Protocol):
    """Told around every step. It must leave weights, gradients, statistics and random numbers as they are."""

    def begin(self, run: Watched, step: int) -> None:
        """Training is about to take the step of this number (over 0 where it goes on from a checkpoint)."""
        ...

    def before(self, step: int, loss: float) -> None:
        """The gradients of a step are there, not clipped yet; the weights are still the old ones."""
        ...

    def after(self, step: int) -> None:
        """The weights have been stepped, and latent weights clipped."""
        ...
