"""The learning rate of every step: a linear warm-up, then half a cosine (Loshchilov and Hutter, arXiv 1608.03983)."""

from __future__ import annotations

import math


def learning_rate(step: int, *, steps: int, warmup: int, peak: float) -> float:
    """The rate of one step.

    Args:
        step: From 0.
        steps: All of them.
        warmup: Steps of the rise; the peak is reached with the last of them.
        peak: Largest rate.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
