"""Verdicts on readings of known kinds, each with the words that matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from networks.training.data import TrainingData
from networks.training.fit import fit
from networks.training.monitor.monitor import Monitor
from networks.training.monitor.options import MonitorOptions
from networks.training.monitor.record import Finding, Reading, Verdict
from networks.training.monitor.verdicts import verdicts
from networks.training.options import FitOptions
from tests.networks.training.tiny import digits


def run(ratios: Sequence[float], losses: Sequence[float] | None = None, **others: float) -> list[Reading]:
    """Readings every ten steps at a threshold of 20; losses fall unless they are given."""
    found = losses or [1.0 / (1 + place) for place in range(len(ratios))]
    return [
        Reading(
            step=10 * place,
            learning_rate=0.1,
            loss=loss,
            loss_deviation=0.01,
            highest_loss=loss,
            gradient_norm=1.0,
            sharpness=20 * ratio,
            threshold=20.0,
            **others,  # type: ignore[arg-type]
        )
        for place, (ratio, loss) in enumerate(zip(ratios, found, strict=True))
    ]


def last(readings: Sequence[Reading], *, small_batches: bool = False) -> Verdict:
    return verdicts(readings, small_batches=small_batches)[-1]


def test_headroom() -> None:
    found = last(run([0.4] * 10))
    assert found.finding is Finding.HEADROOM
    assert "2.5 times as large" in found.words
    assert found.step == 0
    assert "no call for larger steps" in last(run([0.4] * 10), small_batches=True).words


def test_progressive_sharpening() -> None:
    found = last(run([0.1 * 1.2**place for place in range(10)]))
    assert found.finding is Finding.SHARPENING
    assert "normal" in found.words


def test_at_the_edge_since_when() -> None:
    found = last(run([0.3, 0.5, 0.7, 0.9, 1.05, 0.97, 1.02, 1.0]))
    assert (found.finding, found.step) == (Finding.EDGE, 30)
    assert "Leave the step size" in found.words
    over = last(run([1.0, 1.4, 1.6, 1.7, 1.7]))
    assert over.finding is Finding.EDGE
    assert over.words.startswith("Over the edge")


def test_diverging() -> None:
    found = last(run([0.9, 1.6, 2.0, 3.0, 5.0], [1.0, 0.9, 1.5, 4.0, 20.0]))
    assert (found.finding, found.step) == (Finding.DIVERGING, 10)
    assert "Halve the step size" in found.words
    broken = run([0.9, 1.6, 2.0])
    broken[-1] = replace(broken[-1], loss=None, highest_loss=None, sharpness=None)
    assert "no longer a number" in last(broken).words


def test_a_catapult_is_told_from_a_fault() -> None:
    losses = [1.0, 0.9, 0.8, 5.0, 0.8, 0.6, 0.5, 0.4]
    found = verdicts(run([0.9, 1.1, 1.4, 1.2, 0.6, 0.5, 0.5, 0.5], losses), small_batches=False)
    assert [one.finding for one in found] == [Finding.CATAPULT, Finding.HEADROOM]
    assert found[0].step == 30
    assert "Harmless" in found[0].words
    fault = verdicts(run([0.2] * 8, losses), small_batches=False)
    assert [one.finding for one in fault] == [Finding.SPIKE, Finding.HEADROOM]
    assert "not the step size" in fault[0].words


def test_batches_that_differ_are_no_spike() -> None:
    readings = run([0.3] * 8)
    noisy = [replace(one, loss=0.2, loss_deviation=0.1, highest_loss=0.5 + 0.1 * (one.step % 20)) for one in readings]
    assert [one.finding for one in verdicts(noisy, small_batches=True)] == [Finding.HEADROOM]
    far = [*noisy[:5], replace(noisy[5], highest_loss=9.0), *noisy[6:]]
    assert [one.finding for one in verdicts(far, small_batches=True)] == [Finding.SPIKE, Finding.HEADROOM]


def test_noise_of_small_batches() -> None:
    """Seen by critical steps alone."""
    bare = [replace(one, sharpness=None, threshold=None) for one in run([1.0] * 8)]
    long = [replace(one, critical_ratio=3.0, critical_sharpness=60.0) for one in bare]
    found = last(long, small_batches=True)
    assert found.finding is Finding.NOISE
    assert "3 times as long" in found.words
    at_once = [replace(one, critical_outcome="rises at once") for one in bare]
    assert "6 of the last 6 steps" in last(at_once, small_batches=True).words
    assert last(long, small_batches=False).finding is Finding.EDGE


def test_dead_signs() -> None:
    found = verdicts(run([0.4] * 5, dead_channels=0.25, dead_weights=0.6), small_batches=True)
    assert [one.finding for one in found] == [Finding.DEAD_SIGNS, Finding.DEAD_SIGNS, Finding.HEADROOM]
    words = " ".join(one.words for one in found)
    assert "25% of the channels" in words
    assert "60% of the binary weights" in words
    assert len(verdicts(run([0.4] * 5, dead_channels=0.02, dead_weights=0.1), small_batches=True)) == 1


def test_too_few_readings() -> None:
    assert last([]).finding is Finding.UNKNOWN
    assert last(run([0.4] * 2)).finding is Finding.UNKNOWN


def full_batch(rate: float, epochs: int, *, scale: float = 1.0) -> tuple[Monitor, TrainingData]:
    """Descent without momentum on all of a few digits at once: the theory's own case."""
    data = digits(100)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 10))
    with torch.no_grad():
        for one in module.parameters():
            one.mul_(scale)
    options = FitOptions(
        epochs=epochs, batch_size=len(data.train), learning_rate=rate, warmup_epochs=0, momentum=0, nesterov=False,
        weight_decay=0, bf16=False,
    )  # fmt: skip
    monitor = Monitor(MonitorOptions(every=5, pictures=100, chunk=100, products=20, tolerance=0.01))
    fit(module, data, options, watcher=monitor)
    return monitor, data


def test_on_trainings_with_known_ends() -> None:
    """A small step has headroom or sharpens; one far over the threshold first jumps, then lands less curved."""
    calm, _ = full_batch(0.02, 60)
    record = calm.record()
    assert record.verdicts[-1].finding in (Finding.HEADROOM, Finding.SHARPENING)
    assert record.start is not None
    assert record.start.largest_rate > 0.02
    wild, _ = full_batch(3 * record.start.largest_rate, 120, scale=2.0)
    seen = wild.record()
    assert seen.start is not None
    assert "times that" in seen.start.words
    ratios = [one.ratio for one in seen.readings if one.ratio is not None]
    assert ratios[0] > 1
    assert min(ratios) < ratios[0]
    assert all(one.loss is not None and math.isfinite(one.loss) for one in seen.readings)


@pytest.mark.parametrize("rate", [0.05])
def test_the_advised_step_is_stable(rate: float) -> None:
    """At the suggested rate the full-batch loss falls at every step of the beginning."""
    first, _ = full_batch(rate, 5)
    start = first.record().start
    assert start is not None
    again, _ = full_batch(start.suggested_rate, 20)
    losses = [one.loss for one in again.record().readings if one.loss is not None]
    assert losses == sorted(losses, reverse=True)
