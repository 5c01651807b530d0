"""Slots: a name for each worker of a host that is the same after a restart and never given twice at once."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from design.errors import BespokeError

MOST = 1_024


class SlotTaken(BespokeError):
    """Another worker of this host has the slot."""


@contextmanager
def slot(folder: Path, wanted: int | None = None) -> Iterator[str]:
    """Hold a slot of this host: `<host>-<number>`. The system frees it when the process ends, however it ends.

    Args:
        folder: Where the locks are kept.
        wanted: Number; None = the smallest that is free.

    Raises:
        SlotTaken: It is not free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    for number in range(MOST) if wanted is None else (wanted,):
        name = f"{host}-{number}"
        with (folder / f"{name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return
    raise SlotTaken(
        "the slot must be free on this host",
        f"{wanted} in use by another worker",
        "Leave out --slot to take any.",
    )
