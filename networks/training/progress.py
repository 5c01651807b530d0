"""What training tells while it runs, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands.

    Attributes:
        epoch: From 1.
        epochs: All of them.
        step: Steps done in this epoch.
        steps: Steps of an epoch.
        loss: Mean over the steps of this epoch.
        accuracy: On the (augmented) training pictures of this epoch.
        validation_accuracy: At the end of an epoch, else None.
        seconds: Since training began, without interruptions.
        seconds_left: As far as this run's speed tells.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    validation_accuracy: float | None
    seconds: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch as it was.

    Attributes:
        loss: Mean training loss.
        accuracy: On augmented training pictures.
        validation_loss: Cross entropy.
        validation_accuracy: Share of pictures.
        learning_rate: Of its last step.
        seconds: With validation.
    """

    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What training leaves behind; the module then has the weights of the best epoch.

    Attributes:
        epochs: All epochs, in order.
        best_epoch: The one with the highest validation accuracy (of equals the last), from 1.
        validation_accuracy: Of that epoch.
        seconds: Without interruptions.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    validation_accuracy: float
    seconds: float
