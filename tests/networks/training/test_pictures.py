"""Pictures check themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet, pictures_from_arrays
from tests.networks.training.tiny import random_pictures

AB = ("a", "b")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), "uint8"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "3 dimensions"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), "one int64 label"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 2]), "labels must be 0 to 1, but got 0 to 2"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([-1, 1]), "labels must be 0 to 1"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), "at least one picture"),
    ],
)
def test_wrong_pictures(images: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        Pictures(images=images, labels=labels, classes=AB)


def test_layouts_that_people_store_give_the_same_pictures() -> None:
    last = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
    labels = np.array([0, 1, 0, 1, 1])
    one = pictures_from_arrays(last, labels, AB)
    other = pictures_from_arrays(last.transpose(0, 3, 1, 2), labels[:, None], AB)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)
    assert one.shape == (3, 6, 4)
    assert one.images.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(one.images.permute(0, 2, 3, 1).numpy(), last)
    assert pictures_from_arrays(last[..., 0], labels, AB).shape == (1, 6, 4)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 4, 4), dtype=np.float32), np.zeros(2, dtype=int), "Scale floats"),
        (np.zeros((2, 4, 4), dtype=np.uint8), np.zeros(2), "labels must be integers"),
        (np.zeros((2, 4), dtype=np.uint8), np.zeros(2, dtype=int), "N x H x W"),
        (np.zeros((2, 5, 5, 5), dtype=np.uint8), np.zeros(2, dtype=int), "1 or 3 channels"),
    ],
)
def test_arrays_that_are_no_pictures(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        pictures_from_arrays(images, labels, AB)


def test_parts_of_a_set_must_agree() -> None:
    train = random_pictures(8)
    with pytest.raises(InvalidData, match="like those for training"):
        PictureSet(name="x", train=train, test=random_pictures(8, shape=(3, 9, 9)))
    with pytest.raises(InvalidData, match="same classes"):
        PictureSet(name="x", train=train, test=random_pictures(8, classes=3))
