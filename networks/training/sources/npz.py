"""Pictures in `.npz` files: plain arrays (`x_train`, `y_train`, ...), or JPEG files end to end."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet, pictures_from_arrays

MAX_BYTES = 8 << 30
"""Unpacked size of an archive that is still read."""
ARRAYS = ("x_train", "y_train", "x_test", "y_test", "classes")
Arrays = dict[str, NDArray[np.generic]]
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def _load(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Arrays:
    """The named arrays of an archive, without unpickling."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise InvalidData(f"{path.name} must unpack to at most {MAX_BYTES >> 30} GiB", f"{size >> 30} GiB")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in needed if name not in file.files]
            if missing:
                raise InvalidData(f"{path.name} must have the arrays {', '.join(needed)}", f"no {', '.join(missing)}")
            return {name: file[name] for name in (*needed, *optional) if name in file.files}
    except (*_DAMAGED, OSError, EOFError, RuntimeError, MemoryError) as error:  # encrypted, absurd shapes
        raise InvalidData(f"{path} must be a readable .npz archive", str(error)) from error
    except InvalidData:
        raise
    except ValueError as error:  # numpy's answer to pickled objects and to damaged headers
        raise InvalidData(f"{path} must hold plain arrays", str(error)) from error


def read_arrays(path: Path, name: str | None = None) -> PictureSet:
    """A set from `x_train`, `y_train` and, where there, `x_test`, `y_test` and `classes`.

    Raises:
        InvalidData: Not such a file.
    """
    arrays = _load(path, ARRAYS[:2], ARRAYS[2:])
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise InvalidData(f"{path.name} must have both x_test and y_test or neither", "one of them")
    parts = ["train", "test"] if "x_test" in arrays else ["train"]
    if "classes" in arrays:
        classes = _names(arrays["classes"])
    else:
        classes = [str(number) for number in range(_number_of_classes(arrays, parts))]
    read = {part: pictures_from_arrays(arrays[f"x_{part}"], arrays[f"y_{part}"], classes) for part in parts}
    return PictureSet(name=name or path.stem, train=read["train"], test=read.get("test"))


def read_jpeg(path: Path) -> Pictures:
    """Pictures from `jpeg` (all JPEG files end to end, uint8), `offsets` (N + 1), `labels` (N) and `classes`.

    Raises:
        InvalidData: Not such a file, or a picture that cannot be read (its number is named) or differs in size.
    """
    arrays = _load(path, ("jpeg", "offsets", "labels", "classes"))
    stream, offsets, labels = arrays["jpeg"], arrays["offsets"], arrays["labels"]
    if stream.dtype != np.uint8 or offsets.shape != (len(labels) + 1,):
        raise InvalidData(
            f"{path.name} must hold uint8 bytes and one offset more than labels", f"{stream.dtype}, {offsets.shape}"
        )
    images: NDArray[np.uint8] | None = None
    for number in range(len(labels)):
        picture = _decode(stream[int(offsets[number]) : int(offsets[number + 1])].tobytes(), path, number)
        if images is None:
            images = np.empty((len(labels), *picture.shape), dtype=np.uint8)
        if picture.shape != images.shape[1:]:
            raise InvalidData(
                f"all pictures of {path.name} must be {images.shape[1:]}", f"{picture.shape} at number {number}"
            )
        images[number] = picture
    if images is None:
        raise InvalidData(f"{path.name} must hold at least one picture", "none")
    return pictures_from_arrays(images, labels, _names(arrays["classes"]))


def _names(classes: NDArray[np.generic]) -> list[str]:
    """The names of the classes, of text or bytes."""
    return [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in classes.ravel().tolist()]


def _number_of_classes(arrays: Arrays, parts: list[str]) -> int:
    """One more than the largest label, of classes without names.

    Raises:
        InvalidData: Labels that are no integers, or of more classes than there are pictures to train on.
    """
    labels = [arrays[f"y_{part}"] for part in parts]
    for own in labels:
        if not np.issubdtype(own.dtype, np.integer):
            raise InvalidData(
                "labels must be integers", str(own.dtype), "Number classes from 0; name them in `classes`."
            )
    largest = max((int(own.max()) for own in labels if own.size), default=0)
    pictures = arrays["y_train"].size
    if largest >= max(pictures, 1):
        raise InvalidData(
            f"labels must be under {pictures}, the number of training pictures",
            f"{largest}",
            "Number the classes from 0; each must have pictures to train on.",
        )
    return largest + 1


def _decode(content: bytes, path: Path, number: int) -> NDArray[np.uint8]:
    """H x W x C (RGB) or H x W (grey) of one JPEG file."""
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidData(f"picture {number} of {path.name} must be a whole JPEG file", str(error)) from error
