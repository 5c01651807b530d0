"""Augmentation: random crops, mirror images and holes, drawn for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from networks.training.errors import InvalidOptions


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What may happen to a picture before it is trained on.

    Attributes:
        padding: Pixels of black on each side, out of which a picture of the old size is cut (He et al., arXiv
            1512.03385: 4 for CIFAR-10).
        flip: Mirror every second picture.
        cutout: Side of a square that is set to the mean, centred anywhere, partly outside (DeVries and Taylor, arXiv
            1708.04552: 16 for CIFAR-10); 0 = none.

    Raises:
        InvalidOptions: Negative sizes.
    """

    padding: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.padding < 0 or self.cutout < 0:
            raise InvalidOptions("padding and cutout must be 0 or more", f"{self.padding} and {self.cutout}")


NO_AUGMENTATION = Augmentation()
_BY_TASK = {
    "cifar10": Augmentation(padding=4, flip=True),
    "cifar100": Augmentation(padding=4, flip=True),
    "fashion_mnist": Augmentation(padding=2, flip=True),
    "mnist": Augmentation(padding=2),
    "digits": Augmentation(padding=1),
}


def usual_augmentation(task: str) -> Augmentation:
    """What is usual for a built-in task; for pictures that nothing is known of, none."""
    return _BY_TASK.get(task, NO_AUGMENTATION)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """The random choices for one batch of B pictures.

    Attributes:
        top: B, first row of the crop in the padded picture.
        left: B, its first column.
        flipped: B, bool.
        hole: B x 2, row and column of the centre of the hole.
    """

    top: Tensor
    left: Tensor
    flipped: Tensor
    hole: Tensor

    def part(self, number: int, of: int) -> Draw:
        """Those of every `of`-th picture, from `number` on."""
        one = slice(number, None, of)
        return Draw(top=self.top[one], left=self.left[one], flipped=self.flipped[one], hole=self.hole[one])


def draw(augmentation: Augmentation, number: int, side: tuple[int, int], generator: torch.Generator) -> Draw:
    """Choices for `number` pictures of height x width `side`."""
    shifts = 2 * augmentation.padding + 1
    top, left = torch.randint(shifts, (2, number), generator=generator)
    flipped = torch.rand(number, generator=generator) < (0.5 if augmentation.flip else 0.0)
    hole = torch.stack([torch.randint(length, (number,), generator=generator) for length in side], dim=1)
    return Draw(top=top, left=left, flipped=flipped, hole=hole)


def source_pixels(drawn: Draw, side: tuple[int, int], padding: int) -> Tensor:
    """For each pixel of each picture the number of the padded picture's pixel it comes from, B x H x W."""
    height, width = side
    rows = drawn.top[:, None] + torch.arange(height)
    steps = torch.arange(width)
    columns = drawn.left[:, None] + torch.where(drawn.flipped[:, None], width - 1 - steps, steps)
    return rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]


def outside_hole(drawn: Draw, side: tuple[int, int], cutout: int) -> Tensor:
    """Which pixels stay, B x 1 x H x W, bool."""
    inside = []
    for axis, length in enumerate(side):
        first = drawn.hole[:, axis, None] - cutout // 2
        place = torch.arange(length)
        inside.append((place >= first) & (place < first + cutout))
    return ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
