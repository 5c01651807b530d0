"""Telling people how a training of a study goes."""

from __future__ import annotations

from benchmarks.report import say
from networks.training.progress import Progress


class EpochTeller:
    """Tells the end of every epoch.

    Args:
        name: Of the training.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, progress: Progress) -> None:
        """Say it, once the epoch is validated."""
        if progress.validation_accuracy is not None:
            say(
                f"{self.name}: epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.3f}, "
                f"validation {progress.validation_accuracy:.4f}, {progress.seconds_left / 60:.1f} min left"
            )
