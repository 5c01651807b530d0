"""Which source holds a data set: the main way from a name or a path to pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from design.errors import UnknownName
from design.task import TASKS, Task
from networks.training.errors import InvalidData
from networks.training.pictures import PictureSet, pictures_from_arrays
from networks.training.sources.cifar import DISTRIBUTIONS, read_cifar
from networks.training.sources.idx import read_mnist
from networks.training.sources.image_folder import read_image_folder
from networks.training.sources.npz import read_arrays, read_jpeg
from networks.training.split import stratified_split

DIGITS_TEST_SHARE = 0.2
DIGITS_LEVELS = 16


def read_task(task: Task, folder: Path | None = None) -> PictureSet:
    """The data set of a built-in task.

    Args:
        task: A trainable one of `design.task`.
        folder: Holds `NAME.npz`, `NAME_train_jpeg.npz` and `NAME_test_jpeg.npz`, or the set as distributed (CIFAR
            pickles or binary records, IDX files); not needed for `digits`.

    Raises:
        UnknownName: The task has no data here.
        InvalidData: The folder does not hold it, or its files are damaged.
    """
    if task.name not in TASKS or not task.trainable:
        names = ", ".join(name for name, one in TASKS.items() if one.trainable)
        raise UnknownName(f"the data set must be one of {names}", repr(task.name), "Read your own with `read_own`.")
    if task.name == "digits":
        found: PictureSet | None = read_digits()
    elif folder is None or not folder.is_dir():
        raise InvalidData(f"{task.dataset} must be in a folder", f"{folder}")
    else:
        found = _from_folder(task.name, folder)
    if found is None:
        raise InvalidData(
            f"{folder} must hold {task.dataset}",
            "no file of it",
            f"Give {task.name}.npz, {task.name}_train_jpeg.npz with {task.name}_test_jpeg.npz, or the distribution.",
        )
    if found.train.shape != task.input_shape or len(found.train.classes) != task.classes:
        raise InvalidData(
            f"{task.dataset} must have pictures of {task.input_shape} in {task.classes} classes",
            f"{found.train.shape} in {len(found.train.classes)}",
        )
    return found


def _from_folder(name: str, folder: Path) -> PictureSet | None:
    if (folder / f"{name}.npz").is_file():
        return read_arrays(folder / f"{name}.npz", name)
    train, test = folder / f"{name}_train_jpeg.npz", folder / f"{name}_test_jpeg.npz"
    if train.is_file() and test.is_file():
        return PictureSet(name=name, train=read_jpeg(train), test=read_jpeg(test))
    return read_cifar(name, folder) if name in DISTRIBUTIONS else read_mnist(name, folder)


def read_digits() -> PictureSet:
    """The 1,797 handwritten digits of 8 x 8 that come with scikit-learn, a fifth of each class for testing."""
    raw, labels = load_digits(return_X_y=True)
    images = np.round(raw.reshape(-1, 8, 8) * 255 / DIGITS_LEVELS).astype(np.uint8)
    whole = pictures_from_arrays(images, labels.astype(np.int64), [str(digit) for digit in range(10)])
    kept, held = stratified_split(whole.labels, DIGITS_TEST_SHARE, seed=0)
    return PictureSet(name="digits", train=whole.chosen(kept), test=whole.chosen(held))


def read_own(path: Path, shape: tuple[int, int, int], *, resize: bool = False) -> PictureSet:
    """A user's own pictures: a folder of classes or an `.npz` file.

    Args:
        path: A folder (see `read_image_folder`) or a file with `x_train`, `y_train` (see `read_arrays`).
        shape: C x H x W that the network reads.
        resize: Scale pictures of a folder that have another size.

    Raises:
        InvalidData: Neither, or pictures that do not fit.
    """
    if path.is_dir():
        return read_image_folder(path, shape, resize=resize)
    if not path.is_file():
        raise InvalidData("pictures must be a folder of classes or an .npz file", f"{path}, which is neither")
    found = read_arrays(path)
    if found.train.shape != shape:
        raise InvalidData(f"the pictures of {path.name} must be {shape}", f"{found.train.shape}")
    return found
