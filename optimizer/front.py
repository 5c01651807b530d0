"""Front: what a design trades, drawn when somebody asks - proposals for its request again, and designs around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from design.design import Genotype
from design.encoding import IntArray
from design.errors import BespokeError
from design.spaces.registry import SPACES
from optimizer.answer import front_points
from optimizer.problem import Answer, FrontPoint, Problem
from optimizer.proposals import look_around, proposed
from optimizer.repair import usable_spaces
from optimizer.trials import Trials, begun
from predictors.descriptor import describe
from predictors.predict import predict


class NotOfTheProblem(BespokeError):
    """A design of another space or task than the request, or one that its device cannot run."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """The accuracy / latency / energy front around a design.

    Attributes:
        points: By rising latency, always with the design itself.
        sources: What the figures come from, as in `Predictions`: who kept the design can tell whether that has changed.
    """

    points: tuple[FrontPoint, ...]
    sources: Mapping[str, str]


def draw_front(problem: Problem, design: Genotype) -> Front:
    """The front around a design, from what is proposed for its request and what lies around it; nothing is searched.

    The same every time. It costs what proposing the design did, and 10 to 40 ms of processor time more.

    Args:
        problem: What was asked for.
        design: What was answered.

    Raises:
        NotOfTheProblem: The design is no answer to the request.
    """
    device = describe(problem.device)
    searches = begun(problem, device, usable_spaces(problem.spaces, SPACES, problem.task, device))
    found = [trials for trials in searches if trials.space.name == design.space]
    values = np.array([design.values], dtype=np.int64)
    if not found or design.task != problem.task.name or not _runs(found[0], values):
        raise NotOfTheProblem(
            "a front is drawn around an answer to the request",
            f"a design of {design.space} for {design.task}",
            "Ask for a design anew.",
        )
    own, networks = found[0], problem.method == "network"
    proposed(searches, networks=networks)
    chosen = own.score(values)
    look_around(own, networks=networks)
    predictions = predict(
        own.space.rows(problem.task, values),
        device,
        problem.task,
        energy_model=problem.energy_model,
        adaptation=problem.adaptation,
    )
    tried = [trials for trials in searches if trials.evaluations]
    return Front(points=front_points(tried, own, chosen), sources=predictions.sources)


def with_front(problem: Problem, answer: Answer) -> Answer:
    """An answer to a request with the front around it, drawn where it has none."""
    if answer.front is not None or answer.design.genotype is None:
        return answer
    return answer.model_copy(update={"front": draw_front(problem, answer.design.genotype).points})


def _runs(trials: Trials, values: IntArray) -> bool:
    """Whether values (1 x G) are a design of the space, as its device runs it."""
    sizes = [len(gene.choices) for gene in trials.space.genes(trials.task)]
    if values.shape[1] != len(sizes) or ((values < 0) | (values >= sizes)).any():
        return False
    return not (trials.allowed(values) != values).any()
