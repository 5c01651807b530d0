"""Logs of jobs: what the trainers wrote on standard error, bounded, one file for each step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 1 << 20
"""Most bytes kept of one step: when they are reached, the older half goes."""
_SAFE = re.compile(r"[^a-z0-9_-]+")


class StepLog:
    """Appends to the log of one step; never raises for want of room."""

    def __init__(self, folder: Path, number: int, step: str, *, most_bytes: int = MOST_BYTES) -> None:
        self.path = folder / f"{number:02d}-{_SAFE.sub('-', step.lower())}.log"
        self.most_bytes = most_bytes

    def write(self, piece: bytes) -> None:
        """Add to it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(piece)
                size = file.tell()
            if size > self.most_bytes:
                self._halve()
        except OSError:
            pass  # a log is no reason to stop a job

    def _halve(self) -> None:
        kept = self.path.read_bytes()[-self.most_bytes // 2 :]
        temporary = self.path.with_suffix(".part")
        temporary.write_bytes(b"[older lines are gone]\n" + kept.partition(b"\n")[2])
        temporary.replace(self.path)


def read_logs(folder: Path) -> Iterator[bytes]:
    """All logs of a job in the order of its steps, each under its name."""
    for path in sorted(folder.glob("*.log")):
        yield f"== {path.stem}\n".encode()
        yield path.read_bytes()
