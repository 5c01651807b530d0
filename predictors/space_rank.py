"""SpaceRank: how alike two devices rank the designs of one space, and what that says to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from predictors.monotonicity import Monotonicity, Verdict
from predictors.proxy_front import EquivalentLimit
from predictors.roofline import Bound

Basis = Literal["predicted", "measured"]
_BOUND_WORDS: dict[Bound, str] = {
    "compute": "arithmetic",
    "memory": "memory traffic",
    "overhead": "the fixed time per layer",
    "none": "nothing",
}


@dataclass(frozen=True, kw_only=True)
class SpaceRank:
    """How alike two devices rank the designs of one space.

    Attributes:
        rank: Correlation with its interval over designs; of predictions where the basis is `predicted`.
        expected: What measuring both devices would show, by the errors of such predictions in the past; the same as
            `rank` where it was measured. The verdict is its.
        reuse_chance: Chance that the measured correlation is 0.9 or more.
        limit: The target's latency limit in milliseconds of the proxy, if one was asked for.
    """

    space: str
    basis: Basis
    rank: Monotonicity
    expected: Monotonicity
    reuse_chance: float
    limit: EquivalentLimit | None

    @property
    def verdict(self) -> Verdict:
        """Of the interval that counts errors of predictions."""
        return self.expected.verdict


def weakest(spaces: Sequence[SpaceRank]) -> SpaceRank:
    """The one with the lowest lower end, of those measured if there are any."""
    measured = [one for one in spaces if one.basis == "measured"]
    return min(measured or spaces, key=lambda one: (one.expected.low, one.rank.rho))


def bounds_sentence(name: str, own: dict[Bound, float], other: dict[Bound, float]) -> str:
    """Which resource bounds both devices, or that different ones do."""
    first, second = max(own, key=lambda bound: own[bound]), max(other, key=lambda bound: other[bound])
    if first == second:
        word = _BOUND_WORDS[first]
        return f"Both are limited by {word}: {own[first]:.0%} of the predicted time here, {other[first]:.0%} there."
    return (
        f"They are limited by different things: this device by {_BOUND_WORDS[first]} ({own[first]:.0%} of the "
        f"predicted time), {name} by {_BOUND_WORDS[second]} ({other[second]:.0%}), so designs may change places."
    )


def rank_sentence(one: SpaceRank, alike: bool) -> str:
    """The correlation of one space, and what it rests on."""
    rank = f"{one.rank.rho:.3f} ({one.rank.low:.3f} to {one.rank.high:.3f}) over {one.rank.designs} designs"
    if one.basis == "measured":
        return f"Measured rank correlation in {one.space}: {rank}."
    if alike:
        return "No prediction tells them apart, and no measurement was compared."
    return (
        f"Predictions for both rank {one.space} alike by {rank}; this is a prediction, not a measurement: measuring "
        f"would show {one.expected.low:.2f} to {one.expected.high:.2f}, 0.9 or more with a chance of "
        f"{one.reuse_chance:.0%}."
    )


VERDICT_SENTENCES: dict[Verdict, str] = {
    "reuse": "Its fronts may be reused: search along them for the member that keeps the limit.",
    "adapt": "Do not reuse its fronts unseen: measure some designs and adapt its latencies first.",
    "no": "Too unlike to stand in: measure this device instead.",
}
