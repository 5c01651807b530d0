"""Polish: from a proposed design to better ones near it, with a fixed number of predictions.

The surrogate says what every single change would bring; the changes and pairs of changes that promise most are scored
by the predictors, and the best of all designs scored is where the next round starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray
from optimizer.ask import FIGURE_OF_LIMIT, SIGNS, Ask, excess, utility
from optimizer.gene_code import GeneCode
from optimizer.objective import LIMITS, Scores
from optimizer.observation import Observation, probes
from optimizer.surrogate import COSTS, FIGURES, Surrogate
from optimizer.trials import Trials

ROUNDS = 4
TRIED = 60
"""Designs that each round scores."""
PAIRED = 24
"""Changes of each kind, gainers and savers, that are paired."""
LIKELY = 40
"""Changes of each kind that the surrogate prices, of those that its slope promises most from. Answers to 48 requests in
three spaces were the same as with every change priced, but for .01 points in one."""
PENALTY = 5.0
NARROW = 0.5
"""Share of precisions of 8 bits or fewer from which a design has mostly narrow bits."""
_RIDGE = 0.5


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Every single allowed change of one design, M of them.

    Attributes:
        genes, choices: M, what is changed to what.
        gain: M, of utility.
        relief: M x FIGURES, what each limit gains (above 0) or loses, on the scale of figures.
    """

    genes: IntArray
    choices: IntArray
    gain: FloatArray
    relief: FloatArray

    def take(self, index: IntArray) -> Changes:
        """Those at `index`."""
        return Changes(
            genes=self.genes[index], choices=self.choices[index], gain=self.gain[index], relief=self.relief[index]
        )


class Polish:
    """What stays the same while one request is polished in one space.

    Attributes:
        allowed: W, 1 for choices that the device can run.
    """

    def __init__(
        self, code: GeneCode, surrogate: Surrogate, seen: Observation, ask: Ask, allowed: torch.Tensor
    ) -> None:
        self.code, self.surrogate, self.ask = code, surrogate, ask
        self.costs = torch.tensor(seen.costs[None], dtype=torch.float32)
        self.prices = surrogate.price(self.costs)
        self.accuracy = torch.tensor(seen.accuracy[None], dtype=torch.float32)
        self.memory = torch.tensor(seen.memory[None], dtype=torch.float32)
        self.allowed = allowed.numpy() > 0
        self._lean = leaning(code, seen)

    def changes(self, genotype: IntArray, most: int | None = None) -> Changes:
        """What the surrogate says of single changes of a canonical genotype (G).

        Args:
            genotype: From which.
            most: Of those that gain and of those that relieve limits, only so many, by what the slope at `genotype`
                promises; None = every change.
        """
        code = self.code
        now = code.offsets + genotype
        active = code.active(genotype[None])[0]
        place = np.flatnonzero(self.allowed & active[code.gene_of])
        place = place[place != now[code.gene_of[place]]]
        if most is not None and len(place) > 2 * most:
            rough = self._compared(place, self._along_slope(genotype, place))
            need = rough.relief.clip(min=0).sum(axis=1)
            first = np.argsort(-rough.gain, kind="stable")[:most]
            place = place[np.union1d(first, np.argsort(-(rough.gain + PENALTY * need), kind="stable")[:most])]
        with torch.inference_mode():
            return self._compared(place, self.figures(torch.from_numpy(self._changed(genotype, place))))

    def _changed(self, genotype: IntArray, place: IntArray) -> NDArray[np.float32]:
        """The design itself and each of M changes (places of their choices), (M + 1) x W."""
        found = np.repeat(self.code.hot(genotype[None]), len(place) + 1, axis=0)
        row = np.arange(1, len(place) + 1)
        found[row, (self.code.offsets + genotype)[self.code.gene_of[place]]] = 0
        found[row, place] = 1
        return found

    def _along_slope(self, genotype: IntArray, place: IntArray) -> torch.Tensor:
        """What `figures` would say of the same designs, were the surrogate a plane: six rows in place of hundreds."""
        now = (self.code.offsets + genotype)[self.code.gene_of[place]]
        with torch.inference_mode(mode=False), torch.enable_grad():
            own = torch.from_numpy(self.code.hot(genotype[None])).repeat(FIGURES, 1).requires_grad_()
            found = self.surrogate(own, self.prices.clone(), self.accuracy.clone(), self.memory.clone())
            (slope,) = torch.autograd.grad(found.diagonal().sum(), own)
        here = found[:1].detach()
        there = torch.cat([here, here + (slope[:, place] - slope[:, now]).T])
        return self._leant(there, self._changed(genotype, place))

    def _compared(self, place: IntArray, figures: torch.Tensor) -> Changes:
        """Changes from figures of the design itself and of each of them, (M + 1) x FIGURES."""
        with torch.inference_mode():
            gained, over = utility(figures, self._asked(len(figures))), excess(figures, self._asked(len(figures)))
            genes = self.code.gene_of[place]
            return Changes(
                genes=genes,
                choices=place - self.code.offsets[genes],
                gain=(gained[1:] - gained[0]).numpy().astype(np.float64),
                relief=(over[0] - over[1:]).numpy().astype(np.float64),
            )

    def figures(self, hot: torch.Tensor) -> torch.Tensor:
        """Figures of N designs (N x W) on the device asked about, N x FIGURES.

        Costs lean towards what a limit is compared with: designs of which the predictors are less sure than of the
        probes on average count as dearer.
        """
        return self._leant(self.surrogate(hot, self.prices, self.accuracy, self.memory), hot.numpy())

    def _leant(self, figures: torch.Tensor, hot: NDArray[np.float32]) -> torch.Tensor:
        """Figures with costs as `figures` says, in place."""
        shares = self.code.shares(hot) - self._lean[0]
        figures[:, :COSTS] += torch.from_numpy(shares @ self._lean[1]) * self.ask.quantile
        return figures

    def _asked(self, count: int) -> Ask:
        return self.ask.repeat(count)

    def promising(self, genotype: IntArray, slack: FloatArray, count: int = TRIED) -> IntArray:
        """The `count` single and paired changes that promise most, as genotypes.

        Args:
            genotype: G, canonical.
            slack: FIGURES, how far each limit is kept (above 0) or broken, by the predictors; infinite if not set.
            count: Most designs.
        """
        own = self.changes(genotype, LIKELY)
        if len(own.genes) == 0:
            return genotype[None]
        gainers = own.take(np.argsort(-own.gain, kind="stable")[:PAIRED])
        need = own.relief.clip(min=0).sum(axis=1)
        savers = own.take(np.argsort(-(own.gain + PENALTY * need), kind="stable")[:PAIRED])
        first = np.repeat(np.arange(len(gainers.genes)), len(savers.genes))
        second = np.tile(np.arange(len(savers.genes)), len(gainers.genes))
        apart = gainers.genes[first] != savers.genes[second]
        first, second = first[apart], second[apart]
        gain = np.concatenate([own.gain, gainers.gain[first] + savers.gain[second]])
        relief = np.concatenate([own.relief, gainers.relief[first] + savers.relief[second]])
        broken = np.where(np.isfinite(slack), np.maximum(-(relief + slack), 0.0), 0.0).sum(axis=1)
        chosen = np.argsort(PENALTY * broken - gain, kind="stable")[:count]
        found = np.repeat(genotype[None], len(chosen), axis=0)
        for row, number in zip(found, chosen.tolist(), strict=True):
            if number < len(own.genes):
                row[own.genes[number]] = own.choices[number]
            else:
                pair = number - len(own.genes)
                row[gainers.genes[first[pair]]] = gainers.choices[first[pair]]
                row[savers.genes[second[pair]]] = savers.choices[second[pair]]
        return found


