"""Rates: how many requests a key may send."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

REMEMBERED = 10_000
"""Most keys whose rate is followed at once."""


class Rates:
    """A bucket for each key: full at first, one request takes one out, and it fills up evenly.

    Args:
        per_minute: Size of a bucket, and how many flow in a minute.
        clock: Seconds.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key_id: str) -> float:
        """Take one out; 0, or how many seconds it is too early."""
        with self._lock:
            moment = self._clock()
            held, at = self._held.pop(key_id, (float(self.per_minute), moment))
            held = min(float(self.per_minute), held + (moment - at) * self.per_minute / 60.0)
            allowed = held >= 1.0
            self._held[key_id] = (held - 1.0 if allowed else held, moment)
            while len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
            return 0.0 if allowed else (1.0 - held) * 60.0 / self.per_minute
