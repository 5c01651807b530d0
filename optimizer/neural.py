"""NeuralSearch: a design without a search - one forward pass proposes, the predictors judge, a short polish follows.

For each family of networks and without one, with limits as asked and a little tighter, the generator answers in one
batch; the surrogate sorts the answers, the predictors score the first of them at the requested risk. Nothing depends
on the clock or on what was asked before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from design.encoding import IntArray
from design.space import Space
from design.task import Task
from optimizer.ask import Ask, ask_of, excess, utility
from optimizer.exact import ExactSearch, suits
from optimizer.gene_code import gene_code
from optimizer.generator import Places
from optimizer.neural_weights import NeuralWeights, neural_weights
from optimizer.objective import LEAST_WEIGHT
from optimizer.observation import observe
from optimizer.polish import NARROW, PENALTY, Polish, polish
from optimizer.repair import Mask
from optimizer.starts import uniform_designs
from optimizer.trials import Trials, best_first

TIGHTER = (-0.25, 0.0, 0.1, 0.3)
"""Shares by which limits are tightened, for what the surrogate gets wrong and for the spread of single designs: of some
the predictors are surer than of the probes."""
FRONT = 16
"""Preferences that the front around a design is drawn from, each with the limits and without."""
SAMPLES, TEMPERATURE = 3, 0.7
"""Further answers drawn for each family and tightening, and how far they stray from the best-scored choices."""
SCORED = 40
"""Candidates that the predictors score: the most promising of each family and width with narrow bits and with wide
ones, as far as there is room."""
CONTENDERS = 2
"""Spaces whose best design is polished."""


class NeuralSearch:
    """Proposes designs of one space with the shipped network.

    Attributes:
        weights: Of the space and the task's genes.
    """

    approach = "amortised network"

    def __init__(self, weights: NeuralWeights) -> None:
        self.weights = weights
        self._polish: Polish | None = None

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the candidates scored, best first; the seed has no effect."""
        del seed
        candidates = self.candidates(trials)
        scores = trials.score(candidates)
        return scores.genotypes[trials.objective.order(scores)]

    def improve(self, trials: Trials) -> None:
        """Polish the best design of the trials it has proposed for."""
        assert self._polish is not None
        polish(trials, self._polish)

    @torch.inference_mode()
    def around(self, trials: Trials) -> None:
        """Score what the generator answers to other preferences, with the limits and without: the front around."""
        assert self._polish is not None
        own = self._polish
        shares = torch.linspace(0, 1, FRONT)
        weights = torch.stack([shares, (1 - shares) / 2, (1 - shares) / 2, torch.zeros(FRONT)], dim=1)
        asked = own.ask.repeat(2 * FRONT)
        kept = torch.tensor([1.0, 0.0]).repeat_interleave(FRONT)[:, None]
        many = replace(
            asked,
            limits=asked.limits * kept,
            present=asked.present * kept,
            weights=weights.clamp(min=LEAST_WEIGHT).repeat(2, 1),
        )
        allowed = torch.from_numpy(own.allowed.astype(np.float32))[None].expand(2 * FRONT, -1)
        families = allowed[:, : int(own.code.sizes[0])]
        costs, accuracy = own.costs.expand(2 * FRONT, -1, -1), own.accuracy.expand(2 * FRONT, -1)
        scores = self.weights.generator(costs, accuracy, many, allowed, families)
        chosen = Places(own.code).by_gene(scores).argmax(dim=-1).numpy()
        trials.score(np.unique(trials.allowed(chosen), axis=0))

    @torch.inference_mode()
    def candidates(self, trials: Trials) -> IntArray:
        """What the generator answers, the SCORED most promising by the surrogate, N x G."""
        code = gene_code(trials.space, trials.task)  # type: ignore[arg-type]  # by identity
        seen = observe(trials.space, trials.task, trials.device, trials.energy_model, trials.adaptation)
        ask = ask_of(trials.objective, trials.risk, seen)
        allowed = torch.from_numpy(code.allowed(trials.mask))
        self._polish = Polish(code, self.weights.surrogate, seen, ask, allowed)
        families = wanted_families(int(code.sizes[0]), trials.mask.choices[0])
        count = len(families) * len(TIGHTER)
        many = ask.repeat(count).tightened(torch.tensor(TIGHTER).repeat(len(families)))
        scores = self.weights.generator(
            torch.tensor(seen.costs[None], dtype=torch.float32).expand(count, -1, -1),
            torch.tensor(seen.accuracy[None], dtype=torch.float32).expand(count, -1),
            many,
            allowed.expand(count, -1),
            families.repeat_interleave(len(TIGHTER), dim=0),
        )
        by_gene = Places(code).by_gene(scores)
        chosen = [by_gene.argmax(dim=-1)]
        noise = torch.Generator().manual_seed(0)
        for _ in range(SAMPLES):
            drawn = torch.rand(by_gene.shape, generator=noise).clamp(1e-9, 1 - 1e-7)
            chosen.append((by_gene - TEMPERATURE * torch.log(-torch.log(drawn))).argmax(dim=-1))
        answers = trials.allowed(torch.cat(chosen).numpy())
        plain = uniform(trials.space, trials.task, trials.mask.choices)  # type: ignore[arg-type]  # by identity
        distinct = np.unique(np.concatenate([answers, plain]), axis=0)
        order = self._order(distinct, ask)
        narrow = code.shares(code.hot(distinct[order]))[:, 0] > NARROW
        group = 2 * (int(code.sizes[1]) * distinct[order, 0] + distinct[order, 1]) + narrow
        _, first = np.unique(group, return_index=True)
        rank = np.ones(len(order), dtype=np.int64)
        rank[first] = 0
        return distinct[order[np.argsort(rank, kind="stable")[:SCORED]]]

    def _order(self, genotypes: IntArray, ask: Ask) -> IntArray:
        """Most promising first, by the surrogate."""
        assert self._polish is not None
        figures = self._polish.figures(torch.from_numpy(self._polish.code.hot(genotypes)))
        asked = ask.repeat(len(genotypes))
        worth = utility(figures, asked) - PENALTY * torch.relu(excess(figures, asked)).sum(dim=1)
        return np.argsort(-worth.numpy(), kind="stable")


