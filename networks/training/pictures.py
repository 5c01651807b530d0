"""Pictures: labelled 8-bit pictures in memory, and the sets of them that a task is trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.training.errors import InvalidData

BytesArray = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Labelled pictures.

    Attributes:
        images: N x C x H x W, uint8, stored channels last.
        labels: N, int64, indices into `classes`.
        classes: Names, in the order of the labels.

    Raises:
        InvalidData: Other types or shapes, no pictures, or labels without a class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise InvalidData(
                "pictures must be uint8, N x C x H x W",
                f"{self.images.dtype} with {self.images.ndim} dimensions",
                "Scale floats in [0, 1] by 255 and round them.",
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != torch.int64:
            raise InvalidData(
                f"there must be one int64 label for each of {len(self.images)} pictures",
                f"{tuple(self.labels.shape)} of {self.labels.dtype}",
            )
        if not len(self.images):
            raise InvalidData("there must be at least one picture", "none")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise InvalidData(f"labels must be 0 to {len(self.classes) - 1}", f"{low} to {high}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """C x H x W of one picture."""
        _, channels, height, width = self.images.shape
        return (channels, height, width)

    def chosen(self, rows: Tensor) -> Pictures:
        """The pictures at these rows (int64), in that order."""
        images = self.images[rows].contiguous(memory_format=torch.channels_last)
        return Pictures(images=images, labels=self.labels[rows], classes=self.classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureSet:
    """Training and test pictures of one data set.

    Attributes:
        test: None where the source has no test part.

    Raises:
        InvalidData: The parts differ in size or classes.
    """

    name: str
    train: Pictures
    test: Pictures | None

    def __post_init__(self) -> None:
        if self.test is None:
            return
        if self.test.shape != self.train.shape:
            raise InvalidData(f"test pictures must be {self.train.shape} like those for training", f"{self.test.shape}")
        if self.test.classes != self.train.classes:
            raise InvalidData(
                f"training and test part must have the same classes {list(self.train.classes)}",
                f"{list(self.test.classes)} in the test part",
            )


def pictures_from_arrays(images: NDArray[np.generic], labels: NDArray[np.generic], classes: Sequence[str]) -> Pictures:
    """Pictures from arrays as people store them.

    Args:
        images: uint8; N x H x W (grey), N x H x W x C or N x C x H x W with C of 1 or 3.
        labels: N integers, or N x 1.
        classes: Names.

    Raises:
        InvalidData: Another type or layout.
    """
    if images.dtype != np.uint8:
        raise InvalidData(
            "pictures must be uint8 (0 to 255)", str(images.dtype), "Scale floats in [0, 1] by 255 and round them."
        )
    flat = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if not np.issubdtype(flat.dtype, np.integer):
        raise InvalidData("labels must be integers", str(flat.dtype))
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise InvalidData("pictures must be N x H x W, N x H x W x C or N x C x H x W", f"shape {images.shape}")
    if images.shape[3] in (1, 3):
        last = images
    elif images.shape[1] in (1, 3):
        last = images.transpose(0, 2, 3, 1)
    else:
        raise InvalidData("pictures must have 1 or 3 channels, first or last", f"shape {images.shape}")
    tensor = torch.from_numpy(np.array(last, order="C")).permute(0, 3, 1, 2)
    return Pictures(images=tensor, labels=torch.from_numpy(flat.astype(np.int64)), classes=tuple(classes))
