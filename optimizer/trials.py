"""Trials: the designs of one space that the predictors of a device were asked about, for one request or several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from design.encoding import EncodedDesigns, IntArray
from design.space import Space
from optimizer.families import contenders, family
from optimizer.family_predictions import FAMILIES, LIBRARIES, FamilyPredictions
from optimizer.objective import Objective, Scores
from optimizer.problem import Problem
from optimizer.repair import Mask
from predictors.descriptor import Descriptor
from predictors.predict import predict
from predictors.predictions import Predictions


class Trials:
    """Predicts designs of one space on one device and keeps the scores of all.

    Attributes:
        objective: What the present request wants; scores do not depend on it.
        mask: What the device can run; every genotype is mapped into it before it is predicted.
        risk: The chance of breaking a limit that the request accepts.
        adaptation: What measurements said of the device.
        starts: Designs tried whatever the limits, preferences and seed.
        approach: How the designs were found, set by the search.
    """

    def __init__(self, *, space: Space, mask: Mask, device: Descriptor, objective: Objective, problem: Problem) -> None:
        self.space, self.mask, self.device, self.objective = space, mask, device, objective
        self.task, self.risk, self.energy_model = problem.task, problem.constraints.risk, problem.energy_model
        self.adaptation = problem.adaptation
        self.starts: Scores | None = None
        self.approach = ""
        self._parts: list[Scores] = []
        self._best: tuple[int, Scores] | None = None

    def ask_for(self, objective: Objective) -> None:
        """From here on what is best is judged by this objective; scores do not depend on it."""
        self.objective, self._best = objective, None

    def allowed(self, genotypes: IntArray) -> IntArray:
        """The nearest canonical genotypes that the device can run, N x G."""
        return self.space.canonical(self.task, self.mask.apply(genotypes))

    def neighbours(self, genotype: IntArray) -> IntArray:
        """All distinct allowed canonical genotypes that differ from this one (G) in one choice, M x G.

        Those of `Space.neighbours` that the device can run.
        """
        genes = [gene for gene, choices in enumerate(self.mask.choices) for _ in choices]
        choices = [choice for choices in self.mask.choices for choice in choices]
        changed = np.repeat(genotype[None], len(genes), axis=0)
        changed[np.arange(len(genes)), genes] = choices
        found = self.allowed(changed)
        return np.array(list({own.tobytes(): own for own in found if (own != genotype).any()}.values()))

    def score(self, genotypes: IntArray) -> Scores:
        """Scores of N designs, made allowed first."""
        return self.judge(self.space.rows(self.task, self.allowed(genotypes)))

    def judge(self, designs: EncodedDesigns) -> Scores:
        """Scores of N encoded designs of this space, which the device must be able to run."""
        predictions = predict(
            designs, self.device, self.task, energy_model=self.energy_model, adaptation=self.adaptation
        )
        return self._scored(designs, predictions)

    def family(self, policy: tuple[int, ...]) -> EncodedDesigns:
        """The networks of the space under a policy (G choices) among which the best one is.

        All of them where measurements tell networks apart that cost the same by their layers.
        """
        if self.adaptation is not None and self.adaptation.posteriors:
            return family(self.space, self.task, policy)  # type: ignore[arg-type]  # by identity
        return contenders(self.space, self.task, policy, self.risk)  # type: ignore[arg-type]  # by identity

    def judge_offered(self, designs: EncodedDesigns) -> Scores:
        """`judge` of what is offered to every request, whose predictions are remembered for further ones."""
        return self._scored(designs, self._remembered(LIBRARIES, designs))

    def judge_family(self, policy: tuple[int, ...]) -> Scores:
        """Scores of `family`, whose predictions are remembered for further requests to the device."""
        designs = self.family(policy)
        return self._scored(designs, self._remembered(FAMILIES, designs))

    def _remembered(self, kept: FamilyPredictions, designs: EncodedDesigns) -> Predictions:
        return kept.of(designs, self.device, self.task, energy_model=self.energy_model, adaptation=self.adaptation)

    def _scored(self, designs: EncodedDesigns, predictions: Predictions) -> Scores:
        assert designs.genotypes is not None
        self._parts.append(Scores.of(designs.genotypes, predictions, self.risk))
        return self._parts[-1]

    @property
    def scores(self) -> Scores:
        """Of all designs so far, in the order they were tried."""
        if len(self._parts) > 1:
            self._parts = [Scores.joined(self._parts)]
        return self._parts[0]

    @property
    def evaluations(self) -> int:
        """Designs that the predictors were asked about."""
        return sum(len(part) for part in self._parts)

    def best(self) -> Scores:
        """The best design so far (N = 1)."""
        count = self.evaluations
        if self._best is None:
            self._best = count, self.objective.best(self.scores)
        seen, best = self._best
        if seen != count:
            since = self.scores.take(np.arange(seen, count))
            self._best = count, self.objective.best(Scores.joined([best, since]))
        return self._best[1]


def begun(problem: Problem, device: Descriptor, usable: Sequence[tuple[Space, Mask]]) -> list[Trials]:
    """Of each usable space, nothing tried yet."""
    objective = Objective.of(problem, device)
    return [
        Trials(space=space, mask=mask, device=device, objective=objective, problem=problem) for space, mask in usable
    ]


def best_first(searches: list[Trials]) -> list[Trials]:
    """The trials in the order of their best designs."""
    objective = searches[0].objective
    return sorted(searches, key=lambda trials: objective.rank(trials.best()))
