"""Fronts of NAS-Bench-201 designs: what preferences choose beside the exact front, NSGA-II and random search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.cell_truth import LEAST_ACCURACY, Truth, trials_of
from benchmarks.hypervolume import hypervolume
from design.constraints import Preferences
from design.device import DeviceProfile
from design.encoding import FloatArray, IntArray
from design.spaces.nasbench201 import NasBench201Space
from optimizer.genetic import GeneticSearch
from optimizer.pareto import nondominated
from optimizer.proposals import proposed
from optimizer.search import Proposer, RandomSearch
from predictors.adapt import Adaptation

PREFERENCES = 24
GENETIC = (50, 50)
"""Population and generations of NSGA-II where it answers single requests."""


def front_ratios(
    truth: Truth, profile: DeviceProfile, adaptation: Adaptation | None, latency: FloatArray
) -> dict[str, float]:
    """Hypervolume (reference (1, 1)) over that of the exact front, and IGD+, both axes min-max normalised.

    The designs are those that each of PREFERENCES chooses. NSGA-II and random search have asked the predictors as often
    as all of them together did, in one run; each preference then chooses among all that it tried.
    """
    valid = np.isfinite(latency) & (latency > 0) & (truth.accuracy > LEAST_ACCURACY)
    points = np.column_stack([100 - truth.accuracy, latency])
    low, high = points[valid].min(axis=0), points[valid].max(axis=0)
    scaled = (points - low) / (high - low)
    exact = scaled[valid][nondominated(scaled[valid])]
    shares = np.linspace(0, 1, PREFERENCES)
    wanted = [Preferences(accuracy=float(share), latency=float(1 - share)) for share in shares]
    chosen: list[int] = []
    asked: list[IntArray] = []
    for preferences in wanted:
        trials = trials_of(truth, profile, adaptation, None, preferences)
        proposed([trials])
        asked.append(NasBench201Space.cell_numbers(trials.scores.genotypes[:, :6]))
        chosen.append(truth.row(trials.best().genotypes[0]))
    own = scaled[chosen]
    igd_plus = np.maximum(own[None] - exact[:, None], 0.0)
    found = {
        "hypervolume_ratio": hypervolume(own) / hypervolume(exact),
        "igd_plus": float(np.sqrt((igd_plus**2).sum(axis=2)).min(axis=1).mean()),
    }
    calls = len(np.unique(np.concatenate(asked)))
    rivals: dict[str, Proposer] = {
        "nsga2": GeneticSearch(GENETIC[0], calls // GENETIC[0]),
        "random": RandomSearch(calls),
    }
    for name, rival in rivals.items():
        trials = trials_of(truth, profile, adaptation, None, Preferences())
        rival.propose(trials, 0)
        best = [replace(trials.objective, preferences=one).best(trials.scores) for one in wanted]
        reached = scaled[[truth.row(one.genotypes[0]) for one in best]]
        found[f"hypervolume_ratio_{name}"] = hypervolume(reached) / hypervolume(exact)
    return found