def leaning(code: GeneCode, seen: Observation) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How the spread of costs follows the shares of narrow bits (`GeneCode.shares`), by ridge over the probes.

    Returns:
        Mean shares of the probes, 2; and spread of each cost per share, 2 x 2.
    """
    known = probes(code.space, code.task).genotypes  # type: ignore[arg-type]  # by identity
    assert known is not None
    shares = code.shares(code.hot(known)).astype(np.float64)
    mean = shares.mean(axis=0)
    centred = shares - mean
    slope = np.linalg.solve(
        centred.T @ centred + _RIDGE * np.eye(2), centred.T @ (seen.probe_spreads - seen.probe_spreads.mean(axis=0))
    )
    return mean.astype(np.float32), slope.astype(np.float32)


def slack_of(trials: Trials, score: Scores) -> FloatArray:
    """How far one design (N = 1) is from each limit, FIGURES; infinite where none is set."""
    found = np.full(FIGURES, np.inf)
    signs = SIGNS.numpy()
    for name, allowed in trials.objective.limits.items():
        column = FIGURE_OF_LIMIT[LIMITS.index(name)]
        reached = float(score.at_risk[0, LIMITS.index(name)])
        if name == "min_accuracy":
            here, there = (np.log(max(one, 1e-9) / max(1 - one, 1e-9)) for one in (reached, allowed))
        else:
            here, there = np.log(max(reached, 1e-12)), np.log(allowed)
        found[column] = signs[column] * (there - here)
    return found


def polish(trials: Trials, own: Polish, rounds: int = ROUNDS) -> Scores:
    """Improve the best design of `trials` and the best on other hills beside it; the best of all afterwards (N = 1).

    Designs with narrow bits and with wide ones, or of another family and width, are hills of their own: single changes
    and pairs of them do not lead from one to the other.
    """
    places = [trials.best(), *other_hills(trials, own.code)]
    for _ in range(rounds):
        climbed = False
        tried = [own.promising(one.genotypes[0], slack_of(trials, one), TRIED // len(places)) for one in places]
        scores = trials.score(np.concatenate(tried))
        ends = np.cumsum([0, *(len(one) for one in tried)])
        for number, here in enumerate(places):
            found = trials.objective.best(scores.take(np.arange(ends[number], ends[number + 1])))
            if trials.objective.rank(found) < trials.objective.rank(here):
                places[number], climbed = found, True
        if not climbed and len(places) == 1:
            break
        if not climbed:
            places = [trials.best()]  # with twice as many of its changes
    return trials.best()


def other_hills(trials: Trials, code: GeneCode) -> list[Scores]:
    """The best design of `trials` with other bits than the best of all (mostly narrow or not), and of other networks.

    Networks are told apart by their first two genes: in every space the family and the width, or two operations.
    """
    scores, best = trials.scores, trials.best()
    narrow = code.shares(code.hot(scores.genotypes))[:, 0] > NARROW
    own = bool(code.shares(code.hot(best.genotypes))[0, 0] > NARROW)
    elsewhere = (scores.genotypes[:, :2] != best.genotypes[0, :2]).any(axis=1)
    found = []
    for others in (np.flatnonzero(narrow != own), np.flatnonzero((narrow == own) & elsewhere)):
        if len(others):
            found.append(trials.objective.best(scores.take(others)))
    return found
