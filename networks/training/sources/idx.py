"""MNIST and Fashion-MNIST as distributed: IDX files, gzipped or not.

Format: LeCun, Cortes and Burges, "The MNIST database": two zero bytes, type 8 (unsigned byte), number of dimensions,
each dimension as a big-endian 32-bit number, then the bytes.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from networks.training.errors import InvalidData
from networks.training.pictures import PictureSet, pictures_from_arrays

UNSIGNED_BYTE = 8
MAX_BYTES = 1 << 31
_CLASSES = {
    "mnist": tuple(str(digit) for digit in range(10)),
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
_FOLDERS = {"mnist": ("mnist", "MNIST/raw"), "fashion_mnist": ("fashion_mnist", "fashion", "FashionMNIST/raw")}
_PARTS = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of one IDX file of unsigned bytes.

    Raises:
        InvalidData: Another type, or fewer or more bytes than the header says.
    """
    try:
        with path.open("rb") as raw:
            content = gzip.GzipFile(fileobj=raw).read(MAX_BYTES) if path.suffix == ".gz" else raw.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidData(f"{path} must be a readable IDX file", str(error)) from error
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not 1 <= content[3] <= 4:
        raise InvalidData(f"{path} must begin as an IDX file of unsigned bytes", content[:4].hex() or "nothing")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise InvalidData(f"{path} must hold its {content[3]} dimensions", f"{len(content)} bytes")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise InvalidData(f"{path} must hold {math.prod(shape)} bytes ({shape})", f"{len(content) - start}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _file(folder: Path, stem: str, dimensions: int) -> Path | None:
    """The file of a part, under any of the names in use."""
    names = (f"{stem}-idx{dimensions}-ubyte", f"{stem}.idx{dimensions}-ubyte")
    found = (folder / f"{name}{end}" for name in names for end in (".gz", ""))
    return next((path for path in found if path.is_file()), None)


def read_mnist(name: str, folder: Path) -> PictureSet | None:
    """MNIST or Fashion-MNIST, whose files have the same names: in a folder of their own, or in `folder` itself.

    Args:
        name: `mnist` or `fashion_mnist`.
        folder: Where to look.

    Returns:
        The set, or None where there is none.

    Raises:
        InvalidData: Files that are missing or not as distributed.
    """
    for place in (*(folder / one for one in _FOLDERS[name]), folder):
        files = {
            (part, kind): _file(place, f"{prefix}-{kind}", dimensions)
            for part, prefix in _PARTS.items()
            for kind, dimensions in (("images", 3), ("labels", 1))
        }
        if not any(files.values()):
            continue
        missing = [f"{_PARTS[part]}-{kind}" for (part, kind), path in files.items() if path is None]
        if missing:
            raise InvalidData(f"{place} must hold images and labels of both parts", f"no {', '.join(missing)}")
        arrays = {key: read_idx(path) for key, path in files.items() if path is not None}
        parts = [
            pictures_from_arrays(arrays[part, "images"], arrays[part, "labels"], _CLASSES[name]) for part in _PARTS
        ]
        return PictureSet(name=name, train=parts[0], test=parts[1])
    return None
