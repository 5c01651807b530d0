"""What can go wrong while pictures are read and networks are trained."""

from __future__ import annotations

from design.errors import BespokeError


class InvalidData(BespokeError):
    """Pictures or labels that cannot be trained on: unreadable files, empty classes, sizes that differ."""


class InvalidOptions(BespokeError):
    """Training options that contradict each other or the data."""


class TrainingDiverged(BespokeError):
    """A loss that is no longer a number."""


class CheckpointMismatch(BespokeError):
    """A checkpoint that belongs to other settings, other data or another network."""


class TrainingStopped(Exception):
    """The caller asked to stop; the checkpoint of the last whole epoch remains.

    Attributes:
        epochs: Whole epochs that the checkpoint holds.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        super().__init__(f"stopped after {epochs} whole epochs")


class RankFailed(BespokeError):
    """One of several processes that train together failed."""
