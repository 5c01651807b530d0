"""Archives of arrays that users make: labels that are no numbers of classes, and files that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from networks.training.errors import InvalidData
from networks.training.sources.read import read_own

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
SHAPE = (1, 8, 8)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["cat", "dog"] * 10), "integers, but got <U3"),
        (np.full(20, np.nan), "integers, but got float64"),
        (np.full(20, np.datetime64("2026-01-01")), "integers"),
        (np.zeros(20, dtype=[("a", int)]), "integers"),
        (np.full(20, 10**12), "under 20, the number of training pictures, but got 1000000000000"),
        (np.full(20, 2**63, dtype=np.uint64), "under 20"),
    ],
)
def test_labels_that_number_no_classes(labels: NDArray[np.generic], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=IMAGES, y_train=labels)
    with pytest.raises(InvalidData, match=message):
        read_own(tmp_path / "own.npz", SHAPE)


def test_as_many_classes_as_pictures_and_names_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=IMAGES, y_train=np.arange(20))
    assert len(read_own(path, SHAPE).train.classes) == 20
    np.savez(path, x_train=IMAGES, y_train=np.arange(20) % 2, classes=np.array([b"cat", b"dog"]))
    assert read_own(path, SHAPE).train.classes == ("cat", "dog")


def test_archives_damaged_anywhere_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x_train=IMAGES, y_train=np.arange(20) % 3)
    whole = path.read_bytes()
    reasons = set()
    for place in range(0, len(whole), 5):
        for value in (whole[place] ^ 8, 255):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                read_own(path, SHAPE)
            except InvalidData as error:
                reasons.add(type(error.__cause__).__name__)
    assert "error" in reasons  # zlib's
    encrypted = bytearray(whole)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(mark) + flags] |= 1
    path.write_bytes(encrypted)
    with pytest.raises(InvalidData, match="encrypted"):
        read_own(path, SHAPE)
