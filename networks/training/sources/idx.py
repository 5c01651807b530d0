"""MNIST and Fashion-MNIST as distributed: IDX files, gzipped or not.

Format: LeCun, Cortes and Burges, "The MNIST database": two zero bytes, type 8 (unsigned byte), number of dimensions,
each dimension as a big-endian 32-bit number, then the bytes.
"""

from __future__ import annotations

import gzip
import hashlib
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
LABELS = {
    "a25bea736e30d166cdddb491f175f624": "mnist",
    "27ae3e4e09519cfbb04c329615203637": "mnist",
    "9018921c3c673c538a1fc5bad174d6f9": "fashion_mnist",
    "15d484375f8d13e6eb1aabb0c3f46965": "fashion_mnist",
}
"""MD5 of the unpacked label files as distributed, training and test part: all that tells the two sets apart."""


def idx_digest(array: NDArray[np.uint8]) -> str:
    """MD5 (hex) of the IDX file of an array, not gzipped."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    return hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()


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

    The labels tell one set from the other, so that neither is read as the other; files of neither are read as they are.

    Args:
        name: `mnist` or `fashion_mnist`.
        folder: Where to look.

    Returns:
        The set, or None where there is none.

    Raises:
        InvalidData: Files that are missing, not as distributed, or those of the other set.
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
        for part in _PARTS:
            _check_set(name, place, LABELS.get(idx_digest(arrays[part, "labels"])))
        parts = [
            pictures_from_arrays(arrays[part, "images"], arrays[part, "labels"], _CLASSES[name]) for part in _PARTS
        ]
        return PictureSet(name=name, train=parts[0], test=parts[1])
    return None


def _check_set(name: str, place: Path, found: str | None) -> None:
    """Refuse files that are known as those of the other set; `found` is None where they are not known."""
    if found is not None and found != name:
        raise InvalidData(
            f"the IDX files in {place} must be those of {name}",
            f"the labels of {found}, whose files have the same names",
            f"Keep each set in a folder of its own, {_FOLDERS[name][0]!r} and {_FOLDERS[found][0]!r}.",
        )
