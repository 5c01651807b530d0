"""Cadence: when a reading is due, so that watching stays within its share of the time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

WARM_UP = 3
"""Steps of this process before the first reading: they tell how long a step takes."""
KEPT = 32


class Cadence:
    """Weighs the time of readings against that of training.

    Args:
        share: Of the time of training.
        every: Fixed distance instead.
        most: Readings of a whole run.
        steps: Of the whole run.
        clock: Seconds.
    """

    def __init__(
        self,
        *,
        share: float,
        every: int | None,
        most: int,
        steps: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.share, self.every, self.steps, self.clock = share, every, steps, clock
        self.least = max(steps // most, 1)
        self.spent = 0.0
        self.trained = 0.0
        self._seen = 0
        self._costs: list[float] = []
        self._times: list[float] = []
        self._last: int | None = None
        self._mark = clock()

    def due(self, step: int) -> bool:
        """Whether to read at this step; called at every step, outside readings."""
        now = self.clock()
        if self._seen:
            self.trained += now - self._mark
            self._times = [*self._times[1 - KEPT :], now - self._mark]
        self._mark = now
        self._seen += 1
        if self.every is not None:
            return step % self.every == 0
        if self._last is None:
            return self._seen > WARM_UP
        if step - self._last < self.least:
            return False
        return self.spent + self.expected_cost <= self.share * self.trained

    @property
    def expected_cost(self) -> float:
        """Of the next reading, in seconds."""
        return statistics.median(self._costs[-5:]) if len(self._costs) > 1 else min(self._costs, default=0.0) / 2

    def done(self, step: int, seconds: float) -> None:
        """A reading of this step has taken so long."""
        self._last = step
        self._costs.append(seconds)
        self.charge(seconds)

    def charge(self, seconds: float) -> None:
        """Something else has taken time that is not training."""
        self.spent += seconds
        self._mark = self.clock()

    def allowance(self, step: int) -> float:
        """Seconds that may still be spent until the end of the run, as far as this process' speed tells."""
        if self.every is not None:
            return float("inf")
        typical = statistics.median(self._times) if self._times else 0.0
        return self.share * (self.trained + typical * max(self.steps - step, 0)) - self.spent

    @property
    def overhead(self) -> float:
        """Time of readings over that of training so far."""
        return self.spent / self.trained if self.trained else 0.0
