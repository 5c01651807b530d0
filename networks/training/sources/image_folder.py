"""A user's own pictures: one folder for each class, or `train` and `test` folders of such."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet, pictures_from_arrays

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MAX_SIDE = 8192
WIDE_MODES = ("I", "F")
"""What Pillow calls 16 and 32 bits a value begins so; cut to 8 bits, nearly all of them would be white."""
MAX_NAMED = 5
"""Files at fault that a message names."""


def read_image_folder(folder: Path, shape: tuple[int, int, int], *, resize: bool = False) -> PictureSet:
    """Pictures from `folder/CLASS/*.png` and the like, or from `folder/train/CLASS/...` and `folder/test/CLASS/...`.

    Args:
        folder: The classes are its folders in alphabetical order; files and folders beginning with a dot are passed
            over.
        shape: C x H x W that the network reads; C of 1 makes pictures grey, 3 makes them RGB.
        resize: Scale pictures of another size (bilinear, without regard to proportions) instead of refusing them.

    Raises:
        InvalidData: No classes, an empty class, files that are not pictures or have another size; each named.
    """
    if not folder.is_dir():
        raise InvalidData("the pictures must be in a folder", f"{folder}, which is none")
    if shape[0] not in (1, 3):
        raise InvalidData("pictures must have 1 or 3 channels", f"{shape[0]}")
    train, test = folder / "train", folder / "test"
    read = [_part(place, shape, resize) for place in ((train, test) if train.is_dir() else (folder,)) if place.is_dir()]
    return PictureSet(name=folder.name, train=read[0], test=read[1] if len(read) > 1 else None)


def _part(folder: Path, shape: tuple[int, int, int], resize: bool) -> Pictures:
    classes = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if len(classes) < 2:
        raise InvalidData(f"{folder} must hold a folder for each of at least two classes", f"{len(classes)}")
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    faults: list[str] = []
    for label, name in enumerate(classes):
        files = sorted(path for path in (folder / name).iterdir() if not path.name.startswith("."))
        if not files:
            raise InvalidData(f"every class of {folder} must have pictures", f"none in {name!r}", "Remove the folder.")
        for path in files:
            try:
                images.append(_read(path, shape, resize))
                labels.append(label)
            except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                faults.append(f"{name}/{path.name} ({error})")
    if faults:
        more = f" and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
        raise InvalidData(
            f"every file under {folder} must be a picture of {shape[1]} x {shape[2]}",
            f"{'; '.join(faults[:MAX_NAMED])}{more}",
            "Remove or mend these files" + ("." if resize else ", or let pictures be resized."),
        )
    return pictures_from_arrays(np.stack(images), np.array(labels), classes)


def _read(path: Path, shape: tuple[int, int, int], resize: bool) -> NDArray[np.uint8]:
    """H x W x C of one file.

    Raises:
        ValueError: Not a picture, or one of another size.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"ends in {path.suffix or 'nothing'}")
    channels, height, width = shape
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as picture:
                if max(picture.size) > MAX_SIDE:
                    raise ValueError(f"{picture.width} wide, {picture.height} high")
                if picture.size != (width, height) and not resize:
                    raise ValueError(f"{picture.height} x {picture.width}")
                if picture.mode.startswith(WIDE_MODES):
                    raise ValueError(f"not 8 bits a value but mode {picture.mode}")
                own = picture.convert("L" if channels == 1 else "RGB")
        except Image.DecompressionBombWarning as error:
            raise ValueError(str(error)) from error
    if own.size != (width, height):
        own = own.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(own).reshape(height, width, channels)
