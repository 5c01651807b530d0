"""Batches: pictures held in memory, cut, mirrored and normalised a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from networks.training.augmentation import NO_AUGMENTATION, Augmentation, draw, outside_hole, source_pixels
from networks.training.errors import InvalidOptions
from networks.training.pictures import Pictures

LEVELS = 256


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """What makes training pictures of mean 0 and deviation 1, per channel, on the scale 0 to 1.

    Attributes:
        mean: C values.
        deviation: C values; 1 for a channel that never changes.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def factors(self) -> tuple[Tensor, Tensor]:
        """Scale and shift (each C x 1 x 1, float32) that take 8-bit values to normalised ones."""
        mean, deviation = (torch.tensor(one, dtype=torch.float64)[:, None, None] for one in (self.mean, self.deviation))
        return (1 / (255 * deviation)).float(), (-mean / deviation).float()

    def apply(self, images: Tensor) -> Tensor:
        """Normalised float32 pictures (N x C x H x W) from 8-bit ones, in the same memory layout."""
        scale, shift = self.factors()
        return images.float().mul_(scale.to(images.device)).add_(shift.to(images.device))


def measure_normalisation(images: Tensor) -> Normalisation:
    """Mean and deviation of every channel (N x C x H x W, uint8), from exact counts of the 256 levels."""
    means, deviations = [], []
    levels = np.arange(LEVELS) / (LEVELS - 1)
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=LEVELS).numpy()
        mean = float(counts @ levels / counts.sum())
        deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
        means.append(mean)
        deviations.append(deviation or 1.0)
    return Normalisation(mean=tuple(means), deviation=tuple(deviations))


def generator_for(seed: int, epoch: int) -> torch.Generator:
    """Random numbers that depend on seed and epoch alone, so that a resumed run draws what an unbroken one draws."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


class Batches:
    """The batches of a part of a data set.

    Args:
        pictures: Kept on `device` as 8-bit values.
        batch_size: Pictures in a batch.
        normalisation: Of the training part.
        augmentation: For training; validation and test have none.
        device: Where batches are wanted.

    Raises:
        InvalidOptions: A batch size under 1, or more padding than the picture has pixels.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        batch_size: int,
        normalisation: Normalisation,
        augmentation: Augmentation = NO_AUGMENTATION,
        device: torch.device | str = "cpu",
    ) -> None:
        channels, height, width = pictures.shape
        if batch_size < 1:
            raise InvalidOptions("the batch size must be at least 1", f"{batch_size}")
        if augmentation.padding >= min(height, width):
            raise InvalidOptions(f"padding must be under {min(height, width)} pixels", f"{augmentation.padding}")
        self.batch_size, self.normalisation, self.augmentation = batch_size, normalisation, augmentation
        self._side = (height, width)
        self._number = len(pictures)
        self._device = torch.device(device)
        pad = augmentation.padding
        images = torch.nn.functional.pad(pictures.images, (pad, pad, pad, pad))
        self._padded_pixels = (height + 2 * pad) * (width + 2 * pad)
        self._pixels = images.permute(0, 2, 3, 1).reshape(-1, channels).to(self._device)
        self._labels = pictures.labels.to(self._device)

    def __len__(self) -> int:
        """Batches of `in_order`: the last one may be smaller."""
        return -(-self._number // self.batch_size)

    @property
    def full(self) -> int:
        """Batches of `shuffled`: only whole ones, and at least one."""
        return max(self._number // self.batch_size, 1)

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every picture once, not augmented: B x C x H x W normalised (channels last), and B labels."""
        pad = self.augmentation.padding
        rows = torch.arange(pad, pad + self._side[0])[:, None] * (self._side[1] + 2 * pad)
        middle = rows + torch.arange(pad, pad + self._side[1])
        for chosen in torch.split(torch.arange(self._number), self.batch_size):
            yield self._gathered(chosen, middle.expand(len(chosen), *self._side))

    def shuffled(self, seed: int, epoch: int, *, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[Tensor, Tensor]]:
        """Whole batches in random order, augmented: B x C x H x W normalised (channels last), and B labels.

        Args:
            seed: Of the training.
            epoch: From 0.
            share: Which of how many even parts of each batch is given; all parts are drawn alike.
        """
        generator = generator_for(seed, epoch)
        order = torch.randperm(self._number, generator=generator)
        for whole in torch.split(order[: self.full * self.batch_size], self.batch_size):
            drawn = draw(self.augmentation, len(whole), self._side, generator).part(*share)
            chosen = whole[share[0] :: share[1]]
            images, labels = self._gathered(chosen, source_pixels(drawn, self._side, self.augmentation.padding))
            if self.augmentation.cutout:
                images *= outside_hole(drawn, self._side, self.augmentation.cutout).to(self._device)
            yield images, labels

    def _gathered(self, chosen: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures `chosen` (B), their pixels taken from `pixels` (B x H x W)."""
        places = (chosen[:, None, None] * self._padded_pixels + pixels).reshape(-1).to(self._device)
        images = self._pixels.index_select(0, places).view(len(chosen), *self._side, -1).permute(0, 3, 1, 2)
        return self.normalisation.apply(images), self._labels[chosen.to(self._device)]
