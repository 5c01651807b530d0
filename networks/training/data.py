"""TrainingData: what is trained on, what models are chosen on, and what is only read at the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from networks.training.batches import Normalisation, measure_normalisation
from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet
from networks.training.split import stratified_split

VALIDATION_SHARE = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """A data set made ready.

    Attributes:
        train: What weights are fitted on.
        validation: Held out of the training part: what models and settings are chosen on, and layers judged by.
        test: Read once at the end, where there is one.
        normalisation: Measured on `train` alone.
        seed: Of the split.
    """

    name: str
    train: Pictures
    validation: Pictures
    test: Pictures | None
    normalisation: Normalisation
    seed: int

    def digest(self) -> str:
        """SHA-256 (hex) of the training and validation part: whether two runs saw the same data."""
        content = hashlib.sha256()
        for part in (self.train, self.validation):
            content.update(part.images.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
            content.update(part.labels.numpy().tobytes())
        return content.hexdigest()


def prepare(
    pictures: PictureSet,
    *,
    validation_share: float = VALIDATION_SHARE,
    seed: int = 0,
    limit: int | None = None,
) -> TrainingData:
    """Hold a stratified part of the training pictures out for validation; measure the normalisation on the rest.

    Args:
        pictures: As read.
        validation_share: Of each class.
        seed: Which pictures.
        limit: Use about this many training pictures, the same share of every class (None: all); for quick looks.

    Raises:
        InvalidData: An empty class, too few pictures, or a limit under two pictures a class.
    """
    whole = pictures.train
    counts = torch.bincount(whole.labels, minlength=len(whole.classes))
    empty = [name for name, number in zip(whole.classes, counts.tolist(), strict=True) if not number]
    if empty:
        raise InvalidData("every class must have training pictures", f"none of {', '.join(empty[:5])}")
    if limit is not None and limit < len(whole):
        if limit < 2 * len(whole.classes):
            raise InvalidData(f"the limit must be at least {2 * len(whole.classes)} pictures", f"{limit}")
        _, used = stratified_split(whole.labels, limit / len(whole), seed=seed)
        whole = whole.chosen(used)
    kept, held = stratified_split(whole.labels, validation_share, seed=seed)
    train = whole.chosen(kept)
    return TrainingData(
        name=pictures.name,
        train=train,
        validation=whole.chosen(held),
        test=pictures.test,
        normalisation=measure_normalisation(train.images),
        seed=seed,
    )
