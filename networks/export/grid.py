"""Grid: the 256 levels that an 8-bit tensor can take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from networks.quantizers.learned_step import SMALLEST_STEP, LearnedStepActivations, limits

LEVELS = 255
SIGNED_ZERO = 128


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Values `step * (code - zero)`; codes are unsigned bytes, since runtimes have their fast kernels for those.

    Attributes:
        zero: The code of 0.
        low, high: Smallest and largest code; narrower than 0 to 255 under 8 bits.
    """

    step: float
    zero: int
    low: int = 0
    high: int = LEVELS

    @property
    def smallest(self) -> float:
        """The smallest value."""
        return self.step * (self.low - self.zero)

    @property
    def largest(self) -> float:
        """The largest value."""
        return self.step * (self.high - self.zero)

    def within(self, other: Grid) -> bool:
        """Whether all levels are levels of the other one too, under the same codes."""
        same = (self.step, self.zero) == (other.step, other.zero)
        return same and other.low <= self.low and self.high <= other.high


def grid_of(quantizer: LearnedStepActivations) -> Grid:
    """The levels of a learned step, exactly: signed ones are moved up by 128."""
    unsigned = bool(quantizer.unsigned if quantizer.known is None else quantizer.known)
    low, high = limits(quantizer.bits, unsigned=unsigned)
    zero = 0 if unsigned else SIGNED_ZERO
    return Grid(step=float(quantizer.step.detach()), zero=zero, low=low + zero, high=high + zero)


def grid_over(smallest: float, largest: float) -> Grid:
    """Levels from `smallest` to `largest`, 0 among them."""
    smallest, largest = min(smallest, 0.0), max(largest, 0.0)
    step = float(np.float32(max((largest - smallest) / LEVELS, SMALLEST_STEP)))
    return Grid(step=step, zero=min(LEVELS, max(0, round(-smallest / step))))
