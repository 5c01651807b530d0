"""Gate: how many pieces of heavy work may run at once, and how many may wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock


class Busy(Exception):
    """Too many are waiting already."""


class Gate:
    """At most `running` inside, at most `waiting` in front of it; the next one is turned away at once.

    Attributes:
        most: Inside and in front together, each on a thread of its own.
    """

    def __init__(self, *, running: int, waiting: int) -> None:
        self._inside = BoundedSemaphore(running)
        self._lock = Lock()
        self._here = 0
        self.most = running + waiting

    @contextmanager
    def enter(self, *, wait: bool = True) -> Iterator[None]:
        """Wait for a place and hold it.

        Args:
            wait: False: only if a place is free at once.

        Raises:
            Busy: Too many are waiting, or no place is free.
        """
        with self._lock:
            if self._here >= self.most:
                raise Busy
            self._here += 1
        try:
            if not self._inside.acquire(blocking=wait):
                raise Busy
            try:
                yield
            finally:
                self._inside.release()
        finally:
            with self._lock:
                self._here -= 1
