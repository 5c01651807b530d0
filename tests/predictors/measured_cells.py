"""Made-up measurements for tests: cells of NAS-Bench-201 on a device that deviates from its profile in a known way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np

from design.devices.catalogue import find_device
from design.encoding import EncodedDesigns, FloatArray
from design.spaces.registry import find_space
from design.task import find_task
from predictors.costs import costs_of
from predictors.descriptor import Descriptor, describe
from predictors.measurement import Measurements

TASK = find_task("cifar10")


def device(address: str = "raspberry-pi-4@tflite") -> Descriptor:
    return describe(find_device(address))


def cells(count: int, seed: int = 0) -> EncodedDesigns:
    """Random cells, each different."""
    space = find_space("nasbench201")
    genotypes = space.canonical(TASK, space.sample(TASK, 3 * count, np.random.default_rng(seed)))
    _, first = np.unique(genotypes, axis=0, return_index=True)
    return space.rows(TASK, genotypes[np.sort(first)[:count]])


def true_ms(designs: EncodedDesigns, own: Descriptor, level: float = 1.8, noise: float = 0.02) -> FloatArray:
    """Latency of a device `level` times slower than its profile says, dense 3x3 convolutions slower still."""
    costs = costs_of(designs, own, "horowitz")
    random = np.random.default_rng(len(designs))
    slower = np.exp(0.4 * costs.traits[:, 2] + noise * random.normal(size=len(designs)))
    return np.asarray(level * costs.latency_ms.median * slower)


def timed(designs: EncodedDesigns, latency_ms: FloatArray) -> Measurements:
    return Measurements(designs=designs, latency_ms=latency_ms, energy_mj=np.full(len(designs), np.nan))


@contextmanager
def within_seconds(most: int) -> Iterator[None]:
    """What does not end by then fails."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done within {most} s")

    earlier = signal.signal(signal.SIGALRM, late)
    signal.alarm(most)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
