"""Labels: requests on devices drawn at random, and the designs that answer them best.

The first method of arXiv 2009.00278 fits a network to designs that searches found. A search for each request would be
dear. Here each device is asked about a pool of designs once - its library (all networks where they are few), random
ones, and what exchanges from the best for one request reach - and every request to it takes the best of that pool.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from design.constraints import Constraints
from design.device import DeviceProfile
from design.encoding import FloatArray
from optimizer.ask import FIGURE_OF_LIMIT, ask_of
from optimizer.drawn_requests import draw_limits, draw_preferences
from optimizer.exact import ExactSearch, suits
from optimizer.gene_code import GeneCode
from optimizer.library import NoLibrary
from optimizer.library_search import LibrarySearch, has_library
from optimizer.neural import Asked
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.observation import log_odds, observe
from optimizer.polish import polish
from optimizer.problem import Problem
from optimizer.repair import Mask, NoUsableSpace, mask_in
from optimizer.surrogate import FIGURES
from optimizer.trials import Trials
from predictors.adapt import Adaptation, adapt
from predictors.descriptor import Descriptor, describe
from predictors.measurement import Measurements
from predictors.predict import predict

PER_DEVICE = 24
"""Requests to each device."""
POLISHED = 1
"""Of those, requests whose best design is changed by exchanges, for all to choose from."""
USUAL_RISK, RISKS = 0.1, (0.02, 0.3)
"""Half the devices are asked at the usual risk, the others at one drawn evenly in its logarithm."""
MEASURED = 0.25
"""Share of the devices that have been measured, where a library answers."""
MEASUREMENTS = (3, 12)
LEVEL, SCATTER = 0.5, 0.1
"""Standard deviations of log latency and energy from what is predicted: of a device, and of single designs."""


@dataclass(frozen=True)
class Labels:
    """N requests as the network reads them, and their answers.

    Attributes:
        asked: N requests.
        answers: N x G.
        active: N x G, which genes have an effect.
        slack: N x FIGURES, by how much an answer is within each limit on the scale of figures; 0 for limits not set.
        by_family: N, whether the answer is the best of its family (the first gene) and not of all.
    """

    asked: Asked
    answers: Tensor
    active: Tensor
    slack: Tensor
    by_family: Tensor

    def __len__(self) -> int:
        return len(self.answers)

    def take(self, index: Tensor) -> Labels:
        """Those at `index`."""
        return Labels(
            self.asked.take(index), self.answers[index], self.active[index], self.slack[index], self.by_family[index]
        )

    @classmethod
    def joined(cls, parts: Sequence[Labels]) -> Labels:
        """All of them, in order, of tasks whose genes are the same."""
        return cls(
            Asked.joined([part.asked for part in parts]),
            torch.cat([part.answers for part in parts]),
            torch.cat([part.active for part in parts]),
            torch.cat([part.slack for part in parts]),
            torch.cat([part.by_family for part in parts]),
        )


def labelled(code: GeneCode, profiles: Sequence[DeviceProfile], rng: np.random.Generator) -> Labels:
    """Requests that have an answer, and the answers: of up to PER_DEVICE for each device that runs the space.

    Raises:
        NoLibrary: The space has too many networks to compare all, and no library.
        NoUsableSpace: None of the devices runs the space and keeps a limit.
    """
    if not suits(code.space, code.task) and not has_library(code.space, code.task):
        raise NoLibrary(
            "a space must have a library before its network is fitted",
            f"{code.space.name} for {code.task.name}",
            "Make it with `bespoke fit libraries`.",
        )
    found: list[Answered] = []
    for profile in profiles:
        device = describe(profile)
        mask = mask_in(code.space, code.task, tuple(device.supported_bits))  # type: ignore[arg-type]  # by identity
        if mask is not None:
            found += answered(code, device, mask, rng)
    if not found:
        raise NoUsableSpace(
            f"one of the devices must run {code.space.name} for {code.task.name}", f"{len(profiles)} that do not"
        )
    genotypes = np.array([own.best.genotypes[0] for own in found])
    return Labels(
        Asked.joined([own.asked for own in found]),
        torch.from_numpy(genotypes),
        torch.from_numpy(code.active(genotypes)),
        torch.tensor(np.array([within(own.objective, own.best) for own in found]), dtype=torch.float32),
        torch.tensor([own.by_family for own in found]),
    )


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One request and its answer (N = 1)."""

    asked: Asked
    objective: Objective
    best: Scores
    by_family: bool


