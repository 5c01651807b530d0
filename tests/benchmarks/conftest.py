"""Pictures of noise in the format of CIFAR-10."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10's format with 60 + 20 pictures of noise."""
    place = tmp_path_factory.mktemp("cifar")
    random = np.random.default_rng(0)
    for part, number in (("train", 60), ("test", 20)):
        files = []
        for _ in range(number):
            stream = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "JPEG")
            files.append(stream.getvalue())
        np.savez(
            place / f"cifar10_{part}_jpeg.npz",
            jpeg=np.frombuffer(b"".join(files), dtype=np.uint8),
            offsets=np.cumsum([0, *(len(one) for one in files)]),
            labels=np.arange(number) % 10,
            classes=np.array([f"class {one}" for one in range(10)]),
        )
    return place
