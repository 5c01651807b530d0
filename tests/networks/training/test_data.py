"""Validation pictures are held out of training; nothing of them or of the test part enters the normalisation."""

from __future__ import annotations

import pytest
import torch

from networks.training.batches import measure_normalisation
from networks.training.data import prepare
from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet
from networks.training.sources.read import read_digits
from tests.networks.training.tiny import random_pictures


def rows(pictures: Pictures) -> set[bytes]:
    return {image.numpy().tobytes() for image in pictures.images}


def numbered(number: int, classes: int) -> PictureSet:
    """Pictures that all differ."""
    images = torch.arange(number).remainder(256).to(torch.uint8).repeat(1)[:, None, None, None].repeat(1, 1, 2, 2)
    images[:, 0, 0, 0] = (torch.arange(number) // 256).to(torch.uint8)
    labels = torch.arange(number) % classes
    train = Pictures(images=images, labels=labels, classes=tuple("abcdefgh"[:classes]))
    return PictureSet(name="numbered", train=train, test=None)


def test_parts_are_disjoint_and_complete() -> None:
    whole = numbered(500, 5)
    data = prepare(whole, validation_share=0.2, seed=1)
    train, validation = rows(data.train), rows(data.validation)
    assert not train & validation
    assert train | validation == rows(whole.train)
    assert torch.bincount(data.validation.labels).tolist() == [20] * 5


def test_normalisation_is_of_the_training_part_alone() -> None:
    data = prepare(read_digits())
    assert data.normalisation == measure_normalisation(data.train.images)
    assert data.normalisation != measure_normalisation(torch.cat([data.train.images, data.validation.images]))


def test_a_limit_takes_the_same_share_of_every_class() -> None:
    data = prepare(numbered(500, 5), limit=100)
    counts = torch.bincount(torch.cat([data.train.labels, data.validation.labels]))
    assert counts.tolist() == [20] * 5
    assert len(prepare(numbered(500, 5), limit=900).train) == 450
    with pytest.raises(InvalidData, match="at least 10"):
        prepare(numbered(500, 5), limit=9)


def test_digest_tells_whether_two_runs_saw_the_same() -> None:
    whole = numbered(100, 4)
    assert prepare(whole, seed=1).digest() == prepare(whole, seed=1).digest()
    assert prepare(whole, seed=1).digest() != prepare(whole, seed=2).digest()


def test_an_empty_class_is_named() -> None:
    pictures = random_pictures(8, classes=2)
    wider = Pictures(images=pictures.images, labels=pictures.labels, classes=("a", "b", "bird"))
    with pytest.raises(InvalidData, match="none of bird"):
        prepare(PictureSet(name="x", train=wider, test=None))
