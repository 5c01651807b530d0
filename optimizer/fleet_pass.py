"""SpacePass: all devices of a fleet in one space, answered by its network in one batch."""

from __future__ import annotations

import numpy as np
import torch

from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.space import Space
from design.task import Task
from optimizer.ask import ask_of, excess, joined, utility
from optimizer.gene_code import gene_code
from optimizer.generator import Places
from optimizer.neural_weights import NeuralWeights
from optimizer.objective import Objective
from optimizer.observation import Observation
from optimizer.repair import Mask
from predictors.adapt import Adaptation
from predictors.descriptor import Descriptor

TIGHTER = (0.0, 0.1, 0.3)
"""Shares by which limits are tightened: as many candidates has each device."""
PENALTY = 5.0
"""What a broken limit takes from what the surrogate promises, in utility for a cost greater by a factor of e."""
POOL = 16
"""Designs proposed for others that each device scores."""


class Place:
    """One device in one space.

    Attributes:
        number: Position in the fleet.
        own: Its candidates, indices into the genotypes of the pass.
        promise: What the surrogate says of the best of them; comparable between spaces.
    """

    def __init__(
        self,
        number: int,
        device: Descriptor,
        mask: Mask,
        objective: Objective,
        seen: Observation,
        adaptation: Adaptation | None,
    ) -> None:
        self.number, self.device, self.mask, self.objective = number, device, mask, objective
        self.seen, self.adaptation = seen, adaptation
        self.own: IntArray = np.empty(0, dtype=np.int64)
        self.promise = -np.inf


class SpacePass:
    """All devices of a fleet that one space fits.

    Attributes:
        places: Its devices.
        genotypes: Distinct candidates of all of them, N x G.
        pool: Indices of those that every device scores.
    """

    def __init__(self, space: Space, task: Task, weights: NeuralWeights) -> None:
        self.space, self.task, self.weights = space, task, weights
        self.code = gene_code(space, task)  # type: ignore[arg-type]  # by identity
        self.places: list[Place] = []
        self.genotypes: IntArray = np.empty((0, len(self.code.sizes)), dtype=np.int64)
        self.pool: IntArray = np.empty(0, dtype=np.int64)

    @torch.inference_mode()
    def propose(self, risk: float) -> None:
        """Candidates of every device, and what the surrogate promises."""
        if not self.places:
            return
        count, copies, families = len(self.places), len(TIGHTER), int(self.code.sizes[0])
        costs = torch.tensor(np.stack([place.seen.costs for place in self.places]), dtype=torch.float32)
        memory = torch.tensor(np.stack([place.seen.memory for place in self.places]), dtype=torch.float32)
        accuracy = torch.tensor(self.places[0].seen.accuracy[None], dtype=torch.float32)
        allowed = torch.from_numpy(np.stack([self.code.allowed(place.mask) for place in self.places]))
        allowed = allowed.repeat_interleave(copies, 0)
        asked = joined([ask_of(place.objective, risk, place.seen) for place in self.places]).repeat(copies)
        scores = self.weights.generator(
            costs.repeat_interleave(copies, 0),
            accuracy.expand(count * copies, -1),
            asked.tightened(torch.tensor(TIGHTER).repeat(count)),
            allowed,
            allowed[:, :families],
        )
        chosen = Places(self.code).by_gene(scores).argmax(dim=-1).numpy()
        chosen = self.space.canonical(self.task, chosen)
        figures = self.weights.surrogate(
            torch.from_numpy(self.code.hot(chosen)),
            self.weights.surrogate.price(costs).repeat_interleave(copies, 0),
            accuracy,
            memory.repeat_interleave(copies, 0),
        )
        worth = utility(figures, asked) - PENALTY * torch.relu(excess(figures, asked)).sum(dim=1)
        promise = worth.view(count, copies).numpy()
        self.genotypes, numbers = np.unique(chosen, axis=0, return_inverse=True)
        numbers = numbers.reshape(count, copies)
        for place, own, best in zip(self.places, numbers, promise.max(axis=1), strict=True):
            place.own, place.promise = np.unique(own), float(best)
        self.pool = representatives(
            numbers[np.arange(count), promise.argmax(axis=1)], figures[:, 0].view(count, copies)[:, 0].numpy()
        )

    def encoded(self) -> EncodedDesigns:
        """All candidates."""
        return self.space.rows(self.task, self.genotypes)

    def candidates(self, place: Place) -> IntArray:
        """What a device scores: its own candidates and what it can run of the pool."""
        pool = self.genotypes[self.pool]
        runs = (place.mask.apply(pool) == pool).all(axis=1)
        return np.union1d(place.own, self.pool[runs])


def representatives(best: IntArray, level: FloatArray) -> IntArray:
    """At most POOL of the designs that look best on some of D devices, evenly from the cheapest to the dearest.

    Args:
        best: D, the design that looks best on each device.
        level: D, what orders them.
    """
    order = best[np.argsort(level, kind="stable")]
    distinct = np.array(list(dict.fromkeys(order.tolist())), dtype=np.int64)
    if len(distinct) <= POOL:
        return distinct
    return distinct[np.linspace(0, len(distinct) - 1, POOL).round().astype(np.int64)]
