"""Monitor: watches a training - how near its steps are to the edge of stability, and what becomes of its signs.

    monitor = Monitor()
    fit(module, data, options, watcher=monitor)
    for verdict in monitor.record().verdicts:
        print(verdict.step, verdict.words)

Everything is measured on copies, with random numbers of its own, so that weights, statistics, quantizers and the order
of pictures are the same, to the digit, as without it. It never ends a training: what fails is noted in the record.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from networks.training.monitor.cadence import Cadence
from networks.training.monitor.eye import Eye
from networks.training.monitor.options import MonitorOptions
from networks.training.monitor.record import MonitorRecord, Reading, StartAdvice
from networks.training.monitor.signs import dead_weights
from networks.training.monitor.storage import load_record, save_record
from networks.training.monitor.verdicts import verdicts
from networks.training.watcher import Watched

DEFAULT = MonitorOptions()
SUGGESTED = 0.7
"""Of the largest stable step size: room for what sharpens in the first steps."""


class Monitor:
    """A watcher for `networks.training.fit.fit`.

    Args:
        options: What for, and at which cost.
        path: A file for the record, written after every epoch; a training that goes on from a checkpoint goes on with
        it.
    """

    def __init__(self, options: MonitorOptions = DEFAULT, *, path: Path | None = None) -> None:
        self.options, self.path = options, path
        self._readings: list[Reading] = []
        self._start: StartAdvice | None = None
        self._failed: str | None = None
        self._losses: list[float] = []
        self._broken = False
        self._pending: tuple[Reading, list[Tensor]] | None = None

    def begin(self, run: Watched, step: int) -> None:
        """See `Watcher`."""
        old = load_record(self.path) if self.path is not None and step else None
        if old is not None:
            self._readings, self._start = [one for one in old.readings if one.step < step], old.start
        options, steps = self.options, run.steps_per_epoch * run.options.epochs
        self.run, self._fresh = run, not self._readings
        self.cadence = Cadence(share=options.share, every=options.every, most=options.most, steps=steps)
        self.eye = Eye(run, options)

    def before(self, step: int, loss: float) -> None:
        """See `Watcher`."""
        self._broken = not math.isfinite(loss)
        if not self._broken:
            self._losses.append(loss)
        due = self.cadence.due(step)
        if not self._broken and (self._failed is not None or not due):
            return
        begun = self.cadence.clock()
        own = [one for one in self.run.module.parameters() if one.requires_grad]
        self._pending = (self._known(step, own), [one.detach().clone() for one in own])
        self.cadence.charge(self.cadence.clock() - begun)

    def after(self, step: int) -> None:
        """See `Watcher`."""
        if self._pending is not None:
            self._read(*self._pending)
            self._pending = None
        if self.path is not None and ((step + 1) % self.run.steps_per_epoch == 0 or self._broken):
            begun = self.cadence.clock()
            save_record(self.record(), self.path)
            self.cadence.charge(self.cadence.clock() - begun)

    def record(self) -> MonitorRecord:
        """What has been seen so far."""
        small = self.run.options.batch_size < len(self.run.data.train)
        chunks = self.eye.probe.chunks
        return MonitorRecord(
            readings=tuple(self._readings),
            verdicts=verdicts(self._readings, small_batches=small),
            start=self._start,
            threshold="" if self.eye.threshold is None else self.eye.threshold.words,
            measures=self.eye.measures,
            critical_measures=self.eye.critical_measures,
            statistics=self.eye.statistics,
            pictures=len(self.eye.probe),
            chunk=max(len(chunk[0]) for chunk in chunks),
            steps=self.cadence.steps,
            overhead=self.cadence.overhead,
            failed=self._failed or self.eye.refused,
        )

    def _known(self, step: int, own: Sequence[Tensor]) -> Reading:
        """What is known before the step."""
        slopes = [one.grad for one in own if one.grad is not None]
        norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one.float()) for one in slopes])))
        limit, clipped = self.run.options.clip_norm, 1.0
        if limit is not None and norm > limit:
            clipped = limit / norm
        losses, self._losses = self._losses, []
        reading = Reading(
            step=step,
            learning_rate=float(self.run.stepper.param_groups[0]["lr"]),
            loss=None if self._broken else statistics.fmean(losses),
            loss_deviation=None if self._broken else statistics.pstdev(losses),
            highest_loss=None if self._broken else max(losses),
            gradient_norm=norm if math.isfinite(norm) else None,
            clipped=clipped if math.isfinite(norm) else 1.0,
            dead_weights=dead_weights(self.run.module),
        )
        return reading

    def _read(self, reading: Reading, before: list[Tensor]) -> None:
        begun = self.cadence.clock()
        if not self._broken:
            try:
                reading = self.eye.look(reading, before, self.cadence.allowance(reading.step))
            except (RuntimeError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
                self._failed = f"watching was given up at step {reading.step}: {error}"
        seconds = self.cadence.clock() - begun
        self._readings.append(_of_numbers(replace(reading, seconds=seconds)))
        if self._fresh and len(self._readings) == 1:
            self._start = self._advice(self._readings[0])
        self.cadence.done(reading.step, seconds)

    def _advice(self, first: Reading) -> StartAdvice | None:
        if first.sharpness is None or first.sharpness <= 0 or self.eye.threshold is None:
            return None
        planned = self.run.options.learning_rate
        largest = replace(self.eye.threshold, rate=planned).largest_rate(first.sharpness)
        share = planned / largest
        words = (
            f"At step {first.step} the sharpness is {first.sharpness:.3g}: step sizes up to {largest:.2g} are stable. "
        )
        if share > 1:
            words += (
                f"The planned peak of {planned:g} is {share:.2g} times that: {SUGGESTED * largest:.2g} would be on the "
                "safe side, or a longer warm-up, during which the curvature comes down."
            )
        else:
            words += f"The planned peak of {planned:g} is {share:.2g} of that."
        return StartAdvice(
            step=first.step,
            sharpness=first.sharpness,
            largest_rate=largest,
            suggested_rate=SUGGESTED * largest,
            planned_rate=planned,
            words=words,
        )


def _of_numbers(reading: Reading) -> Reading:
    """The reading without infinities and NaN, which JSON does not know."""
    wrong = [name for name, value in asdict(reading).items() if isinstance(value, float) and not math.isfinite(value)]
    return replace(reading, **dict.fromkeys(wrong))  # type: ignore[arg-type]
