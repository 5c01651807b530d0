"""CIFAR-10 and CIFAR-100 as distributed: Python pickles (read without running anything) or binary records.

Format: Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the page of the data sets.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.training.errors import InvalidData
from networks.training.pictures import Pictures, PictureSet, pictures_from_arrays

SIDE = 32
PIXELS = 3 * SIDE * SIDE
_READ_ERRORS = (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError, OSError)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Where one of the two sets keeps its parts.

    Attributes:
        pickles: Folder name, training files, test files, file with the names of the classes.
        records: Folder name, training files, test files, file with the names of the classes.
        names: Key of the names of the classes in the pickled file.
        labels: Key of the labels in a pickled batch.
        label_bytes: Bytes before the pixels of a record; the last one is the label.
    """

    pickles: tuple[str, tuple[str, ...], tuple[str, ...], str]
    records: tuple[str, tuple[str, ...], tuple[str, ...], str]
    names: str
    labels: str
    label_bytes: int


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
DISTRIBUTIONS = {
    "cifar10": Distribution(
        pickles=("cifar-10-batches-py", _BATCHES, ("test_batch",), "batches.meta"),
        records=(
            "cifar-10-batches-bin",
            tuple(f"{name}.bin" for name in _BATCHES),
            ("test_batch.bin",),
            "batches.meta.txt",
        ),
        names="label_names",
        labels="labels",
        label_bytes=1,
    ),
    "cifar100": Distribution(
        pickles=("cifar-100-python", ("train",), ("test",), "meta"),
        records=("cifar-100-binary", ("train.bin",), ("test.bin",), "fine_label_names.txt"),
        names="fine_label_names",
        labels="fine_labels",
        label_bytes=2,
    ),
}


def _empty_array(kind: type, shape: tuple[int, ...], dtype: object) -> NDArray[Any]:
    """What numpy's pickles begin an array with: an empty one, filled by the state that follows."""
    if kind is not np.ndarray or tuple(shape) != (0,):
        raise pickle.UnpicklingError("arrays must begin empty")
    return np.ndarray((0,), dtype=np.int8)


def _latin1(text: str, encoding: str) -> bytes:
    """What Python 3 writes bytes with in old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads dictionaries, lists, strings, numbers and arrays; everything else a pickle may name is refused."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The five names that an array needs.

        Raises:
            UnpicklingError: Any other name.
        """
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of pictures")
        return _ALLOWED[module, name]


def _unpickle(path: Path) -> dict[str, Any]:
    """The dictionary of a pickled batch, its keys as text."""
    try:
        found = ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in found.items()}
    except _READ_ERRORS as error:
        raise InvalidData(f"{path} must be a pickled batch as CIFAR distributes it", str(error)) from error


def _pickled_part(folder: Path, files: tuple[str, ...], labels: str, classes: list[str]) -> Pictures:
    images, found = [], []
    for name in files:
        batch = _unpickle(folder / name)
        pixels = batch.get("data")
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
            raise InvalidData(f"{folder / name} must hold 'data' of N x {PIXELS} bytes", _described(pixels))
        if len(batch.get(labels, ())) != len(pixels):
            raise InvalidData(f"{folder / name} must hold {len(pixels)} {labels!r}", f"{len(batch.get(labels, ()))}")
        images.append(pixels)
        found += [int(label) for label in batch[labels]]
    return _pictures(np.concatenate(images), np.array(found), classes)


def _described(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _record_part(folder: Path, files: tuple[str, ...], label_bytes: int, classes: list[str]) -> Pictures:
    size = label_bytes + PIXELS
    batches = []
    for name in files:
        content = np.frombuffer((folder / name).read_bytes(), dtype=np.uint8)
        if not len(content) or len(content) % size:
            raise InvalidData(f"{folder / name} must be records of {size} bytes", f"{len(content)} bytes")
        batches.append(content.reshape(-1, size))
    records = np.concatenate(batches)
    return _pictures(records[:, label_bytes:], records[:, label_bytes - 1], classes)


def _pictures(pixels: NDArray[np.uint8], labels: NDArray[np.generic], classes: list[str]) -> Pictures:
    """From N x 3072 bytes, channel by channel."""
    return pictures_from_arrays(pixels.reshape(-1, 3, SIDE, SIDE), labels, classes)


def _whole(folder: Path, files: tuple[str, ...]) -> bool:
    """Whether the folder holds one of the files (then all must be there)."""
    there = [name for name in files if (folder / name).is_file()]
    if there and len(there) < len(files):
        missing = sorted(set(files) - set(there))
        raise InvalidData(f"{folder} must hold all of {', '.join(files)}", f"no {', '.join(missing)}")
    return bool(there)


def read_cifar(name: str, folder: Path) -> PictureSet | None:
    """CIFAR-10 or CIFAR-100 from the folder that holds the distribution, or from the distribution's own folder.

    Args:
        name: `cifar10` or `cifar100`.
        folder: Where to look.

    Returns:
        The set, or None where there is none.

    Raises:
        InvalidData: Files that are missing or not as distributed.
    """
    own = DISTRIBUTIONS[name]
    for place in (folder / own.pickles[0], folder):
        _, train, test, meta = own.pickles
        if _whole(place, (*train, *test, meta)):
            classes = [one.decode() if isinstance(one, bytes) else one for one in _names(place / meta, own.names)]
            parts = [_pickled_part(place, files, own.labels, classes) for files in (train, test)]
            return PictureSet(name=name, train=parts[0], test=parts[1])
    for place in (folder / own.records[0], folder):
        _, train, test, meta = own.records
        if _whole(place, (*train, *test, meta)):
            classes = (place / meta).read_text(encoding="utf-8").split()
            parts = [_record_part(place, files, own.label_bytes, classes) for files in (train, test)]
            return PictureSet(name=name, train=parts[0], test=parts[1])
    return None


def _names(path: Path, key: str) -> list[Any]:
    found = _unpickle(path).get(key)
    if not isinstance(found, list) or not found:
        raise InvalidData(f"{path} must name the classes under {key!r}", type(found).__name__)
    return found