@lru_cache(maxsize=256)
def uniform(space: Space, task: Task, choices: tuple[tuple[int, ...], ...]) -> IntArray:
    """Designs with the same bits and share of filters throughout, N x G: what any answer must beat.

    Args:
        space: Of which.
        task: For which pictures.
        choices: Allowed choices of each gene.
    """
    allowed = Mask(choices=choices, table=np.empty((0, 0), dtype=np.int64))
    return space.canonical(task, uniform_designs(space.genes(task), allowed))


def wanted_families(count: int, allowed: tuple[int, ...]) -> torch.Tensor:
    """Each allowed choice of the first gene alone, and all of them, F x choices."""
    every = torch.zeros(count)
    every[list(allowed)] = 1
    return torch.cat([torch.eye(count)[list(allowed)], every[None]])


def proposed(searches: list[Trials], *, with_front: bool = False) -> bool:
    """Let the networks propose designs and polish what looks best; whether the best keeps every limit.

    A space small enough to be priced whole has no need of a network. Without one for each of the others nothing is
    proposed: a space must not lose for want of it.

    Args:
        searches: One for each space; designs that are scored stay in them.
        with_front: Also score designs around the best one, for people to see what it trades.
    """
    proposers = [_proposer(trials.space, trials.task) for trials in searches]
    networks = [own for own in proposers if own is not None]
    if len(networks) < len(searches):
        return False
    for trials, network in zip(searches, networks, strict=True):
        trials.approach = network.approach
        network.propose(trials, 0)
    for trials in best_first(searches)[:CONTENDERS]:
        networks[searches.index(trials)].improve(trials)
    if with_front:
        winner = best_first(searches)[0]
        networks[searches.index(winner)].around(winner)
    return searches[0].objective.feasible(best_first(searches)[0].best())


def _proposer(space: Space, task: Task) -> NeuralSearch | ExactSearch | None:
    """What proposes designs of a space; None where no network was fitted."""
    if suits(space, task):
        return ExactSearch()
    weights = neural_weights(space, task)  # type: ignore[arg-type]  # by identity
    return None if weights is None else NeuralSearch(weights)
