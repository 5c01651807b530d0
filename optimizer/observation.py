"""Observation: what a network sees of a device - how its predictors price a fixed set of designs.

Whatever the predictors know (the descriptor, what was assumed, what measurements taught them, the energy model) shows
in what they say of these designs, and a network that reads it needs no knowledge of how they work. The idea of
describing a device by the latencies of reference networks is that of HELP (arXiv 2106.08630); here none of them is
measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from design.encoding import EncodedDesigns, FloatArray
from design.space import Space
from design.task import Task
from optimizer.repair import open_mask
from optimizer.starts import uniform_policies
from predictors.adapt import Adaptation
from predictors.descriptor import Descriptor
from predictors.predict import predict

PROBES = 24
"""Designs that every device is asked about."""
_SEED = 1
_LEAST = 1e-9


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the predictors say of the probes of one space on one device for one task.

    Attributes:
        costs: P x 2, natural logarithm of latency (ms) and of energy (mJ), medians.
        spreads: 2, standard deviations of these, the mean over the probes.
        accuracy: P, log odds of accuracy, medians.
        accuracy_spread: Standard deviation of these, the mean over the probes.
        memory: 2, logarithm of the pictures in a call, and 1 where weights take working memory.
    """

    costs: FloatArray
    spreads: FloatArray
    accuracy: FloatArray
    accuracy_spread: float
    memory: FloatArray


@lru_cache(maxsize=64)
def probes(space: Space, task: Task) -> EncodedDesigns:
    """The fixed designs: networks drawn at random, each with uniform bits and filters."""
    genes = space.genes(task)
    drawn = uniform_policies(genes, open_mask(genes), PROBES, np.random.default_rng(_SEED))
    return space.rows(task, space.canonical(task, drawn))


def log_odds(accuracy: FloatArray) -> FloatArray:
    """Of fractions."""
    inner = np.clip(accuracy, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inner / (1 - inner)))


def observe(
    space: Space, task: Task, device: Descriptor, energy_model: str, adaptation: Adaptation | None = None
) -> Observation:
    """Ask the predictors about the probes."""
    known = probes(space, task)  # type: ignore[arg-type]  # by identity
    found = predict(known, device, task, energy_model=energy_model, adaptation=adaptation)
    spreads = np.column_stack([found.latency_ms.spread, found.energy_mj.spread])
    return Observation(
        costs=np.log(np.column_stack([found.latency_ms.median, found.energy_mj.median])),
        spreads=spreads.mean(axis=0),
        accuracy=log_odds(found.accuracy.median),
        accuracy_spread=float(found.accuracy.spread.mean()),
        memory=np.array([np.log(device.batch_size), float(not device.weights_in_flash)]),
    )
