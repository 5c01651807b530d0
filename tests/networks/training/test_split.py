"""Splits are stratified, disjoint and repeatable."""

from __future__ import annotations

import pytest
import torch

from networks.training.errors import InvalidData
from networks.training.split import stratified_split


def test_every_picture_is_on_one_side_and_every_class_gives_its_share() -> None:
    labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 2)
    kept, held = stratified_split(labels, 0.1, seed=3)
    assert sorted(torch.cat([kept, held]).tolist()) == list(range(72))
    assert torch.bincount(labels[held]).tolist() == [5, 2, 1]
    assert torch.bincount(labels[kept]).tolist() == [45, 18, 1]


def test_the_seed_alone_decides() -> None:
    labels = torch.arange(100) % 10
    torch.manual_seed(1)
    first = stratified_split(labels, 0.2, seed=0)[1]
    torch.manual_seed(2)
    assert torch.equal(first, stratified_split(labels, 0.2, seed=0)[1])
    assert not torch.equal(first, stratified_split(labels, 0.2, seed=1)[1])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(InvalidData, match="between 0 and 1"):
        stratified_split(torch.arange(10) % 2, share, seed=0)


def test_a_class_with_one_picture() -> None:
    with pytest.raises(InvalidData, match=r"at least two pictures.*1 with the label 2"):
        stratified_split(torch.tensor([0, 0, 1, 1, 2]), 0.5, seed=0)
