"""Tiny networks and pictures for tests of training."""

from __future__ import annotations

import torch
from torch import nn

from networks.training.data import TrainingData, prepare
from networks.training.pictures import Pictures, PictureSet
from networks.training.sources.read import read_digits

CLASSES = tuple(str(digit) for digit in range(10))


def tiny_net(seed: int = 0, *, dropout: float = 0.0) -> nn.Sequential:
    """Convolutions with batch norm on 1 x 8 x 8 digits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * 16, 10),
        )


def digits(limit: int | None = 400) -> TrainingData:
    """A part of the digits, held-out part and all."""
    return prepare(read_digits(), limit=limit)


def random_pictures(number: int, shape: tuple[int, int, int] = (3, 8, 8), classes: int = 4, seed: int = 0) -> Pictures:
    """Noise with labels in turn."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, *shape), dtype=torch.uint8, generator=generator)
    return Pictures(
        images=images, labels=torch.arange(number) % classes, classes=tuple(f"class {one}" for one in range(classes))
    )


def random_set(number: int = 40) -> PictureSet:
    """A set of noise without a test part."""
    return PictureSet(name="noise", train=random_pictures(number), test=None)
