"""Scores: the scores of many designs; Objective: which of them keep the limits, and which of those is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import log2
from typing import Self, get_args

import numpy as np

from design.constraints import DEFAULT_RISK, LimitName, Preferences
from design.encoding import FloatArray, IntArray
from optimizer.problem import Problem
from predictors.descriptor import Descriptor
from predictors.predictions import Predictions

LIMITS: tuple[LimitName, ...] = get_args(LimitName)
"""The columns of `Scores.at_risk`."""
EXPONENT = log2(1.1)
"""What a cost is worth: halving it counts like a tenth more error, as at the sizes in use of the MobileNets (widths
1 to 0.5: 9 to 13 % more error for half the multiply-adds, arXiv 1704.04861)."""
LEAST_WEIGHT = 0.03
"""Share that every preference has at least, so that of designs with all but equal accuracy the cheaper one wins."""
BROKEN = 0.05
"""What a limit adds to the violation by being broken at all: none is broken slightly for the sake of another."""
TOLERANCE = 1e-9
"""Relative slack of a limit: sums over layers may differ in their last digits."""
LEAST_ERROR = 1e-3
"""Errors below this count as equal."""
CAUTION = 0.01
"""Over the accepted risk: what breaking a limit for certain counts like, in the logarithm of error. At a risk of .1
that is about three points at the accuracies of NAS-Bench-201 on CIFAR-100 (33 % error). Only where limits are checked
with less than the whole spread; chosen together with the check (`predictors.predictor.LIMIT_SLACK`)."""
MEMORY_KB = 1.024
"""Kilobytes of limits (1,000 bytes) in one of a profile's memories (1,024 bytes)."""
LOGISTIC = 1.702
"""The normal distribution function is nearly 1 / (1 + exp(-1.702 x))."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What is predicted of N designs of one space.

    Attributes:
        genotypes: N x G.
        accuracy, latency_ms, energy_mj: Medians, N.
        model_bytes, peak_memory_bytes: N.
        at_risk: N x LIMITS, each in the unit of its limit: the quantile that the limit is compared with.
        doubt: N, standard deviation of log latency where limits are checked with less than the whole spread, else 0.
    """

    genotypes: IntArray
    accuracy: FloatArray
    latency_ms: FloatArray
    energy_mj: FloatArray
    model_bytes: FloatArray
    peak_memory_bytes: FloatArray
    at_risk: FloatArray
    doubt: FloatArray

    def __len__(self) -> int:
        return len(self.genotypes)

    @classmethod
    def of(cls, genotypes: IntArray, predictions: Predictions, risk: float) -> Self:
        """Medians and quantiles of predictions."""
        limited = {
            "latency_ms": predictions.latency_ms.limit_quantile(1 - risk),
            "energy_mj": predictions.energy_mj.limit_quantile(1 - risk),
            "model_kb": predictions.model_bytes / 1000,
            "peak_memory_kb": predictions.peak_memory_bytes / 1000,
            "training_memory_kb": predictions.training_memory_bytes / 1000,
            "min_accuracy": predictions.accuracy.limit_quantile(risk),
        }
        common = predictions.latency_ms.common_spread
        return cls(
            genotypes=genotypes,
            accuracy=predictions.accuracy.median,
            latency_ms=predictions.latency_ms.median,
            energy_mj=predictions.energy_mj.median,
            model_bytes=np.asarray(predictions.model_bytes, dtype=np.float64),
            peak_memory_bytes=np.asarray(predictions.peak_memory_bytes, dtype=np.float64),
            at_risk=np.column_stack([limited[name] for name in LIMITS]),
            doubt=np.zeros_like(predictions.latency_ms.median) if common is None else np.nan_to_num(common),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of them, in order."""
        return cls(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)})

    def take(self, index: IntArray) -> Self:
        """Those at `index`."""
        return replace(self, **{one.name: getattr(self, one.name)[index] for one in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Objective:
    """An order among designs: the least broken limits first, then the greatest utility.

    Attributes:
        limits: What must be kept at the requested risk, see `predictors.predictor.Estimates.limit_quantile`.
        own: Those among them that hold whatever is asked: the device's memory.
        preferences: What utility weighs; see `utility`.
        alone: If set, utility is this one figure and nothing else.
        risk: The accepted chance of breaking a limit; see CAUTION.
    """

    limits: Mapping[LimitName, float]
    own: Mapping[LimitName, float] = field(default_factory=dict)
    preferences: Preferences = field(default_factory=Preferences)
    alone: LimitName | None = None
    risk: float = DEFAULT_RISK

    @classmethod
    def of(cls, problem: Problem, device: Descriptor) -> Self:
        """Limits and preferences of a request, with the device's own memory where weights lie in flash.

        A microcontroller has nothing behind its RAM and flash: a larger model cannot run, asked or not.
        """
        own: dict[LimitName, float] = {}
        if device.weights_in_flash:
            sizes: dict[LimitName, float | None] = {
                "model_kb": device.profile.flash_kb,
                "peak_memory_kb": device.profile.ram_kb,
            }
            own = {name: MEMORY_KB * size for name, size in sizes.items() if size is not None}
        asked = problem.constraints.limits()
        tighter = {name: min(size, asked.get(name, size)) for name, size in own.items()}
        return cls(limits=asked | tighter, own=own, preferences=problem.preferences, risk=problem.constraints.risk)

    def only(self, name: LimitName) -> Self:
        """The objective of making one figure as good as can be, whatever else was asked."""
        return replace(self, limits=self.own, alone=name)

    def beyond(self, at_risk: FloatArray) -> FloatArray:
        """How far each limit is broken (above 0) or kept (below), of N x LIMITS: N x limits, logarithm of a ratio.

        The ratio is that of cost reached (for accuracy: of error) to what is allowed.
        """
        found = np.empty((len(at_risk), len(self.limits)))
        for column, (name, allowed) in enumerate(self.limits.items()):
            reached = at_risk[:, LIMITS.index(name)]
            if name == "min_accuracy":
                found[:, column] = np.maximum(1 - reached, LEAST_ERROR) / max(1 - allowed, LEAST_ERROR)
            else:
                found[:, column] = reached / allowed
        return np.asarray(np.log(np.maximum(found, TOLERANCE)))

    def excess(self, scores: Scores) -> FloatArray:
        """How far each limit is broken, N x limits; 0 where it is kept. See `beyond`."""
        return self.excess_at(scores.at_risk)

    def excess_at(self, at_risk: FloatArray) -> FloatArray:
        """The same of figures alone, N x LIMITS."""
        found = np.maximum(self.beyond(at_risk), np.log1p(TOLERANCE))
        for column, (name, allowed) in enumerate(self.limits.items()):
            reached = at_risk[:, LIMITS.index(name)]
            slack = TOLERANCE * allowed
            kept = reached >= allowed - slack if name == "min_accuracy" else reached <= allowed + slack
            found[kept, column] = 0.0
        return found

    def violation(self, scores: Scores) -> FloatArray:
        """How far a design is from keeping every limit, N; 0 where it does. See `excess` and BROKEN."""
        return total_violation(self.excess(scores))

    def utility(self, scores: Scores) -> FloatArray:
        """What is maximised, N: -log of `error^a x (latency^l x energy^e x size^s)^EXPONENT`.

        The weights a, l, e, s are the preferences, as shares of their sum but never under LEAST_WEIGHT. Error is that
        at the quantile of the requested risk, as for limits, so that among equal medians the surer design wins; costs
        are medians. Being a product, utility has no reference point: what else was tried does not change an order.
        """
        if self.alone is not None:
            reached = scores.at_risk[:, LIMITS.index(self.alone)]
            return np.asarray(reached if self.alone == "min_accuracy" else -reached)
        given = self.preferences
        total = given.accuracy + given.latency + given.energy + given.size
        shares = (weight / total for weight in (given.accuracy, given.latency, given.energy, given.size))
        accuracy, latency, energy, size = (max(share, LEAST_WEIGHT) for share in shares)
        error = np.maximum(1 - scores.at_risk[:, LIMITS.index("min_accuracy")], LEAST_ERROR)
        costs = latency * np.log(scores.latency_ms) + energy * np.log(scores.energy_mj)
        costs = costs + size * np.log(scores.model_bytes)
        caution = CAUTION / self.risk * self.breach(scores)
        return np.asarray(-accuracy * (np.log(error) + caution) - EXPONENT * costs)

    def breach(self, scores: Scores) -> FloatArray:
        """Chance that a design breaks the latency limit, N; 0 where its limit is checked with the whole spread."""
        if "latency_ms" not in self.limits or not scores.doubt.any():
            return np.zeros(len(scores))
        room = np.log(self.limits["latency_ms"]) - np.log(scores.latency_ms)
        chance = 1 / (1 + np.exp(np.clip(LOGISTIC * room / np.maximum(scores.doubt, 1e-9), -50, 50)))
        return np.asarray(np.where(scores.doubt > 0, chance, 0.0))

    def order(self, scores: Scores) -> IntArray:
        """Indices of all designs, best first; equal ones keep their order."""
        return np.lexsort((-self.utility(scores), self.violation(scores)))

    def first(self, scores: Scores, count: int) -> IntArray:
        """The first `count` of `order`, without sorting what comes behind them."""
        violation, utility = self.violation(scores), self.utility(scores)
        if count >= len(scores):
            return np.lexsort((-utility, violation))
        if count == 1:
            least_broken = np.flatnonzero(violation == violation.min())
            return least_broken[[utility[least_broken].argmax()]]
        edge = np.partition(violation, count - 1)[count - 1]
        near = np.flatnonzero(violation <= edge)
        if len(near) > count:
            tied = near[violation[near] == edge]
            room = count - (len(near) - len(tied))
            least = np.partition(utility[tied], len(tied) - room)[len(tied) - room]
            near = near[(violation[near] < edge) | (utility[near] >= least)]
        return np.asarray(near[np.lexsort((-utility[near], violation[near]))][:count])

    def best(self, scores: Scores) -> Scores:
        """The first in order (N = 1)."""
        return scores.take(self.first(scores, 1))

    def rank(self, score: Scores) -> tuple[float, float]:
        """What orders a design (N = 1) among those of other spaces, least first."""
        return float(self.violation(score)[0]), -float(self.utility(score)[0])

    def feasible(self, score: Scores) -> bool:
        """Whether a design (N = 1) keeps every limit."""
        return not self.excess(score).any()


def total_violation(excess: FloatArray) -> FloatArray:
    """Sum over limits (N x limits) of excess, and BROKEN for each that is broken at all, N."""
    return np.asarray((excess + BROKEN * (excess > 0)).sum(axis=1))
