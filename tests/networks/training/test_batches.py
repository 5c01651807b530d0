"""Batches are what one picture at a time would give; order and augmentation depend on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from networks.training.augmentation import Augmentation, draw, outside_hole, source_pixels, usual_augmentation
from networks.training.batches import Batches, Normalisation, generator_for, measure_normalisation
from networks.training.errors import InvalidOptions
from networks.training.pictures import Pictures
from tests.networks.training.tiny import random_pictures

FULL = Augmentation(padding=2, flip=True, cutout=3)


def batches(pictures: Pictures, augmentation: Augmentation = FULL, size: int = 4) -> Batches:
    normalisation = measure_normalisation(pictures.images)
    return Batches(pictures, batch_size=size, normalisation=normalisation, augmentation=augmentation)


def test_normalisation_is_that_of_numpy() -> None:
    images = random_pictures(30).images
    found = measure_normalisation(images)
    values = images.numpy() / 255
    assert found.mean == pytest.approx(values.mean(axis=(0, 2, 3)), abs=1e-12)
    assert found.deviation == pytest.approx(values.std(axis=(0, 2, 3)), abs=1e-12)
    normal = found.apply(images)
    assert normal.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (normal.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_channel_that_never_changes_stays_finite() -> None:
    found = measure_normalisation(torch.full((3, 1, 2, 2), 7, dtype=torch.uint8))
    assert found == Normalisation(mean=(7 / 255,), deviation=(1.0,))
    assert found.apply(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8)).abs().max() < 1e-6


def test_in_order_gives_every_picture_once_and_untouched() -> None:
    pictures = random_pictures(10)
    own = batches(pictures)
    seen = list(own.in_order())
    assert len(own) == len(seen) == 3
    expected = own.normalisation.apply(pictures.images)
    assert torch.equal(torch.cat([images for images, _ in seen]), expected)
    assert torch.equal(torch.cat([labels for _, labels in seen]), pictures.labels)
    assert seen[0][0].is_contiguous(memory_format=torch.channels_last)


def slowly(picture: Tensor, top: int, left: int, flipped: bool, padding: int) -> Tensor:
    """Pad, cut, mirror one picture (C x H x W)."""
    channels, height, width = picture.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=picture.dtype)
    padded[:, padding : padding + height, padding : padding + width] = picture
    cut = padded[:, top : top + height, left : left + width]
    return cut.flip(2) if flipped else cut


def test_a_batch_is_what_one_picture_at_a_time_gives() -> None:
    pictures = random_pictures(9, shape=(3, 6, 5))
    own = batches(pictures, size=4)
    generator = generator_for(5, 2)
    order = torch.randperm(9, generator=generator)
    count = 0
    for number, (images, labels) in enumerate(own.shuffled(5, 2)):
        chosen = order[4 * number : 4 * number + 4]
        drawn = draw(FULL, 4, (6, 5), generator)
        assert torch.equal(labels, pictures.labels[chosen])
        for place in range(4):
            one = slowly(
                pictures.images[chosen[place]],
                int(drawn.top[place]),
                int(drawn.left[place]),
                bool(drawn.flipped[place]),
                FULL.padding,
            )
            expected = own.normalisation.apply(one[None])[0]
            row, column = drawn.hole[place].tolist()
            hole_rows, hole_columns = (slice(max(at - 1, 0), at + 2) for at in (row, column))
            expected[:, hole_rows, hole_columns] = 0
            assert torch.equal(images[place], expected)
            count += 1
    assert count == 8


def test_draws_use_every_shift_and_flip_half() -> None:
    drawn = draw(Augmentation(padding=2, flip=True), 4000, (8, 8), generator_for(0, 0))
    assert torch.bincount(drawn.top).tolist() == pytest.approx([800] * 5, rel=0.2)
    assert torch.bincount(drawn.left).tolist() == pytest.approx([800] * 5, rel=0.2)
    assert drawn.flipped.float().mean() == pytest.approx(0.5, abs=0.05)
    assert not draw(Augmentation(), 100, (8, 8), generator_for(0, 0)).flipped.any()


def test_without_augmentation_pixels_stay_and_a_hole_is_a_square() -> None:
    drawn = draw(Augmentation(cutout=3), 50, (8, 7), generator_for(0, 0))
    assert torch.equal(source_pixels(drawn, (8, 7), 0)[0], torch.arange(56).reshape(8, 7))
    holes = (~outside_hole(drawn, (8, 7), 3)).sum(dim=(1, 2, 3))
    assert int(holes.max()) == 9
    assert int(holes.min()) == 4


def test_order_depends_on_seed_and_epoch_alone() -> None:
    own = batches(random_pictures(12))
    first = [images for images, _ in own.shuffled(1, 3)]
    torch.manual_seed(99)
    again = [images for images, _ in own.shuffled(1, 3)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, epoch in ((1, 4), (2, 3)):
        other = [images for images, _ in own.shuffled(seed, epoch)]
        assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_fewer_pictures_than_a_batch_are_one_batch() -> None:
    own = batches(random_pictures(3), size=128)
    assert own.full == 1
    assert len(next(iter(own.shuffled(0, 0)))[1]) == 3


def test_usual_augmentation() -> None:
    assert usual_augmentation("cifar10") == Augmentation(padding=4, flip=True)
    assert not usual_augmentation("mnist").flip
    assert usual_augmentation("own") == Augmentation()


def test_wrong_options() -> None:
    with pytest.raises(InvalidOptions, match="0 or more"):
        Augmentation(padding=-1)
    with pytest.raises(InvalidOptions, match="under 8 pixels"):
        batches(random_pictures(4), Augmentation(padding=8))
    with pytest.raises(InvalidOptions, match="batch size"):
        batches(random_pictures(4), size=0)


def test_grey_pictures() -> None:
    pictures = random_pictures(4, shape=(1, 5, 5))
    images, _ = next(batches(pictures, Augmentation(padding=1)).shuffled(0, 0))
    assert images.shape == (4, 1, 5, 5)
    assert np.isfinite(images.numpy()).all()
