"""Data sets: every form that is taken, and what must be refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from service.context import Optimize
from service.datasets.folders import Entry, from_entries, from_folder, from_zip
from service.datasets.pictures import ARRAYS, InvalidDataset, Pictures, from_arrays, packed
from tests.service.worker.house import House

Serve = Callable[..., TestClient]
MOST = 10_000_000
ZIP, NPZ = {"Content-Type": "application/zip"}, {"Content-Type": "application/octet-stream"}


def picture(value: int, size: tuple[int, int] = (8, 6), mode: str = "L") -> bytes:
    """A PNG of one colour, width x height."""
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, 0, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def folders(count: int = 5, root: str = "") -> dict[str, bytes]:
    return {f"{root}{name}/{n}.png": picture(n) for name in ("cat", "dog") for n in range(count)}


def npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def arrays(shape: tuple[int, ...] = (10, 6, 8)) -> dict[str, NDArray[Any]]:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    return {"images": pixels, "labels": np.arange(len(pixels)) % 2}


def read_zip(content: bytes, most: int = MOST) -> Pictures:
    return from_zip(io.BytesIO(content), most_bytes=most)


def read_npz(content: bytes, most: int = MOST) -> Pictures:
    return from_arrays(io.BytesIO(content), most_bytes=most)


@pytest.mark.parametrize("root", ["", "animals/", "a/b/"])
def test_class_folders_are_read_wherever_they_begin(root: str) -> None:
    found = read_zip(zipped(folders(root=root) | {f"{root}README": b"", f"__MACOSX/{root}cat/._0.png": b"x"}))
    assert (found.shape, found.classes, found.counts) == ((1, 6, 8), ("cat", "dog"), {"train": 8, "test": 2})
    assert found.x_train[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert found.x_test[:, 0, 0, 0].tolist() == [4, 4]
    assert found.y_test.tolist() == [0, 1]


def test_stated_splits_are_kept() -> None:
    found = read_zip(zipped(folders(3, "set/train/") | folders(1, "set/test/")))
    assert found.counts == {"train": 6, "test": 2}
    assert found.classes == ("cat", "dog")


def test_one_picture_in_colour_makes_all_of_them_so() -> None:
    files = folders() | {"cat/9.png": picture(9, mode="RGB")}
    found = read_zip(zipped(files))
    assert found.shape == (3, 6, 8)


def test_a_folder_and_a_zip_of_it_are_the_same(tmp_path: Path) -> None:
    for name, content in folders().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(picture(77))
    (tmp_path / "cat" / "link.png").symlink_to(outside)
    one, other = from_folder(tmp_path, most_bytes=MOST), read_zip(zipped(folders()))
    assert b"".join(packed(one)) == b"".join(packed(other))


@pytest.mark.parametrize("shape", [(10, 6, 8), (10, 6, 8, 1), (10, 6, 8, 3), (10, 3, 6, 8)])
def test_arrays_are_read_in_every_layout(shape: tuple[int, ...]) -> None:
    found = read_npz(npz(**arrays(shape)))
    assert found.shape == (3 if 3 in shape else 1, 6, 8)
    assert found.counts == {"train": 8, "test": 2}
    if shape == (10, 6, 8, 3):
        assert np.array_equal(found.x_train[0].transpose(1, 2, 0), arrays(shape)["images"][0])


def test_the_stored_form_is_read_again_as_it_was() -> None:
    found = read_npz(npz(**arrays()))
    content = b"".join(packed(found))
    again = read_npz(content)
    assert all(np.array_equal(getattr(found, name), getattr(again, name)) for name in ARRAYS)
    assert b"".join(packed(again)) == content


def header_bomb() -> bytes:
    """An array that promises 2^60 numbers."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"shape": (1 << 60,), "fortran_order": False, "descr": "|u1"})
    return zipped({"images.npy": member.getvalue(), "labels.npy": member.getvalue()})


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.array([{}], dtype=object), labels=np.array([0]))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "whole, unencrypted"),
        (zipped(folders())[:-40], "whole, unencrypted"),
        (zipped({"cat/0.txt": b""}), "1 to 1,000,000 pictures"),
        (zipped({"0.png": picture(0)}), "class folders"),
        (zipped({"cat/0.png": picture(0), "cat/1.png": picture(1)}), "at least 2 classes"),
        (zipped(folders() | {"cat/a/b/0.png": picture(0)}), "class folders"),
        (zipped(folders() | {"cat/9.png": b"no picture"}), "readable"),
        (zipped(folders() | {"cat/9.png": picture(0)[:-30]}), "readable"),
        (zipped(folders() | {"cat/9.png": picture(0, (6, 8))}), "8 x 6 pixels"),
        (zipped(folders() | {"cat/9.png": picture(0, (5_000, 1))}), "at most 4096"),
        (zipped({f"train/{n}": c for n, c in folders().items()}), "test must have"),
        (zipped({"cat/0.png": b"\0" * (MOST + 1), "dog/0.png": picture(0)}), "together, unpacked"),
    ],
)
def test_what_is_no_data_set_of_pictures_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(InvalidDataset, match=said):
        read_zip(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "whole, unencrypted"),
        (npz(x=np.zeros(3)), "must hold the arrays"),
        (npz(images=np.zeros((4, 2, 2)), labels=np.arange(4)), "uint8"),
        (npz(images=np.zeros((4, 2, 2, 5), np.uint8), labels=np.arange(4)), "1 or 3 channels"),
        (npz(images=np.zeros((4, 2, 2), np.uint8), labels=np.arange(3)), "a label for each"),
        (npz(images=np.zeros((4, 2, 2), np.uint8), labels=np.arange(4) - 1), "labels must be|from 0"),
        (npz(images=np.zeros((4, 2, 2), np.uint8), labels=np.arange(4) * 1.5), "whole numbers"),
        (npz(images=np.zeros((4, 2, 2), np.uint8), labels=np.arange(4) + (1 << 40)), "labels must be under"),
        (npz(images=np.zeros((MOST + 1, 1, 1), np.uint8), labels=np.zeros(3, np.int64)), "bytes unpacked"),
        (pickled(), "plain numeric"),
        (header_bomb(), "plain numeric"),
    ],
)
def test_what_is_no_data_set_of_arrays_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(InvalidDataset, match=said):
        read_npz(content)


