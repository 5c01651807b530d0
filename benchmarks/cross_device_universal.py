"""The universal predictor on chips never seen, all tables at once: the tested chip family is left out of EVERY table.

Families are split into folds over all tables together; prices, share, variances and widening are fitted on the other
folds. Of a tested device its catalogue profile is used and 0, 3 or 10 measurements drawn at random from its own pairs,
which are left out of the score. Timings of ncnn CPUs are scored here by the sum of layers alone; predictions follow
the model of `ncnn_all` there.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.scores import rank_correlation
from design.design import Design
from design.devices.catalogue import find_device
from design.encoding import EncodedDesigns, FloatArray, encode_designs
from design.spaces.registry import find_space
from design.task import find_task
from predictors.descriptor import describe
from predictors.fit_deviations import LeftOut, adapted, left_out
from predictors.fit_price_model import family_folds, timings
from predictors.fit_universal import fit_universal
from predictors.price_model import runtime_class
from predictors.random_effects import NORMAL_90
from predictors.roofline import latency, layer_times
from predictors.timed_tables import read_timed_devices
from predictors.universal import UniversalLatency
from predictors.universal_weights import UniversalWeights

COUNTS = (0, 3, 10)
FOLDS, QUICK_FOLDS = 8, 4
DRAWS = 3
BATCH, OBJECTS, REPEATS = 1000, 200, 5
SPEED_DEVICES = ("raspberry-pi-4", "stm32l4r5", "titan-rtx@batch_32")
_FACTOR = 1.5
_LEAST_RANKED = 5
Scores = dict[str, float]


class _Tally:
    """Errors of one group of tables."""

    def __init__(self) -> None:
        self.errors: list[FloatArray] = []
        self.inside: list[FloatArray] = []
        self.ranks: list[float] = []

    def add(self, truth: FloatArray, predicted: FloatArray, spread: FloatArray) -> None:
        """Logs of one device and draw."""
        self.errors.append(truth - predicted)
        self.inside.append((np.abs(truth - predicted) <= NORMAL_90 * spread).astype(np.float64))
        if len(truth) >= _LEAST_RANKED:
            self.ranks.append(rank_correlation(predicted, truth))

    def scores(self) -> Scores:
        """Over the pairs of all devices and draws together; ranks are means over devices."""
        away = np.concatenate(self.errors)
        found = {
            "mape_median": float(np.median(np.abs(np.expm1(-away)))),
            "within_1_5x": float((np.abs(away) < np.log(_FACTOR)).mean()),
            "coverage_90": float(np.concatenate(self.inside).mean()),
        }
        return found | ({"srcc": float(np.mean(self.ranks))} if self.ranks else {})


def _device(own: LeftOut, weights: UniversalWeights, tallies: dict[tuple[str, str], _Tally]) -> None:
    """Score one device that `weights` have not seen, after each of COUNTS measurements, and by the roofline."""
    one, truth = own.one, np.log(1e-3 * own.one.latency_ms)
    prior = truth - own.deviation
    closed = latency(one.designs, layer_times(one.designs.rows, one.device), one.device)
    tallies[one.group, "roofline"].add(truth, np.log(1e-3 * closed.median), closed.spread)
    for count in COUNTS:
        if len(truth) <= count:
            continue
        for draw in range(DRAWS if count else 1):
            mean, spread, rest = adapted(own, weights.variances, weights.scatter, count, draw)
            wide = spread * weights.widening(count, runtime_class(own.one.device))
            tallies[one.group, str(count)].add(truth[rest], prior[rest] + mean, wide)


def measure_universal(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Keys `{group}.{0,3,10,roofline}` with their scores, `pairs_per_s` and `pairs_per_s_objects`."""
    devices = read_timed_devices(folder)
    data = timings(devices)
    folds = QUICK_FOLDS if quick else FOLDS
    fold = family_folds(devices, folds, seed=1)
    tallies: dict[tuple[str, str], _Tally] = defaultdict(_Tally)
    for number in range(folds):
        weights = fit_universal(data.take(np.flatnonzero(fold != number)))
        for place in np.flatnonzero(fold == number):
            _device(left_out(devices[place], weights.prices, weights.shares), weights, tallies)
        say(f"universal: fold {number + 1} of {folds}")
    found: dict[str, Any] = defaultdict(dict)
    for (group, count), tally in tallies.items():
        found[group][count] = tally.scores()
        say(f"universal {group} {count}: " + ", ".join(f"{k} {v:.3f}" for k, v in found[group][count].items()))
    return dict(found) | measure_speed()


def measure_speed() -> dict[str, float]:
    """Predictions of latency per second on one core, batch 1,000, shipped weights, slowest of three kinds of devices.

    `pairs_per_s` on encoded arrays of NAS-Bench-201 and of the residual space, which has fifty times the distinct
    layers (`pairs_per_s_resnet`); `pairs_per_s_objects` on lists of Design objects, encoded in the call.
    """
    task, found = find_task("cifar10"), {}
    for key, name in (("pairs_per_s", "nasbench201"), ("pairs_per_s_resnet", "resnet")):
        space = find_space(name)
        genotypes = space.sample(task, BATCH, np.random.default_rng(0))
        found[key] = min(_pairs_per_second(space.rows(task, genotypes), address) for address in SPEED_DEVICES)
    space = find_space("nasbench201")
    genotypes = space.sample(task, OBJECTS, np.random.default_rng(1))
    objects = [space.decode(task, row) for row in genotypes]
    found["pairs_per_s_objects"] = _objects_per_second(objects, SPEED_DEVICES[0])
    return found


def _pairs_per_second(designs: EncodedDesigns, address: str) -> float:
    device, model = describe(find_device(address)), UniversalLatency()
    taken = []
    for _ in range(REPEATS):
        begun = thread_time()
        model.parts(designs, device)
        taken.append(thread_time() - begun)
    return len(designs) / float(np.median(taken))


def _objects_per_second(objects: list[Design], address: str) -> float:
    device, model = describe(find_device(address)), UniversalLatency()
    begun = thread_time()
    model.parts(encode_designs(objects), device)
    return len(objects) / (thread_time() - begun)
