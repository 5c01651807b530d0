"""Critical sharpness: how far a step could be stretched before it would raise the loss, by forward passes alone.

With the step d = w_after - w_before taken at the rate eta, the loss along w_before + t d is looked at for the smallest
t at which it is back at its value for t = 0. Then eta_c = t eta is the critical rate and 2 / eta_c the critical
sharpness (arXiv 2601.16979). On a quadratic it is d'Hd / -g'd, times 1 / eta: at most the largest eigenvalue for plain
descent, and equal to it where the step lies along its vector, as it does at the edge of stability. The step itself
holds momentum and preconditioner, so 1 / t compares with 1 whatever the rule.

No derivative is taken: it holds for networks of any bits as they are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from networks.quantize import clip_latent_
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.surrogate import Statistics, quiet_copy

FORWARD_ONLY = "critical sharpness of the latent weights, by forward passes of the network as it computes"
LONGEST, SHORTEST = 2.0**12, 2.0**-12
FACTOR, APART = 4.0, 1.03
Outcome = Literal["found", "never rises", "rises at once", "no number"]


@dataclass(frozen=True, kw_only=True)
class CriticalStep:
    """Where along a step the loss is back at its beginning.

    Attributes:
        outcome: Whether there is such a place; `rises at once`: the shortest stretch tried raises the loss already, as
            the steps of small batches do near a minimum; `never rises`: not even the longest one does; `no number`:
            there is no loss to begin with.
        stretch: In steps, over 1 where the step could be longer; None unless found.
        low: The longest stretch seen that does not raise the loss (0 = none).
        high: The shortest that does (infinite = none).
        loss: At the beginning of the step.
        forwards: Evaluations of the loss.
    """

    outcome: Outcome
    stretch: float | None
    low: float
    high: float
    loss: float
    forwards: int

    def sharpness(self, rate: float) -> float | None:
        """2 over the critical rate, for the rate that the step was taken at."""
        return None if self.stretch is None else 2 / (self.stretch * rate)


def find_critical(
    loss_at: Callable[[float], float], *, start: float = 1.0, most: int = 6, near: float = 1.1
) -> CriticalStep:
    """The smallest stretch at which a loss is back at its value for 0, from few evaluations.

    (loss(t) - loss(0)) / t is a straight line in t on a quadratic, so its zero is sought by secants between brackets:
    exact there with four evaluations.

    Args:
        loss_at: Loss over the stretch.
        start: First guess.
        most: Evaluations.
        near: Ratio of the brackets that is good enough.
    """
    begin = loss_at(0.0)
    if not math.isfinite(begin):
        return CriticalStep(outcome="no number", stretch=None, low=0.0, high=math.inf, loss=begin, forwards=1)
    forwards = 1
    seen: list[tuple[float, float]] = []
    low, high, at = 0.0, math.inf, min(max(start, SHORTEST), LONGEST)
    while forwards < most or (not seen):
        slope = _slope(loss_at(at), begin, at)
        forwards += 1
        seen.append((at, slope))
        low, high = (low, min(high, at)) if slope > 0 else (max(low, at), high)
        if low > high:
            low = max((t for t, s in seen if s <= 0 and t < high), default=0.0)
        if (low and high / low <= near) or low >= LONGEST or high <= SHORTEST:
            break
        at = _next(seen, low, high)
    if not low or math.isinf(high):
        outcome: Outcome = "never rises" if math.isinf(high) else "rises at once"
        return CriticalStep(outcome=outcome, stretch=None, low=low, high=high, loss=begin, forwards=forwards)
    ends = dict(seen)
    found = _zero(low, ends[low], high, ends[high])
    return CriticalStep(outcome="found", stretch=found, low=low, high=high, loss=begin, forwards=forwards)


def measure_critical(
    module: nn.Module,
    before: Sequence[Tensor],
    probe: Probe,
    *,
    statistics: Statistics = Statistics.BATCH,
    start: float = 1.0,
    most: int = 6,
) -> CriticalStep:
    """The critical stretch of a step that has just been taken; the network is copied, not touched.

    Args:
        module: After the step, latent weights clipped.
        before: What its trained parameters were before, in their order.
        probe: Examples and loss.
        statistics: What batch norms use.
        start: First guess, as the last one was.
        most: Evaluations of the loss.
    """
    own, _ = quiet_copy(module, statistics)
    moved = [one for one in own.parameters() if one.requires_grad]
    after = [one.detach().clone() for one in moved]

    def loss_at(stretch: float) -> float:
        with torch.no_grad():
            for one, old, new in zip(moved, before, after, strict=True):
                one.copy_(torch.lerp(old.to(new.dtype), new, stretch))
            clip_latent_(own)
        return probe.value(own)

    return find_critical(loss_at, start=start, most=most)


def _slope(loss: float, begin: float, at: float) -> float:
    """A loss that is no number has risen."""
    return (loss - begin) / at if math.isfinite(loss) else math.inf


def _next(seen: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """Where to look next: the zero of the line through what is known, a little beyond it, and kept off the brackets."""
    ends = dict(seen)
    if low and math.isfinite(high):
        guess = _zero(low, ends[low], high, ends[high])
        return min(max(guess, low * APART), high / APART) if high / low > APART**2 else math.sqrt(low * high)
    edge = low or high
    known = [one for one in seen[-2:] if math.isfinite(one[1])]
    if len(known) == 2:
        (one, first), (other, second) = known
        rise = (second - first) / (other - one)
        guess = (other - second / rise) * (APART if low else 1 / APART) if rise > 0 else 0.0
        if (edge < guess <= edge * FACTOR**3) if low else (edge / FACTOR**3 <= guess < edge):
            return guess
    return min(edge * FACTOR, LONGEST) if low else max(edge / FACTOR, SHORTEST)


def _zero(low: float, below: float, high: float, above: float) -> float:
    """Zero of the line between a place where it is not over 0 and one where it is."""
    if not math.isfinite(above):
        return math.sqrt(low * high)
    return low + (high - low) * (-below) / (above - below) if above > below else math.sqrt(low * high)
