"""Store: files under the SHA-256 of their content, in a folder that all processes share.

A file is written under a temporary name, brought to the disk, and renamed: under a digest there is all of it or
nothing, whoever dies meanwhile. Files are never changed, and deleted only on demand.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from design.errors import BespokeError

PIECE_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(BespokeError):
    """There is no room for a file, on the disk or within the quota."""


class Damaged(BespokeError):
    """The content under a digest has another digest: the disk or somebody changed it."""


class TooLarge(BespokeError):
    """More bytes came than may."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file in the store."""

    digest: str
    bytes: int


class Store:
    """Files by digest under one folder.

    Args:
        folder: Where; made when the first file is stored.
        quota_bytes: Most bytes of all files together.
    """

    def __init__(self, folder: Path, *, quota_bytes: float) -> None:
        self.folder, self.quota_bytes = folder, quota_bytes

    def put(self, pieces: Iterable[bytes], *, most_bytes: int | None = None) -> Stored:
        """Store content that comes in pieces.

        Raises:
            DiskFull: No room; nothing is left behind.
            TooLarge: It is longer than `most_bytes`; nothing is left behind.
        """
        with self.writing() as (file, path):
            digest, size = hashlib.sha256(), 0
            for piece in pieces:
                size += len(piece)
                if most_bytes is not None and size > most_bytes:
                    raise TooLarge(f"a file must have at most {most_bytes:,} bytes", f"more than {most_bytes:,}")
                digest.update(piece)
                _write(file, piece)
            return self._keep(file, path, digest.hexdigest(), size)

    def put_file(self, source: Path) -> Stored:
        """Store a copy of a file."""
        with source.open("rb") as opened:
            return self.put(iter(lambda: opened.read(PIECE_BYTES), b""))

    @contextmanager
    def writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A temporary file beside the stored ones, removed at the end unless it was renamed."""
        incoming = self.folder / "incoming"
        path = incoming / secrets.token_hex(16)
        with _room():
            incoming.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        try:
            yield file, path
        finally:
            with suppress(OSError):  # what could not be written cannot be flushed either
                file.close()
            path.unlink(missing_ok=True)

    def _keep(self, file: BinaryIO, path: Path, digest: str, size: int) -> Stored:
        target = self._path(digest)
        if target.exists() and target.stat().st_size == size:
            return Stored(digest=digest, bytes=size)
        held = self.used_bytes()
        if held + size > self.quota_bytes:
            quota, got = f"{self.quota_bytes:,.0f} bytes", f"{held + size:,}"
            raise DiskFull(f"all files must keep within {quota} (BESPOKE_ARTIFACT_GB)", got, "Delete jobs first.")
        with _room():
            file.flush()
            os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            _flush_folder(target.parent)
        return Stored(digest=digest, bytes=size)

    def find(self, digest: str) -> Path | None:
        """Where the content of a digest is, after a look that it is whole; None if it is not stored.

        Raises:
            Damaged: It is not what was stored.
        """
        if not _DIGEST.fullmatch(digest):
            return None
        path = self._path(digest)
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        if _digest(path, stat.st_size, stat.st_mtime_ns) != digest:
            raise Damaged("stored content must have its digest", f"another one at {digest[:12]}")
        return path

    def remove(self, digest: str) -> bool:
        """Delete the content of a digest; whether there was any."""
        if not _DIGEST.fullmatch(digest):
            return False
        try:
            self._path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def used_bytes(self) -> int:
        """Size of all stored files."""
        return sum(path.stat().st_size for path in self.folder.glob("??/*"))

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest


def _write(file: BinaryIO, piece: bytes) -> None:
    with _room():
        file.write(piece)


@contextmanager
def _room() -> Iterator[None]:
    """Errors for want of room in our words."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFull("the disk must have room for the file", os.strerror(error.errno), "Free some space.") from error


def _flush_folder(folder: Path) -> None:
    """Bring the new name itself to the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@lru_cache(maxsize=4_096)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """SHA-256 of a file as it was changed last; read once."""
    del size, changed_ns
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
