"""The artefact store: all of a file or nothing, whatever goes wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.artifacts import store as storing
from service.artifacts.store import Damaged, DiskFull, Store, TooLarge


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts", quota_bytes=1_000)


def files(store: Store) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_content_is_found_under_its_digest(store: Store) -> None:
    content = [b"one ", b"two"]
    stored = store.put(content)
    assert stored.digest == hashlib.sha256(b"one two").hexdigest()
    assert stored.bytes == 7
    path = store.find(stored.digest)
    assert path is not None
    assert path.read_bytes() == b"one two"
    assert files(store) == [path]


def test_the_same_content_is_stored_once(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 600)
    assert store.put_file(file) == store.put([b"x" * 600]), "a second copy would break the quota"
    assert len(files(store)) == 1


@pytest.mark.parametrize("digest", ["", "0" * 64, "0" * 63, "../" * 21 + "x", "A" * 64])
def test_what_is_no_digest_of_ours_is_not_found(store: Store, digest: str) -> None:
    store.put([b"x"])
    assert store.find(digest) is None
    assert not store.remove(digest)


def test_removed_content_is_gone(store: Store) -> None:
    stored = store.put([b"x"])
    assert store.remove(stored.digest)
    assert store.find(stored.digest) is None
    assert store.used_bytes() == 0


def test_changed_content_is_not_handed_out(store: Store) -> None:
    stored = store.put([b"right"])
    path = store.find(stored.digest)
    assert path is not None
    path.write_bytes(b"wrong")
    with pytest.raises(Damaged):
        store.find(stored.digest)


def test_the_quota_is_kept(store: Store) -> None:
    kept = store.put([b"x" * 900])
    with pytest.raises(DiskFull, match="BESPOKE_ARTIFACT_GB"):
        store.put([b"y" * 200])
    assert files(store) == [store.find(kept.digest)]
    with pytest.raises(TooLarge):
        store.put([b"z" * 60], most_bytes=50)
    assert len(files(store)) == 1


@pytest.mark.parametrize("place", ["write", "fsync", "rename", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    """Wherever the disk turns out to be full, the content is not there and no part of it is."""
    store.put([b"before"])

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if place == "write":
        monkeypatch.setattr(storing, "_write", lambda file, piece: _full_write(full))
    elif place == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif place == "rename":
        monkeypatch.setattr(Path, "rename", full)
    else:
        monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(DiskFull):
        store.put([b"after"])
    monkeypatch.undo()
    assert len(files(store)) == 1
    assert store.put([b"after"]).bytes == 5


def _full_write(full: object) -> None:
    with storing._room():
        assert callable(full)
        full()


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """`/dev/full` behaves like a disk without room."""
    with open("/dev/full", "wb") as file, pytest.raises(DiskFull):
        storing._write(file, b"x" * (1 << 20))


def test_other_faults_are_not_called_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(PermissionError):
        store.put([b"x"])


def test_writers_at_once_do_not_meet(store: Store) -> None:
    start = threading.Barrier(8)

    def pieces() -> Iterator[bytes]:
        start.wait()
        for _ in range(50):
            yield b"x"

    threads = [threading.Thread(target=lambda: store.put(pieces())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = files(store)
    assert path.read_bytes() == b"x" * 50
