"""Pictures that filters are chosen by, as the network reads them, and those that accuracy is counted on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from design.errors import BespokeError
from networks.network import Network
from networks.training.batches import Normalisation
from networks.training.pictures import Pictures
from networks.training.sources.read import read_own

BATCH = 32
MOST_CHOSEN_BY = 256
READY = "images"
"""The array of an .npz file whose pictures are as the network reads them."""


class InvalidPictures(BespokeError):
    """Pictures that cannot be read as the network would read them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Pictures as the network reads them.

    Attributes:
        images: N x C x H x W, float32: what filters are chosen by.
        test: Pictures and labels that nothing is chosen by; None without labels.
    """

    images: Tensor
    test: tuple[Tensor, Tensor] | None = None

    def batches(self) -> Iterator[Tensor]:
        """Of the pictures that filters are chosen by."""
        return iter(torch.split(self.images, BATCH))


def read_samples(
    path: Path,
    shape: tuple[int, int, int],
    metadata: Mapping[str, str],
    normalisation: Normalisation | None = None,
    *,
    resize: bool = False,
) -> Samples:
    """Pictures of a file or folder.

    Args:
        path: An .npz file with `images` (N x C x H x W, as the network reads them) and maybe `labels`, or 8-bit
            pictures as for training: a folder of classes, or an .npz file with `x_train`, `y_train` and maybe `x_test`,
            `y_test`.
        shape: C x H x W.
        metadata: Of the model, which may say how pictures are centred and scaled.
        normalisation: How 8-bit pictures are centred and scaled; None: as the metadata say.
        resize: Scale 8-bit pictures of another size.

    Raises:
        InvalidData, InvalidPictures: Not such pictures, or nothing says how 8-bit pictures are scaled.
    """
    ready = _ready(path, shape)
    if ready is not None:
        return ready
    if not path.exists():
        raise InvalidPictures("pictures must be in a file or folder that is there", str(path), "Look at the path.")
    own = normalisation or _stated(metadata)
    if own is None:
        raise InvalidPictures(
            "8-bit pictures must come with how they are centred and scaled",
            f"{path.name} alone",
            "Give --mean and --deviation (per channel, on the scale 0 to 1), or an .npz file whose `images` are as the "
            "model reads them.",
        )
    found = read_own(path, shape, resize=resize)
    chosen, rest = _halves(found.train, found.test)
    test = None if rest is None else (own.apply(rest.images).contiguous(), rest.labels)
    return Samples(images=own.apply(chosen.images).contiguous(), test=test)


def accuracy(network: Network, test: tuple[Tensor, Tensor]) -> float:
    """Share of pictures whose class is found."""
    images, labels = test
    right = 0
    network.eval()
    with torch.no_grad():
        for batch, own in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            right += int((network(batch).flatten(1).argmax(1) == own).sum())
    return right / len(labels)


def _halves(train: Pictures, test: Pictures | None) -> tuple[Pictures, Pictures | None]:
    """Pictures to choose by, drawn at random, and others to count on: the test part, or what is left."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(train)))
    number = min(MOST_CHOSEN_BY, len(train) if test is not None else max(1, len(train) // 2))
    chosen, left = order[:number].sort().values, order[number:].sort().values
    rest = test if test is not None else (train.chosen(left) if len(left) else None)
    return train.chosen(chosen), rest


def _stated(metadata: Mapping[str, str]) -> Normalisation | None:
    try:
        return Normalisation(
            mean=tuple(json.loads(metadata["mean"])), deviation=tuple(json.loads(metadata["deviation"]))
        )
    except (KeyError, ValueError, TypeError):
        return None


def _ready(path: Path, shape: tuple[int, int, int]) -> Samples | None:
    """Pictures of an .npz file that are as the network reads them; None: it has none of that name."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            if READY not in file.files:
                return None
            images, labels = file[READY], file["labels"] if "labels" in file.files else None
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise InvalidPictures(f"{path} must be a readable .npz file of plain arrays", str(error)) from error
    if images.dtype.kind != "f" or images.ndim != 4 or images.shape[1:] != shape or not len(images):
        raise InvalidPictures(
            f"`{READY}` of {path.name} must be floats, N x {' x '.join(map(str, shape))}, as the model reads them",
            f"{images.dtype}, {images.shape}",
        )
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise InvalidPictures(f"`labels` of {path.name} must be {len(images)} whole numbers", f"{labels.shape}")
    order = np.random.default_rng(0).permutation(len(images))
    number = min(MOST_CHOSEN_BY, len(images) if labels is None else max(1, len(images) // 2))
    own = torch.from_numpy(images.astype(np.float32))
    test = None
    if labels is not None and number < len(images):
        left = np.sort(order[number:])
        test = (own[left], torch.from_numpy(labels.astype(np.int64))[left])
    return Samples(images=own[np.sort(order[:number])], test=test)
