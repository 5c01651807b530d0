"""NeuralSearch: a design without a search - one forward pass proposes, the predictors judge, a short polish follows.

For each family of networks and without one, with limits as asked, looser and a little tighter, the generator answers in
one batch. The predictors score the answers beside the uniform designs of the space, and the most promising networks are
polished. Nothing depends on the clock or on what was asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from design.distinct import without_doubles
from design.encoding import IntArray
from optimizer.ask import Ask, ask_of
from optimizer.gene_code import GeneCode, gene_code
from optimizer.generator import Places
from optimizer.hills import promises
from optimizer.neural_weights import NeuralWeights
from optimizer.objective import LEAST_WEIGHT
from optimizer.observation import Observation, observe
from optimizer.polish import polish
from optimizer.repair import Mask
from optimizer.trials import Trials
from optimizer.uniform_search import uniform

TIGHTER = (-0.25, 0.0, 0.1, 0.3)
"""Shares by which limits are tightened: answers aim at the limits themselves, and of some designs the predictors are
surer than of the probes."""
FRONT = 16
"""Preferences that the front around a design is drawn from, each with the limits and without."""


class NeuralSearch:
    """Proposes designs of one space with the shipped network.

    Attributes:
        weights: Of the space and the task's genes.
    """

    approach = "amortised network"

    def __init__(self, weights: NeuralWeights) -> None:
        self.weights = weights

    def propose(self, trials: Trials, seed: int) -> IntArray:
        """See Proposer: the designs scored, best first; the seed has no effect."""
        del seed
        trials.starts = trials.judge(uniform(trials.space, trials.task, trials.mask.choices))  # type: ignore[arg-type]  # by identity
        trials.score(self.answers(trials))
        return trials.scores.genotypes[trials.objective.order(trials.scores)]

    def promise(self, trials: Trials) -> float:
        """What the most promising network of the space promises, in utility."""
        return float(promises(trials.objective, trials.scores)[1].max())

    def improve(self, trials: Trials) -> bool:
        """Polish what it has proposed, in two rounds."""
        polish(trials)
        return False

    def answers(self, trials: Trials) -> IntArray:
        """What the generator answers, N x G: for each family and every tightening."""
        asked = Asked.of(trials)
        families = wanted_families(int(asked.code.sizes[0]), trials.mask.choices[0])
        count = len(families) * len(TIGHTER)
        many = asked.ask.repeat(count).tightened(torch.tensor(TIGHTER).repeat(len(families)))
        return self._chosen(trials, asked, many, families.repeat_interleave(len(TIGHTER), dim=0))

    def first(self, trials: Trials) -> IntArray:
        """The one answer to the request as it is, 1 x G: before the predictors have judged anything."""
        asked = Asked.of(trials)
        return self._chosen(trials, asked, asked.ask, asked.allowed[:, : int(asked.code.sizes[0])])

    def around(self, trials: Trials) -> None:
        """Score what the generator answers to other preferences, with the limits and without: the front around."""
        asked = Asked.of(trials)
        shares = torch.linspace(0, 1, FRONT)
        weights = torch.stack([shares, (1 - shares) / 2, (1 - shares) / 2, torch.zeros(FRONT)], dim=1)
        many = asked.ask.repeat(2 * FRONT)
        kept = torch.tensor([1.0, 0.0]).repeat_interleave(FRONT)[:, None]
        many = replace(
            many,
            limits=many.limits * kept,
            present=many.present * kept,
            weights=weights.clamp(min=LEAST_WEIGHT).repeat(2, 1),
        )
        families = asked.allowed[:, : int(asked.code.sizes[0])].expand(2 * FRONT, -1)
        trials.score(self._chosen(trials, asked, many, families))

    @torch.inference_mode()
    def _chosen(self, trials: Trials, asked: Asked, many: Ask, families: Tensor) -> IntArray:
        """Distinct allowed designs that the generator answers B requests with, families (B x choices) as wanted."""
        count = len(families)
        scores = self.weights.generator(
            asked.costs.expand(count, -1, -1),
            asked.accuracy.expand(count, -1),
            many,
            asked.allowed.expand(count, -1),
            families,
        )
        chosen = Places(asked.code).by_gene(scores).argmax(dim=-1).numpy()
        return without_doubles(trials.allowed(chosen))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """B requests as the generator reads them.

    Attributes:
        code: Of the space and task of all.
        ask: What they want.
        costs: B x P x 2, see Observation.
        accuracy: B x P.
        allowed: B x W, 1 for choices that the device can run.
    """

    code: GeneCode
    ask: Ask
    costs: Tensor
    accuracy: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, trials: Trials) -> Asked:
        """One request (B = 1)."""
        code = gene_code(trials.space, trials.task)  # type: ignore[arg-type]  # by identity
        seen: Observation = observe(trials.space, trials.task, trials.device, trials.energy_model, trials.adaptation)
        return cls.seen(code, trials.mask, seen, ask_of(trials.objective, trials.risk, seen))

    @classmethod
    def seen(cls, code: GeneCode, mask: Mask, seen: Observation, ask: Ask) -> Asked:
        """One request on an observed device (B = 1)."""
        return cls(
            code=code,
            ask=ask,
            costs=torch.tensor(seen.costs[None], dtype=torch.float32),
            accuracy=torch.tensor(seen.accuracy[None], dtype=torch.float32),
            allowed=torch.from_numpy(code.allowed(mask))[None],
        )

    @classmethod
    def joined(cls, parts: Sequence[Asked]) -> Asked:
        """All of them, in order."""
        return cls(
            code=parts[0].code,
            ask=Ask.joined([part.ask for part in parts]),
            costs=torch.cat([part.costs for part in parts]),
            accuracy=torch.cat([part.accuracy for part in parts]),
            allowed=torch.cat([part.allowed for part in parts]),
        )

    def take(self, index: Tensor) -> Asked:
        """Those at `index`."""
        return replace(
            self,
            ask=self.ask.take(index),
            costs=self.costs[index],
            accuracy=self.accuracy[index],
            allowed=self.allowed[index],
        )


def wanted_families(count: int, allowed: tuple[int, ...]) -> torch.Tensor:
    """Each allowed choice of the first gene alone, and all of them, F x choices."""
    every = torch.zeros(count)
    every[list(allowed)] = 1
    return torch.cat([torch.eye(count)[list(allowed)], every[None]])
