"""FleetMember: what one device of a fleet gets, from what all judge or, where that breaks a limit, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from design.encoding import IntArray
from design.space import Space
from optimizer.answer import tightest_of, violations
from optimizer.objective import Objective, Scores
from optimizer.problem import Problem, Violation
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.trials import begun, best_first
from predictors.descriptor import Descriptor
from predictors.predict import predict
from predictors.predictions import Predictions

HOPELESS = 0.3
"""Excess of all limits together (logarithms of what is reached to what is allowed) beyond which nothing is looked for
any more. Of 158 devices for which something was found (85 under five sets of limits, later 73 under seven) none
exceeded its limits by more than .27."""


@dataclass(frozen=True, kw_only=True)
class FleetMember:
    """What one device of a fleet gets.

    Attributes:
        space, genotype: The design (G choices).
        scores, predictions: Of that design (N = 1).
        violations: The limits that it breaks; empty where it keeps all at the requested risk.
        approach: How it was found.
        alone: Whether it was proposed for this device by itself.
        evaluations: Designs that its predictors were asked about.
    """

    space: Space
    genotype: IntArray
    scores: Scores
    predictions: Predictions
    violations: tuple[Violation, ...]
    approach: str
    evaluations: int
    alone: bool = False

    @property
    def feasible(self) -> bool:
        """Every limit is kept at the requested risk."""
        return not self.violations


def by_itself(problem: Problem, device: Descriptor, spaces: Mapping[str, Space], shared: FleetMember) -> FleetMember:
    """What is found for a device in whole libraries with a polish (`optimizer.proposals`), or `shared` if nearer.

    A single request is proposed the same, but that it prices all cells of NAS-Bench-201: on 750 synthetic devices
    under five sets of limits that served not one more; limits set to a hair above what a single cell costs show that
    there are such. Costs 15 to 80 ms of processor time, by the number of spaces and of polishes; for the first device
    with a set of precisions several times that, while whole libraries are expanded for it.

    Args:
        problem: Of the device.
        device: Described.
        spaces: Those asked for that have a library.
        shared: The best of what the whole fleet judges, which breaks a limit.
    """
    objective = Objective.of(problem, device)
    if objective.excess(shared.scores).sum() > HOPELESS:
        return shared
    searches = begun(problem, device, usable_spaces((), spaces, problem.task, device))
    proposed(searches, exact=False)
    winner = best_first(searches)[0]
    best = winner.best()
    tightest = tightest_of(objective, [shared.scores, *(trials.scores for trials in searches)])
    evaluations = shared.evaluations + sum(trials.evaluations for trials in searches)
    if objective.rank(shared.scores) < objective.rank(best):
        broken = violations(objective, shared.scores, tightest)
        return replace(shared, violations=broken, evaluations=evaluations)
    designs = winner.space.rows(problem.task, best.genotypes)
    model, adaptation = problem.energy_model, problem.adaptation
    return FleetMember(
        space=winner.space,
        genotype=best.genotypes[0],
        scores=best,
        predictions=predict(designs, device, problem.task, energy_model=model, adaptation=adaptation),
        violations=violations(objective, best, tightest),
        approach=winner.approach,
        evaluations=evaluations,
        alone=True,
    )
