"""Method 1 of arXiv 2009.00278 beside method 2: a network fitted to answers, and the one fitted without labels.

Both are the same network, see the same of a device and a request, and are asked the same of devices that neither was
fitted on. Labels are what answers by default; on NAS-Bench-201 that is all but exact, and costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.optimizer_hybrid import trials_of
from benchmarks.report import say
from benchmarks.requests import draw_request, unseen_profiles
from design.device import DeviceProfile
from design.encoding import IntArray
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.fit_generator import BATCH, RATE
from optimizer.gene_code import GeneCode, gene_code
from optimizer.generator import Generator, Places
from optimizer.neural import Asked, NeuralSearch
from optimizer.neural_weights import NeuralWeights, neural_weights
from optimizer.objective import Objective, Scores
from optimizer.polish import polish
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.synthetic_profiles import synthetic_profiles
from optimizer.trials import Trials

SUPERVISED, TASK = ("nasbench201", "resnet"), "cifar10"
DEVICES, REQUESTS, STEPS, TESTED = 400, 20_000, 4_000, 200
QUICK_REQUESTS, QUICK_STEPS, QUICK_TESTED = 2_000, 400, 40
SEED = 50
Row = tuple[bool, float, float | None]


@dataclass(frozen=True)
class Labelled:
    """N requests as the network reads them, and their answers.

    Attributes:
        answers: N x G.
        active: N x G, which genes have an effect.
    """

    asked: Asked
    answers: Tensor
    active: Tensor

    def __len__(self) -> int:
        return len(self.answers)


def measure_supervised(space_name: str, *, quick: bool, seed: int) -> dict[str, Any]:
    """Keys of one space of `supervised`."""
    task, space = find_task(TASK), SPACES[space_name]
    code = gene_code(space, task)  # type: ignore[arg-type]  # by identity
    shipped = neural_weights(space, task)  # type: ignore[arg-type]  # by identity
    assert shipped is not None
    begun = perf_counter()
    rng = np.random.default_rng(SEED + seed)
    known = labelled(code, synthetic_profiles(DEVICES, SEED + seed), QUICK_REQUESTS if quick else REQUESTS, rng)
    labels_seconds, begun = perf_counter() - begun, perf_counter()
    generator = fitted(code, known, QUICK_STEPS if quick else STEPS, rng, like=shipped.generator)
    fit_seconds = perf_counter() - begun
    profiles, tested = unseen_profiles(seed), QUICK_TESTED if quick else TESTED
    problems = [draw_request(space, task, profiles, rng) for _ in range(tested)]
    found: dict[str, Any] = {
        "labels": len(known),
        "seconds_of_labels": labels_seconds,
        "seconds_of_fit": fit_seconds,
        "requests": tested,
    }
    networks = {
        "supervised": NeuralWeights(generator=generator, surrogate=shipped.surrogate),
        "without_labels": shipped,
    }
    for name, weights in networks.items():
        found[name] = judged(NeuralSearch(weights), problems)
        say(
            f"{space_name}, {name}: "
            + ", ".join(f"{key} {value:.3g}" for key, value in found[name].items() if value is not None)
        )
    return found


def answered(problem: Problem) -> tuple[Trials, Scores]:
    """What answers by default: all cells priced, or the library, and one round of exchanges."""
    trials = trials_of(problem)
    proposed([trials])
    return trials, trials.best()


def labelled(code: GeneCode, profiles: Sequence[DeviceProfile], count: int, rng: np.random.Generator) -> Labelled:
    """Requests on devices drawn at random that have an answer, and the answers."""
    asked: list[Asked] = []
    answers: list[IntArray] = []
    while len(answers) < count:
        problem = draw_request(code.space, code.task, [profiles[int(rng.integers(len(profiles)))]], rng)
        trials, best = answered(problem)
        if trials.objective.feasible(best):
            asked.append(Asked.of(trials))
            answers.append(best.genotypes[0])
    genotypes = np.array(answers)
    return Labelled(Asked.joined(asked), torch.from_numpy(genotypes), torch.from_numpy(code.active(genotypes)))


def fitted(code: GeneCode, known: Labelled, steps: int, rng: np.random.Generator, *, like: Generator) -> Generator:
    """A network that answers as the labels do: cross-entropy of every gene that has an effect."""
    torch.manual_seed(int(rng.integers(1 << 31)))
    families = int(code.sizes[0])
    generator, places = Generator(code.width, families), Places(code)
    generator.centre.copy_(like.centre)
    optim = torch.optim.Adam(generator.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, RATE, total_steps=steps, pct_start=0.05)
    for _ in range(steps):
        at = torch.from_numpy(rng.integers(len(known), size=BATCH))
        asked, answers, active = known.asked.take(at), known.answers[at], known.active[at]
        wanted = asked.allowed[:, :families].clone()
        alone = torch.from_numpy(rng.random(BATCH) < 0.5)
        wanted[alone] = torch.nn.functional.one_hot(answers[alone, 0], families).float()  # asked for by its family
        scores = generator(asked.costs, asked.accuracy, asked.ask, asked.allowed, wanted)
        by_gene = places.by_gene(scores)
        loss = torch.nn.functional.cross_entropy(by_gene.flatten(0, 1), answers.flatten(), reduction="none")
        loss = (loss * active.flatten()).sum() / active.sum()
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optim.step()
        schedule.step()
    return generator.eval().requires_grad_(False)


def _compared(objective: Objective, best: Scores, own: Scores, *, alone: bool) -> Row:
    """Feasible, utility behind the best, points of accuracy behind it where only that counts."""
    behind = float(objective.utility(best)[0] - objective.utility(own)[0])
    points = 100 * float(best.accuracy[0] - own.accuracy[0]) if alone else None
    return objective.feasible(own), behind, points


def judged(search: NeuralSearch, problems: Sequence[Problem]) -> dict[str, float | None]:
    """How near a network comes to what answers by default: the first answer, the best of all, and that one polished."""
    rows: dict[str, list[Row]] = {"first": [], "answers": [], "polished": []}
    for problem in problems:
        trials, best = answered(problem)
        if not trials.objective.feasible(best):
            continue
        compared = partial(_compared, trials.objective, best, alone=problem.preferences.accuracy == 1.0)
        own = trials_of(problem)
        first = own.score(search.first(own))
        rows["first"].append(compared(first))
        own.score(search.answers(own))
        rows["answers"].append(compared(own.best()))
        polish(own, rounds=1, count=1)
        rows["polished"].append(compared(own.best()))
    found: dict[str, float | None] = {}
    for name, own_rows in rows.items():
        kept = [row for row in own_rows if row[0]]
        points = [row[2] for row in kept if row[2] is not None]
        found[f"{name}_feasible"] = len(kept) / max(len(own_rows), 1)
        found[f"{name}_behind"] = float(np.mean([row[1] for row in kept])) if kept else None
        found[f"{name}_points"] = float(np.mean(points)) if points else None
    return found
