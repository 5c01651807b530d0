"""Folders: a data set as one folder of pictures for each class, in a zip archive or on this machine."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.datasets.pictures import LONGEST_SIDE, MOST_CLASSES, InvalidDataset, Pictures, split

MOST_PICTURES = 1_000_000
MOST_PICTURE_BYTES = 50_000_000
FORMATS = ("PNG", "JPEG", "BMP", "PPM")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"})
TRAIN, TEST = "train", frozenset({"test", "val", "validation"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of a data set, not read yet.

    Attributes:
        parts: Names of the folders it is in, then its own.
    """

    parts: tuple[str, ...]
    size_bytes: int
    read: Callable[[], bytes]


def from_zip(file: BinaryIO, *, most_bytes: int) -> Pictures:
    """A data set from a zip archive of class folders. Nothing is unpacked to the disk.

    Args:
        file: The archive.
        most_bytes: Most bytes of all files, and of all pictures, unpacked.

    Raises:
        InvalidDataset: It is no such archive, or too large when unpacked.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [
                Entry(
                    parts=PurePosixPath(member.filename).parts,
                    size_bytes=member.file_size,
                    read=lambda member=member: archive.read(member),  # type: ignore[misc]
                )
                for member in archive.infolist()
                if not member.is_dir()
            ]
            return from_entries(entries, most_bytes=most_bytes)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidDataset("the file must be a whole, unencrypted zip archive", str(error)) from error


def from_folder(folder: Path, *, most_bytes: int) -> Pictures:
    """A data set from a folder of class folders; links are not followed."""
    entries = [
        Entry(parts=path.relative_to(folder).parts, size_bytes=path.stat().st_size, read=path.read_bytes)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
    ]
    return from_entries(entries, most_bytes=most_bytes)


def from_entries(entries: Iterable[Entry], *, most_bytes: int) -> Pictures:
    """A data set from files in class folders, or in class folders under `train` and `test`.

    Files that are no pictures by their name are left out. Pictures in colour make all of them so.

    Raises:
        InvalidDataset: No or too many pictures, pictures of several sizes, or one that cannot be read.
    """
    wanted = sorted((one for one in entries if _is_picture(one.parts)), key=lambda one: one.parts)
    if not wanted or len(wanted) > MOST_PICTURES:
        must = f"a data set must have 1 to {MOST_PICTURES:,} pictures ({', '.join(sorted(SUFFIXES))}) in class folders"
        raise InvalidDataset(must, f"{len(wanted):,}")
    if sum(one.size_bytes for one in wanted) > most_bytes or max(one.size_bytes for one in wanted) > MOST_PICTURE_BYTES:
        must = f"pictures must have at most {MOST_PICTURE_BYTES:,} bytes each and {most_bytes:,} together, unpacked"
        raise InvalidDataset(must, f"{sum(one.size_bytes for one in wanted):,} together")
    trunk = _trunk(wanted)
    places = [_place(one.parts[trunk:]) for one in wanted]
    classes = tuple(sorted({name for _, name in places}))
    if len(classes) > MOST_CLASSES:
        raise InvalidDataset(f"a data set must have at most {MOST_CLASSES:,} classes", f"{len(classes):,}")
    pictures = _decoded(wanted, most_bytes)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[name] for _, name in places], dtype=np.int64)
    tested = np.array([place in TEST for place, _ in places])
    if not any(place for place, _ in places):
        return split(pictures, labels, classes)
    return Pictures(
        x_train=pictures[~tested],
        y_train=labels[~tested],
        x_test=pictures[tested],
        y_test=labels[tested],
        classes=classes,
    )


def _is_picture(parts: tuple[str, ...]) -> bool:
    """By its name; what file systems leave beside pictures is none."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return bool(parts) and not hidden and PurePosixPath(parts[-1]).suffix.lower() in SUFFIXES


def _trunk(entries: list[Entry]) -> int:
    """Depth of the folders that all files share, before the classes or the splits begin."""
    depth = min(len(one.parts) for one in entries)
    shared = 0
    while shared < depth - 2 and len({one.parts[shared] for one in entries}) == 1:
        if entries[0].parts[shared].lower() in TEST | {TRAIN}:
            break
        shared += 1
    return shared


def _place(parts: tuple[str, ...]) -> tuple[str, str]:
    """The split (empty where none is named) and the class of a file."""
    if len(parts) == 3 and parts[0].lower() in TEST | {TRAIN}:
        return parts[0].lower(), parts[1]
    if len(parts) == 2 and parts[0].lower() not in TEST | {TRAIN}:
        return "", parts[0]
    must = "pictures must be in class folders, or in class folders under train and test"
    raise InvalidDataset(must, "/".join(parts)[:120])


def _decoded(entries: list[Entry], most_bytes: int) -> NDArray[np.uint8]:
    """All pictures as N x C x H x W."""
    first = _opened(entries[0])
    width, height = first.size
    modes = {"L"}
    made: NDArray[np.uint8] = np.empty((0, 3, height, width), dtype=np.uint8)
    if len(entries) * 3 * height * width > most_bytes:
        got = f"{len(entries):,} of {width} x {height}"
        raise InvalidDataset(f"pictures must have at most {most_bytes:,} bytes as pixels", got)
    made = np.empty((len(entries), 3, height, width), dtype=np.uint8)
    for number, entry in enumerate(entries):
        picture = _opened(entry)
        if picture.size != (width, height):
            got = f"{picture.size[0]} x {picture.size[1]} at {'/'.join(entry.parts)[:120]}"
            raise InvalidDataset(f"all pictures must be {width} x {height} pixels, as the first one is", got)
        modes.add("L" if picture.mode in ("1", "L", "I;16", "LA") else "RGB")
        made[number] = np.moveaxis(np.asarray(picture.convert("RGB"), dtype=np.uint8), -1, 0)
    return made if "RGB" in modes else made[:, :1]


def _opened(entry: Entry) -> Image.Image:
    """One picture, its size checked before its pixels are read."""
    where = "/".join(entry.parts)[:120]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(entry.read()), formats=FORMATS)
            if max(picture.size) > LONGEST_SIDE:
                got = f"{picture.size[0]} x {picture.size[1]} at {where}"
                raise InvalidDataset(f"sides of pictures must be at most {LONGEST_SIDE} pixels", got)
            picture.load()
            return picture
    except InvalidDataset:
        raise
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise InvalidDataset(f"every picture must be a readable {', '.join(FORMATS)} file", where) from error
