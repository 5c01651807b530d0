"""The main path: a device, a task and limits in; the best design and what it will cost out.

Read from top to bottom: describe the device, judge the libraries of the spaces that fit and polish what is best in
them, and search each space beside them where a limit is broken or searching was asked for. Say how the best of all
keeps the limits, or which nothing keeps and how tight each could be.
"""

from __future__ import annotations

from design.constraints import LimitName
from design.spaces.registry import SPACES
from optimizer.answer import front_points, tightest_of, violations
from optimizer.approaches import SEARCH_VERSION, VERSIONS, why
from optimizer.exact import ExactSearch, suits
from optimizer.genetic import GeneticSearch
from optimizer.objective import Objective
from optimizer.problem import Answer, Problem
from optimizer.proposals import proposed
from optimizer.repair import usable_spaces
from optimizer.search import Proposer, climb, extreme
from optimizer.trials import Trials, begun, best_first
from predictors.descriptor import describe
from predictors.predict import explain

FIRST_STEPS, LAST_STEPS = 2, 6
"""Steps climbed in every space, and then in those that look best."""
CONTENDERS = 2
EXTREME_STEPS = 20


def optimize(problem: Problem) -> Answer:
    """The best design for a request, or the nearest one where no design found keeps every limit.

    How much is searched never depends on the clock: the same problem has the same answer.

    Raises:
        BespokeError: No space fits the task, or none has a design that the device can run.
    """
    device = describe(problem.device)
    objective = Objective.of(problem, device)
    usable = usable_spaces(problem.spaces, SPACES, problem.task, device)
    networks = problem.method == "network"
    searches, rivals = begun(problem, device, usable), list[Trials]()
    asked = problem.method != "search"
    kept = asked and proposed(searches, networks=networks)
    searched = problem.method == "both" or not kept
    if searched:
        proposals, searches = searches, begun(problem, device, usable)
        for trials in searches:
            search(trials, problem.seed)
        for trials in best_first(searches)[:CONTENDERS]:
            climb(trials, trials.best(), objective, LAST_STEPS)
        rivals = [trials for trials in proposals if trials.evaluations]
    tightest: dict[LimitName, float] = {}
    if not objective.feasible(best_first(searches + rivals)[0].best()):
        for name in objective.limits:
            climb_for(searches, name)
        tightest = tightest_of(objective, [trials.scores for trials in searches + rivals])
    searches += rivals
    winner = best_first(searches)[0]
    proposal = winner in rivals or not searched
    best = winner.best()
    design = winner.space.decode(problem.task, best.genotypes[0])
    return Answer(
        design=design,
        prediction=explain(
            design,
            device,
            problem.task,
            energy_model=problem.energy_model,
            risk=problem.constraints.risk,
            adaptation=problem.adaptation,
        ),
        feasible=objective.feasible(best),
        violations=violations(objective, best, tightest),
        front=front_points(searches, winner, best) if searched else None,
        approach=winner.approach,
        why=why(winner.approach, problem.method),
        optimizer_version=VERSIONS[winner.approach] if proposal else SEARCH_VERSION,
        evaluations=sum(trials.evaluations for trials in searches),
        seed=problem.seed,
    )


def search(trials: Trials, seed: int) -> None:
    """Try designs of one space: what its proposer finds, then better neighbours of the best."""
    proposer: Proposer = ExactSearch() if suits(trials.space, trials.task) else GeneticSearch()
    trials.approach = proposer.approach
    proposer.propose(trials, seed)
    climb(trials, trials.best(), trials.objective, FIRST_STEPS)


def climb_for(searches: list[Trials], name: LimitName) -> None:
    """Try designs that make one figure as good as can be, whatever else was asked; they stay in the trials."""
    for trials in searches:
        extreme(trials, trials.objective.only(name), EXTREME_STEPS)