def test_a_path_in_an_archive_never_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {f"../../{name}": content for name, content in folders().items()}
    with pytest.raises(InvalidDataset, match="1 to 1,000,000 pictures"):
        read_zip(zipped(files))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_grows_when_it_is_decoded_is_refused() -> None:
    bomb = picture(0, (4_000, 4_000))
    assert len(bomb) < 100_000
    entry = Entry(parts=("cat", "0.png"), size_bytes=len(bomb), read=lambda: bomb)
    with pytest.raises(InvalidDataset, match="as pixels"):
        from_entries([entry, entry], most_bytes=MOST)


def test_data_sets_are_registered_listed_and_used(desk: TestClient, house: House) -> None:
    content = zipped(folders(10))
    answer = desk.post("/v1/datasets?name=pets", content=content, headers=ZIP | {"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{made['id']}"
    assert (made["shape"], made["classes"], made["source"]) == ([1, 6, 8], ["cat", "dog"], "upload")
    again = desk.post("/v1/datasets?name=pets", content=content, headers=ZIP | {"Idempotency-Key": "k"})
    assert again.json() == made
    assert desk.post("/v1/datasets?name=pets", content=content, headers=ZIP).status_code == 409
    second = desk.post("/v1/datasets?name=blocks", content=npz(**arrays()), headers=NPZ)
    assert second.status_code == 201, second.text
    assert [one["name"] for one in desk.get("/v1/datasets").json()["items"]] == ["blocks", "pets"]
    assert desk.get("/v1/datasets/pets").json() == desk.get(f"/v1/datasets/{made['id']}").json() == made
    path = house.store().find(made["digest"])
    assert path is not None
    assert read_npz(path.read_bytes()).counts == made["counts"]
    design = desk.post("/v1/designs", json={"device": "raspberry-pi-4", "task": "cifar10"}).json()["id"]
    refused = desk.post("/v1/jobs", json={"design": design, "dataset": "pets"})
    assert refused.status_code == 422
    assert "classes" in refused.json()["detail"]
    pixels = np.zeros((100, 32, 32, 3), np.uint8)
    fitting = npz(images=pixels, labels=np.arange(100) % 10)
    desk.post("/v1/datasets?name=fitting", content=fitting, headers=NPZ).raise_for_status()
    job = desk.post("/v1/jobs", json={"design": design, "dataset": "fitting"}).raise_for_status().json()
    assert house.row(job["id"]).dataset == "fitting"
    assert desk.delete("/v1/datasets/fitting").status_code == 409
    desk.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    assert desk.delete("/v1/datasets/fitting").status_code == 204
    assert desk.get("/v1/datasets/fitting").status_code == 404
    desk.post("/v1/datasets?name=twin", content=content, headers=ZIP).raise_for_status()
    assert desk.delete("/v1/datasets/pets").status_code == 204
    assert house.store().find(made["digest"]) is not None, "the twin has the same pictures"
    assert desk.delete("/v1/datasets/twin").status_code == 204
    assert house.store().find(made["digest"]) is None


def test_bad_uploads_leave_nothing(desk: TestClient, house: House, serve: Serve, quick: Optimize) -> None:
    assert desk.post("/v1/datasets", content=zipped(folders()), headers=ZIP).status_code == 422
    assert desk.post("/v1/datasets?name=Up", content=zipped(folders()), headers=ZIP).status_code == 422
    answer = desk.post("/v1/datasets?name=x", content=b"nothing", headers=ZIP)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:bespoke:problem:invalid-dataset")
    assert desk.post("/v1/datasets?name=x", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert desk.post("/v1/designs", content=b"x", headers=ZIP).status_code == 415
    settings = house.settings.model_dump(exclude={"database_url", "log_level", "dataset_mb"})
    small = serve(house.settings.database_url, quick, dataset_mb=0.001, **settings)
    assert small.post("/v1/datasets?name=x", content=b"x" * 1_001, headers=ZIP).status_code == 413
    assert small.post("/v1/datasets?name=x", content=iter([b"x" * 900] * 2), headers=ZIP).status_code == 413
    assert desk.get("/v1/datasets").json()["items"] == []
    assert [*house.store().folder.rglob("*.npz")] == []


def test_only_allowed_folders_are_taken_over(house: House, serve: Serve, quick: Optimize, tmp_path: Path) -> None:
    allowed = tmp_path / "sets"
    for name, content in folders(root="pets/").items():
        (allowed / name).parent.mkdir(parents=True, exist_ok=True)
        (allowed / name).write_bytes(content)
    (allowed / "blocks.npz").write_bytes(npz(**arrays()))
    settings = house.settings.model_dump(exclude={"database_url", "log_level", "dataset_folders"})
    client = serve(house.settings.database_url, quick, dataset_folders=(allowed,), **settings)
    for folder in ("pets", "blocks.npz"):
        answer = client.post("/v1/datasets", json={"name": folder.partition(".")[0], "folder": folder})
        assert answer.status_code == 201, answer.text
        assert answer.json()["source"] == "folder"
    for folder in ("../sets/pets", "/etc", "..", "pets/cat", ""):
        answer = client.post("/v1/datasets", json={"name": "x", "folder": folder})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/folder"
    assert client.post("/v1/datasets", json={"name": "x"}).json()["errors"][0]["pointer"] == "/folder"