def within(objective: Objective, best: Scores) -> FloatArray:
    """How far a design (N = 1) is within each limit set, FIGURES: logarithms of costs, log odds of accuracy."""
    found = np.zeros(FIGURES)
    for name, allowed in objective.limits.items():
        reached = best.at_risk[0, LIMITS.index(name)]
        accuracy = name == "min_accuracy"
        own = float(np.diff(log_odds(np.array([allowed, reached])))[0]) if accuracy else math.log(allowed / reached)
        found[FIGURE_OF_LIMIT[LIMITS.index(name)]] = own
    return found


def answered(code: GeneCode, device: Descriptor, mask: Mask, rng: np.random.Generator) -> Iterator[Answered]:
    """Requests to one device: the best of all and the best of one other family, where they keep the limits."""
    risk = USUAL_RISK if rng.random() < 0.5 else math.exp(rng.uniform(*np.log(RISKS)))
    whole = suits(code.space, code.task)
    adaptation = None if whole or rng.random() > MEASURED else measured(code, device, mask, rng)
    problem = Problem(
        device=device.profile,
        task=code.task,
        spaces=(code.space.name,),
        constraints=Constraints(risk=risk),
        adaptation=adaptation,
    )
    trials = Trials(
        space=code.space, mask=mask, device=device, objective=Objective.of(problem, device), problem=problem
    )
    (ExactSearch() if whole else LibrarySearch()).propose(trials, 0)
    reached = trials.score(mask.sample(PER_DEVICE, rng)).at_risk
    wanted = [_drawn(problem, own, device, rng) for own in reached]
    for objective in wanted[:POLISHED]:
        trials.ask_for(objective)
        polish(trials, rounds=1, count=1)
    seen = observe(code.space, code.task, device, problem.energy_model, adaptation)
    for objective in wanted:
        asked = Asked.seen(code, mask, seen, ask_of(objective, risk, seen))
        for number, best in enumerate(best_of_families(objective, trials.scores, rng)):
            if objective.feasible(best):
                yield Answered(asked=asked, objective=objective, best=best, by_family=number > 0)


def best_of_families(objective: Objective, scores: Scores, rng: np.random.Generator) -> list[Scores]:
    """The best of all, and the best of one other family (the first gene) drawn at random, if there is one."""
    order = objective.order(scores)
    families = scores.genotypes[order, 0]
    known, first = np.unique(families, return_index=True)
    others = first[known != families[0]]
    chosen = [0, *rng.choice(others, size=1).tolist()] if len(others) else [0]
    return [scores.take(order[[place]]) for place in chosen]


def _drawn(problem: Problem, at_risk: FloatArray, device: Descriptor, rng: np.random.Generator) -> Objective:
    """A request that a design which reaches `at_risk` (LIMITS) keeps."""
    preferences, risk = draw_preferences(rng), problem.constraints.risk
    limits = Constraints.model_validate(draw_limits(at_risk, rng) | {"risk": risk})
    return Objective.of(replace(problem, preferences=preferences, constraints=limits), device)


def measured(code: GeneCode, device: Descriptor, mask: Mask, rng: np.random.Generator) -> Adaptation:
    """What a few measurements would say of a device that deviates from what is predicted of it; invented."""
    count = int(rng.integers(*MEASUREMENTS, endpoint=True))
    designs = code.space.rows(code.task, code.space.canonical(code.task, mask.sample(count, rng)))
    told = predict(designs, device, code.task)
    level, scatter = rng.normal(0.0, LEVEL, 2), rng.normal(0.0, SCATTER, (2, count))
    latency_ms, energy_mj = (
        one.median * np.exp(own + each)
        for one, own, each in zip((told.latency_ms, told.energy_mj), level, scatter, strict=True)
    )
    if rng.random() < 0.5:
        energy_mj = np.full(count, np.nan)
    return adapt(device, Measurements(designs=designs, latency_ms=latency_ms, energy_mj=energy_mj))
