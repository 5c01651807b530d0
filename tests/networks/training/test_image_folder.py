"""A user's own folder of pictures: read as it is, files at fault named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from networks.training.errors import InvalidData
from networks.training.pictures import PictureSet
from networks.training.sources.read import read_own


def write_folder(folder: Path, size: tuple[int, int] = (8, 8)) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            picture = random.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.png")


def test_an_image_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"x")
    found = read_own(tmp_path, (3, 8, 8))
    assert found.train.classes == ("cat", "dog")
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.test is None
    picture = np.asarray(Image.open(tmp_path / "dog" / "1.png"))
    assert np.array_equal(found.train.images[4].permute(1, 2, 0).numpy(), picture)
    assert read_own(tmp_path, (1, 8, 8)).train.shape == (1, 8, 8)


def test_an_image_folder_with_a_test_part(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test")
    found: PictureSet = read_own(tmp_path, (3, 8, 8))
    assert found.test is not None
    assert len(found.test) == 6


def test_files_at_fault_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "cat" / "note.txt").write_text("hello")
    (tmp_path / "dog" / "broken.png").write_bytes((tmp_path / "dog" / "0.png").read_bytes()[:60])
    Image.fromarray(np.zeros((5, 9, 3), dtype=np.uint8)).save(tmp_path / "dog" / "wide.png")
    with pytest.raises(InvalidData) as caught:
        read_own(tmp_path, (3, 8, 8))
    for part in ("cat/note.txt (ends in .txt)", "dog/broken.png", "dog/wide.png (5 x 9)", "let pictures be resized"):
        assert part in str(caught.value)
    (tmp_path / "cat" / "note.txt").unlink()
    (tmp_path / "dog" / "broken.png").unlink()
    assert len(read_own(tmp_path, (3, 8, 8), resize=True).train) == 7


def test_an_empty_class_and_no_classes(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="at least two classes"):
        read_own(tmp_path, (3, 8, 8))
    write_folder(tmp_path)
    (tmp_path / "bird").mkdir()
    with pytest.raises(InvalidData, match="none in 'bird'"):
        read_own(tmp_path, (3, 8, 8))
    with pytest.raises(InvalidData, match="neither"):
        read_own(tmp_path / "nowhere", (3, 8, 8))


@pytest.mark.parametrize(("kind", "suffix"), [(np.uint16, "png"), (np.int32, "tif"), (np.float32, "tif")])
def test_pictures_of_more_than_8_bits_a_value_are_refused(kind: type, suffix: str, tmp_path: Path) -> None:
    """Pillow would make nearly all of their values white."""
    write_folder(tmp_path)
    Image.fromarray(np.linspace(0, 60000, 64).reshape(8, 8).astype(kind)).save(tmp_path / "dog" / f"deep.{suffix}")
    with pytest.raises(InvalidData, match=rf"dog/deep\.{suffix} \(not 8 bits a value but mode [IF]"):
        read_own(tmp_path, (1, 8, 8), resize=True)
