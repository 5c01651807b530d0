"""The Predictor protocol, and Estimates: N predictions of one figure with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign
from statistics import NormalDist
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.prediction import Estimate, Interval
from design.task import Task
from predictors.descriptor import Descriptor

Scale = Literal["log", "logit", "exact"]
INTERVAL_COVERAGE = 0.9
LIMIT_SLACK = 1.15
"""Limits on measured devices are checked at the quantile of the accepted risk less so many common spreads: .13 of one
at a risk of .1, 1.18 at .01. Beyond it a safer design is chosen where little is lost by it
(`optimizer.objective.CAUTION`). So chosen, designs of NAS-Bench-201 for known devices left out with their chip or kind
keep .93 of their limits at a risk of .1, and no fewer than accepted at any risk asked about
(`python -m benchmarks.limit_rule`); 1.28 of the spread of every single design kept .97 and cost twice the accuracy. See
docs/decisions/0003-limits-and-risk.md."""
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """N predictions of one figure.

    The truth is taken as normal around the median on the given scale: `log` for positive figures, `logit` for
    fractions, `exact` for counts that are known.

    Attributes:
        median: N.
        spread: N standard deviations on that scale (0 where exact).
        common_spread: N, one standard deviation for all designs of a device whose measurements speak of just such
            designs; limits are then checked with it in place of `spread`, and less LIMIT_SLACK. None where not known.
    """

    median: FloatArray
    spread: FloatArray
    scale: Scale
    common_spread: FloatArray | None = None

    def quantile(self, probability: float) -> FloatArray:
        """The value that the truth stays below with this probability, N."""
        return self._at(NormalDist().inv_cdf(probability) * self.spread)

    def limit_quantile(self, probability: float) -> FloatArray:
        """What a limit is compared with at the risk `1 - probability` (of accuracy: `probability`), N."""
        if self.common_spread is None:
            return self.quantile(probability)
        whole = NormalDist().inv_cdf(probability)
        less = copysign(max(abs(whole) - LIMIT_SLACK, 0.0), whole)
        known = ~np.isnan(self.common_spread)
        return self._at(np.where(known, less * self.common_spread, whole * self.spread))

    def _at(self, step: FloatArray) -> FloatArray:
        """The median moved by a step (N) on the scale."""
        if self.scale == "log":
            return np.asarray(self.median * np.exp(step))
        if self.scale == "logit":
            inner = np.clip(self.median, _TINY, 1 - _TINY)
            return np.asarray(1 / (1 + np.exp(-(np.log(inner / (1 - inner)) + step))))
        return self.median

    def interval(self, coverage: float = INTERVAL_COVERAGE) -> tuple[FloatArray, FloatArray]:
        """Low and high ends, N each."""
        return self.quantile((1 - coverage) / 2), self.quantile((1 + coverage) / 2)

    def at(self, index: int, probability: float | None = None) -> Estimate:
        """One of them for people to read; `probability` picks the quantile that a limit is compared with."""
        low, high = self.interval()
        return Estimate(
            value=float(self.median[index]),
            interval=Interval(low=float(low[index]), high=float(high[index]), coverage=INTERVAL_COVERAGE),
            at_risk=None if probability is None else float(self.limit_quantile(probability)[index]),
        )

    def take(self, index: IntArray | NDArray[np.bool_]) -> Estimates:
        """Those at `index`."""
        return Estimates(
            median=self.median[index],
            spread=self.spread[index],
            scale=self.scale,
            common_spread=None if self.common_spread is None else self.common_spread[index],
        )

    @classmethod
    def joined(cls, parts: Sequence[Estimates]) -> Estimates:
        """All of them in order, of one scale; without common spreads."""
        (scale,) = {part.scale for part in parts}
        return cls(
            median=np.concatenate([part.median for part in parts]),
            spread=np.concatenate([part.spread for part in parts]),
            scale=scale,
        )


class Predictor(Protocol):
    """Predicts one figure (latency, energy, memory or accuracy) of many designs on one device.

    Attributes:
        name: What it is called in an answer's sources.
        version: Raised whenever the same input may give another answer.
    """

    name: str
    version: str

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """N designs on one device for one task."""
        ...
