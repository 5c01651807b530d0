"""Split: which pictures are held out of training, class by class."""

from __future__ import annotations

import torch
from torch import Tensor

from networks.training.errors import InvalidData


def stratified_split(labels: Tensor, share: float, *, seed: int) -> tuple[Tensor, Tensor]:
    """Rows kept and rows held out, each in ascending order; every class gives the same share, at least one picture.

    Args:
        labels: N, int64.
        share: Of each class to hold out, between 0 and 1.
        seed: Which ones.

    Returns:
        Two int64 tensors that share no row and hold all rows together.

    Raises:
        InvalidData: A share that is not between 0 and 1, or a class with fewer than two pictures.
    """
    if not 0 < share < 1:
        raise InvalidData("the share held out must be between 0 and 1", f"{share:g}")
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        rows = torch.nonzero(labels == label).squeeze(1)
        if len(rows) < 2:
            raise InvalidData(
                "every class must have at least two pictures, one of them to validate on",
                f"{len(rows)} with the label {label}",
                "Add pictures, or leave the class out.",
            )
        number = min(max(round(share * len(rows)), 1), len(rows) - 1)
        held[rows[torch.randperm(len(rows), generator=generator)[:number]]] = True
    every = torch.arange(len(labels))
    return every[~held], every[held]
