"""Every format gives the pictures that were written; damaged files are named and nothing in them is run."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from design.errors import UnknownName
from design.task import find_task
from networks.training.errors import InvalidData
from networks.training.pictures import Pictures
from networks.training.sources.idx import LABELS
from networks.training.sources.read import read_digits, read_own, read_task

CIFAR10, CIFAR100, MNIST, FASHION = (find_task(name) for name in ("cifar10", "cifar100", "mnist", "fashion_mnist"))
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def some(number: int, shape: tuple[int, ...], classes: int, seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (number, *shape), dtype=np.uint8), np.arange(number) % classes


def holds(pictures: Pictures | None, arrays: Arrays) -> bool:
    assert pictures is not None
    images, labels = arrays
    last = images[..., None] if images.ndim == 3 else images
    return np.array_equal(pictures.images.permute(0, 2, 3, 1).numpy(), last) and pictures.labels.tolist() == list(
        labels
    )


def write_pickles(folder: Path, train: list[Arrays], test: Arrays, protocol: int, names: tuple[str, str, str]) -> None:
    """As CIFAR-10 and CIFAR-100 distribute them; `names` are folder, key of labels, key of class names."""
    place = folder / names[0]
    place.mkdir()
    ten = names[0] == "cifar-10-batches-py"
    files = [f"data_batch_{number}" for number in range(1, 6)] if ten else ["train"]
    for file, (images, labels) in zip([*files, "test_batch" if ten else "test"], [*train, test], strict=True):
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        content = {"data": rows, names[1]: [int(one) for one in labels], "filenames": ["x"] * len(labels)}
        (place / file).write_bytes(pickle.dumps(content, protocol=protocol))
    classes = {names[2]: [f"class {number}" for number in range(10 if ten else 100)]}
    (place / ("batches.meta" if ten else "meta")).write_bytes(pickle.dumps(classes, protocol=protocol))


CIFAR10_NAMES = ("cifar-10-batches-py", "labels", "label_names")


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_pickles(tmp_path: Path, protocol: int) -> None:
    train, test = [some(10, (32, 32, 3), 10, seed) for seed in range(5)], some(10, (32, 32, 3), 10, 9)
    write_pickles(tmp_path, train, test, protocol, CIFAR10_NAMES)
    for folder in (tmp_path, tmp_path / CIFAR10_NAMES[0]):
        found = read_task(CIFAR10, folder)
        whole = (np.concatenate([one[0] for one in train]), np.concatenate([one[1] for one in train]))
        assert holds(found.train, whole)
        assert holds(found.test, test)
        assert found.train.classes[3] == "class 3"


def test_cifar100_pickles(tmp_path: Path) -> None:
    train, test = some(100, (32, 32, 3), 100), some(100, (32, 32, 3), 100, 1)
    write_pickles(tmp_path, [train], test, 2, ("cifar-100-python", "fine_labels", "fine_label_names"))
    found = read_task(CIFAR100, tmp_path)
    assert holds(found.train, train)
    assert holds(found.test, test)


def test_pickles_of_python_2_with_byte_keys(tmp_path: Path) -> None:
    arrays = some(10, (32, 32, 3), 10)
    write_pickles(tmp_path, [arrays] * 5, arrays, 2, CIFAR10_NAMES)
    batch = tmp_path / CIFAR10_NAMES[0] / "data_batch_1"
    content = pickle.loads(batch.read_bytes())
    batch.write_bytes(pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2))
    assert len(read_task(CIFAR10, tmp_path).train) == 50


class Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02}",
        pickle.dumps([1, 2]),
        pickle.dumps({"data": np.zeros((10, 3072), dtype=np.float64), "labels": [0] * 10}),
        pickle.dumps({"data": np.zeros((10, 3072), dtype=np.uint8), "labels": [0] * 9}),
        pickle.dumps({"data": np.zeros((10, 3071), dtype=np.uint8), "labels": [0] * 10}),
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000\ntS'b'\ntR.",
        b"c_codecs\nencode\n(Vabc\nVzip\ntR.",
        b"cbuiltins\neval\n(Vprint(1)\ntR.",
    ],
)
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    arrays = some(10, (32, 32, 3), 10)
    write_pickles(tmp_path, [arrays] * 5, arrays, 2, CIFAR10_NAMES)
    (tmp_path / CIFAR10_NAMES[0] / "data_batch_3").write_bytes(content)
    with pytest.raises(InvalidData, match="data_batch_3"):
        read_task(CIFAR10, tmp_path)


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    arrays = some(10, (32, 32, 3), 10)
    write_pickles(tmp_path, [arrays] * 5, arrays, 2, CIFAR10_NAMES)
    target = tmp_path / "ran"
    (tmp_path / CIFAR10_NAMES[0] / "data_batch_3").write_bytes(pickle.dumps(Harmful(target)))
    with pytest.raises(InvalidData, match="not allowed"):
        read_task(CIFAR10, tmp_path)
    assert not target.exists()


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    arrays = some(10, (32, 32, 3), 10)
    write_pickles(tmp_path, [arrays] * 5, arrays, 2, CIFAR10_NAMES)
    (tmp_path / CIFAR10_NAMES[0] / "data_batch_4").unlink()
    with pytest.raises(InvalidData, match="no data_batch_4"):
        read_task(CIFAR10, tmp_path)


def records(arrays: Arrays, label_bytes: int) -> bytes:
    images, labels = arrays
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    before = np.zeros((len(images), label_bytes - 1), dtype=np.uint8)
    return np.concatenate([before, labels[:, None].astype(np.uint8), rows], axis=1).tobytes()


def test_cifar_binary_records(tmp_path: Path) -> None:
    ten, hundred = tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-100-binary"
    ten.mkdir()
    hundred.mkdir()
    arrays, more = some(10, (32, 32, 3), 10), some(100, (32, 32, 3), 100)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        (ten / name).write_bytes(records(arrays, 1))
    (ten / "batches.meta.txt").write_text("\n".join(f"class{number}" for number in range(10)) + "\n\n")
    for name in ("train.bin", "test.bin"):
        (hundred / name).write_bytes(records(more, 2))
    (hundred / "fine_label_names.txt").write_text("\n".join(f"class{number}" for number in range(100)))
    assert holds(read_task(CIFAR10, tmp_path).test, arrays)
    assert len(read_task(CIFAR10, tmp_path).train) == 50
    assert holds(read_task(CIFAR100, tmp_path).train, more)
    (ten / "test_batch.bin").write_bytes(records(arrays, 1)[:-1])
    with pytest.raises(InvalidData, match="records of 3073 bytes"):
        read_task(CIFAR10, tmp_path)


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, train: Arrays, test: Arrays, *, zipped: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, (images, labels) in (("train", train), ("t10k", test)):
        for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            content = idx(array)
            path = folder / f"{prefix}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files(tmp_path: Path, zipped: bool) -> None:
    train, test = some(20, (28, 28), 10), some(10, (28, 28), 10, 1)
    write_idx(tmp_path / "FashionMNIST" / "raw", train, test, zipped=zipped)
    write_idx(tmp_path, test, test, zipped=zipped)
    found = read_task(FASHION, tmp_path)
    assert holds(found.train, train)
    assert holds(found.test, test)
    assert found.train.classes[0] == "T-shirt/top"
    assert holds(read_task(MNIST, tmp_path).train, test)


@pytest.mark.parametrize("part", [0, 1])
def test_one_set_is_not_read_as_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    arrays = some(20, (28, 28), 10), some(10, (28, 28), 10, 1)
    write_idx(tmp_path, *arrays, zipped=part == 0)
    assert all(holds(read_task(task, tmp_path).train, arrays[0]) for task in (MNIST, FASHION))  # known as neither
    digest = hashlib.md5(idx(arrays[part][1].astype(np.uint8)), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(LABELS, digest, "fashion_mnist")
    assert holds(read_task(FASHION, tmp_path).train, arrays[0])
    with pytest.raises(InvalidData, match=r"must be those of mnist.*labels of fashion_mnist.*'mnist' and 'fashion_m"):
        read_task(MNIST, tmp_path)
    monkeypatch.setitem(LABELS, digest, "mnist")
    with pytest.raises(InvalidData, match="must be those of fashion_mnist"):
        read_task(FASHION, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08", b"\x00\x00\x0d\x01\x00\x00\x00\x01x", idx(np.zeros((9, 5), np.uint8))[:-1]]
)
def test_damaged_idx_files(tmp_path: Path, content: bytes) -> None:
    arrays = some(10, (28, 28), 10)
    write_idx(tmp_path, arrays, arrays, zipped=False)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InvalidData, match="t10k-images"):
        read_task(MNIST, tmp_path)


def test_damaged_gzip_and_missing_part(tmp_path: Path) -> None:
    arrays = some(10, (28, 28), 10)
    write_idx(tmp_path, arrays, arrays, zipped=True)
    whole = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match="readable IDX"):
        read_task(MNIST, tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(InvalidData, match="no train-images"):
        read_task(MNIST, tmp_path)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG")
    return stream.getvalue()


def write_jpeg(path: Path, files: list[bytes], labels: NDArray[np.int64]) -> None:
    offsets = np.cumsum([0, *(len(one) for one in files)])
    stream = np.frombuffer(b"".join(files), dtype=np.uint8)
    classes = np.array([f"class {number}" for number in range(10)])
    np.savez(path, jpeg=stream, offsets=offsets, labels=labels, classes=classes)


def test_jpeg_archives(tmp_path: Path) -> None:
    images, labels = some(20, (32, 32, 3), 10)
    files = [jpeg(one) for one in images]
    for part in ("train", "test"):
        write_jpeg(tmp_path / f"cifar10_{part}_jpeg.npz", files, labels)
    found = read_task(CIFAR10, tmp_path)
    decoded = np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in files])
    assert holds(found.train, (decoded, labels))
    files[7] = files[7][:100]
    write_jpeg(tmp_path / "cifar10_test_jpeg.npz", files, labels)
    with pytest.raises(InvalidData, match=r"picture 7 of cifar10_test_jpeg\.npz"):
        read_task(CIFAR10, tmp_path)
    files[7] = jpeg(np.zeros((31, 32, 3), dtype=np.uint8))
    write_jpeg(tmp_path / "cifar10_test_jpeg.npz", files, labels)
    with pytest.raises(InvalidData, match="at number 7"):
        read_task(CIFAR10, tmp_path)


def test_array_archives(tmp_path: Path) -> None:
    (x, y), path = some(20, (28, 28), 10), tmp_path / "mnist.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:10], y_test=y[:10], classes=np.array([f"c{n}" for n in range(10)]))
    assert holds(read_task(MNIST, tmp_path).train, (x, y))
    own = read_own(path, (1, 28, 28))
    assert holds(own.test, (x[:10], y[:10]))
    assert own.train.classes[2] == "c2"
    with pytest.raises(InvalidData, match=r"must be \(1, 8, 8\)"):
        read_own(path, (1, 8, 8))
    np.savez(path, x_train=x, y_train=y)
    assert read_own(path, (1, 28, 28)).test is None
    np.savez(path, x_train=x, y_train=y, x_test=x)
    with pytest.raises(InvalidData, match="both x_test and y_test"):
        read_own(path, (1, 28, 28))
    np.savez(path, x_train=x)
    with pytest.raises(InvalidData, match="no y_train"):
        read_own(path, (1, 28, 28))
    np.savez(path, x_train=x, y_train=np.array([{"a": 1}] * 20, dtype=object))
    with pytest.raises(InvalidData, match="plain arrays"):
        read_own(path, (1, 28, 28))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InvalidData, match="readable"):
        read_own(path, (1, 28, 28))


def test_digits_are_built_in() -> None:
    found = read_digits()
    assert found.test is not None
    assert len(found.train) + len(found.test) == 1797
    assert found.train.shape == find_task("digits").input_shape
    assert int(found.train.images.max()) == 255


def test_a_folder_without_the_set_and_a_task_without_data(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"Give cifar10\.npz"):
        read_task(CIFAR10, tmp_path)
    with pytest.raises(InvalidData, match="must be in a folder"):
        read_task(CIFAR10, tmp_path / "nowhere")
    with pytest.raises(UnknownName, match="cifar10, cifar100"):
        read_task(find_task("imagenet"), tmp_path)
