"""Pictures: what a data set holds, checked, and the one form in which it is stored."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from design.errors import BespokeError

LONGEST_SIDE = 4_096
MOST_CLASSES = 100_000
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all members, so that the same pictures have the same digest."""


class InvalidDataset(BespokeError):
    """Pictures or labels that do not make a data set."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A data set for classification.

    Attributes:
        x_train: N x C x H x W, uint8; C is 1 or 3.
        y_train: N labels from 0, int64; every class occurs.
        x_test: N x C x H x W, uint8.
        y_test: N labels.
        classes: Name of each label.
    """

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            got = f"{self.x_train.shape[1:]} and {self.x_test.shape[1:]}"
            raise InvalidDataset("training and test pictures must have one shape", got)
        if len(self.classes) < 2:
            raise InvalidDataset("a data set must have at least 2 classes", str(len(self.classes)))
        for split, pictures, labels in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if len(pictures) != len(labels) or not len(labels):
                got = f"{len(pictures)} pictures and {len(labels)} labels"
                raise InvalidDataset(f"{split} must have a label for each of its pictures, and some", got)
            if labels.min() < 0 or labels.max() >= len(self.classes):
                must = f"labels must be from 0 to {len(self.classes) - 1}"
                raise InvalidDataset(must, f"{labels.min()} to {labels.max()} in {split}")
        if len(np.unique(self.y_train)) != len(self.classes):
            missing = sorted(set(range(len(self.classes))) - set(np.unique(self.y_train).tolist()))
            raise InvalidDataset("every class must have pictures to train with", f"none of class {missing[0]}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """C x H x W."""
        channels, height, width = self.x_train.shape[1:]
        return (channels, height, width)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures in each split."""
        return {"train": len(self.y_train), "test": len(self.y_test)}


class _Pieces(io.RawIOBase):
    """What an archive writes, in its order: it cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def taken(self) -> list[bytes]:
        """The pieces since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces


def split(pictures: NDArray[np.uint8], labels: NDArray[np.int64], classes: tuple[str, ...]) -> Pictures:
    """Every fifth picture of a class is for testing, where the data set does not say which are."""
    if len(pictures) != len(labels):
        got = f"{len(pictures)} pictures and {len(labels)} labels"
        raise InvalidDataset("there must be a label for each picture", got)
    held = np.zeros(len(labels), dtype=bool)
    for label in range(len(classes)):
        held[np.flatnonzero(labels == label)[4::5]] = True
    return Pictures(
        x_train=pictures[~held], y_train=labels[~held], x_test=pictures[held], y_test=labels[held], classes=classes
    )


def packed(pictures: Pictures) -> Iterator[bytes]:
    """The stored form: an uncompressed .npz of ARRAYS; the same pictures give the same bytes."""
    written = _Pieces()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in ARRAYS:
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(getattr(pictures, name)), allow_pickle=False)
            yield from written.taken()
    yield from written.taken()


def from_arrays(file: BinaryIO, *, most_bytes: int) -> Pictures:
    """A data set from an .npz of `x_train, y_train, x_test, y_test` or of `images, labels`.

    Args:
        file: The archive; pictures as N x H x W, N x H x W x C or N x C x H x W, uint8.
        most_bytes: Most bytes of all arrays together.

    Raises:
        InvalidDataset: It is no such archive, or too large when unpacked.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            names = ARRAYS if "x_train" in members else ("images", "labels")
            if not set(names) <= set(members):
                must = f"an .npz must hold the arrays {', '.join(ARRAYS)}, or images and labels"
                raise InvalidDataset(must, ", ".join(sorted(members)[:10]) or "no array")
            if sum(members[name].file_size for name in names) > most_bytes:
                raise InvalidDataset(f"arrays must have at most {most_bytes:,} bytes unpacked", "more")
            arrays = {name: _array(archive, members[name]) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InvalidDataset("the file must be a whole, unencrypted .npz archive", str(error)) from error
    labels = [_labels(arrays[name]) for name in names[1::2]]
    classes = tuple(str(label) for label in range(_classes(labels)))
    pictures = [_pictures(arrays[name]) for name in names[::2]]
    if len(pictures) == 1:
        return split(pictures[0], labels[0], classes)
    return Pictures(x_train=pictures[0], y_train=labels[0], x_test=pictures[1], y_test=labels[1], classes=classes)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[np.generic]:
    """One array; its header must promise no more than the member holds."""
    must = "every array must be a plain numeric .npy array"
    try:
        with archive.open(member) as opened:
            version = np.lib.format.read_magic(opened)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(opened)
        if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > member.file_size:
            raise InvalidDataset(must, f"{dtype} of shape {shape} in {member.file_size} bytes")
        with archive.open(member) as opened:
            found: NDArray[np.generic] = np.lib.format.read_array(opened, allow_pickle=False)
    except (ValueError, TypeError, SyntaxError) as error:
        if isinstance(error, InvalidDataset):
            raise
        raise InvalidDataset(must, str(error)[:200]) from error
    return found


def _pictures(found: NDArray[np.generic]) -> NDArray[np.uint8]:
    """As N x C x H x W."""
    if found.dtype != np.uint8 or found.ndim not in (3, 4):
        raise InvalidDataset("pictures must be a uint8 array of 3 or 4 axes", f"{found.dtype} of {found.ndim} axes")
    pictures = found[:, np.newaxis] if found.ndim == 3 else found
    if pictures.shape[1] not in (1, 3):
        pictures = np.moveaxis(pictures, -1, 1)
    if pictures.shape[1] not in (1, 3) or not 1 <= min(pictures.shape[2:]) <= max(pictures.shape[2:]) <= LONGEST_SIDE:
        must = f"pictures must have 1 or 3 channels and sides of 1 to {LONGEST_SIDE}"
        raise InvalidDataset(must, f"an array of shape {found.shape}")
    return np.ascontiguousarray(pictures, dtype=np.uint8)


def _labels(found: NDArray[np.generic]) -> NDArray[np.int64]:
    flat = found.reshape(-1)
    if not np.issubdtype(found.dtype, np.integer) or found.ndim > 2 or flat.size != len(found):
        raise InvalidDataset("labels must be whole numbers, one a picture", f"{found.dtype} of shape {found.shape}")
    return flat.astype(np.int64)


def _classes(labels: list[NDArray[np.int64]]) -> int:
    """How many there are."""
    highest = max((int(one.max()) for one in labels if one.size), default=0)
    if highest >= MOST_CLASSES:
        raise InvalidDataset(f"labels must be under {MOST_CLASSES:,}", str(highest))
    return highest + 1
