"""Eye: what one reading measures, on copies of the network and fixed training pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from networks.training.batches import Batches
from networks.training.errors import InvalidOptions
from networks.training.monitor.options import MonitorOptions
from networks.training.monitor.record import Reading
from networks.training.monitor.signs import SignFlips, binary_weights, dead_channels
from networks.training.objective import objective, teach
from networks.training.sharpness.critical import FORWARD_ONLY, measure_critical
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.hessian import FloatArray
from networks.training.sharpness.probe import Chunk, Probe
from networks.training.sharpness.surrogate import is_quantized
from networks.training.sharpness.thresholds import Threshold, threshold_of
from networks.training.watcher import Watched

FEWEST_PRODUCTS = 6
"""Hessian-vector products under which a first eigenvalue says nothing."""
FIRST = 3
"""How many times the products of a later reading the first one may take, from no vector."""
AFRESH = 8
"""Readings after which the vector is sought anew, with twice the products: another may have overtaken it unseen."""
READINGS = 12
"""That even a short training should have room for: it gets fewer pictures for that."""
FORWARDS, FORWARDS_PER_STEP = 6, 3
"""Forward passes of a critical step, and what a training step costs in them."""
FORWARDS_PER_PRODUCT = 10.0
"""Guess until one has been timed (a gradient is three forwards, a product about three gradients)."""
OF_ALLOWANCE = 0.4
"""Share of what may be spent in the whole run that goes into the first eigenvalue."""


class Eye:
    """Measures at a step. See `Reading` for what.

    Args:
        run: The training.
        options: What of it.

    Attributes:
        measures: What the sharpness is of; empty until it has been measured.
        critical_measures: What the critical sharpness is.
        statistics: What batch norms used, once it is known.
        refused: Why the eigenvalue is not measured although it was wanted.
        threshold: Of the last reading.
    """

    def __init__(self, run: Watched, options: MonitorOptions) -> None:
        self.run, self.options = run, options
        self.probe = _probe(run, options)
        self.exact = not is_quantized(run.module) if options.exact is None else options.exact
        self.measures, self.critical_measures = "", FORWARD_ONLY
        self.statistics: str | None = None
        self.refused: str | None = None
        self.threshold: Threshold | None = None
        self._flips = SignFlips()
        self._has_signs = bool(binary_weights(run.module))
        self._vectors: FloatArray | None = None
        self._stretch, self._looks = 1.0, 0
        self._product_seconds: float | None = None

    def look(self, reading: Reading, before: Sequence[Tensor], allowance: float) -> Reading:
        """The reading with all that is measured after the step.

        Args:
            reading: What was known before the step.
            before: The trained parameters then.
            allowance: Seconds that may be spent until the end of the run.
        """
        begun = time.perf_counter()
        found = self._critical(reading, before)
        if found.critical_outcome == "no number":
            return found
        forward_seconds = (time.perf_counter() - begun) / FORWARDS
        if self._has_signs:
            flipped, steps = self._flips.since_last(self.run.module, reading.step)
            dead = dead_channels(self.run.module, self.probe, self.options.statistics)
            found = replace(found, flip_ratio=flipped, flip_steps=steps, dead_channels=dead)
        if reading.learning_rate <= 0:
            return found
        try:
            self.threshold = threshold_of(self.run.stepper)
        except InvalidOptions as error:
            self.refused = str(error) if self.exact else self.refused
            self.exact = False
        if self.exact:
            found = self._eigenvalue(found, before, allowance, forward_seconds)
        return found

    def _critical(self, reading: Reading, before: Sequence[Tensor]) -> Reading:
        step = measure_critical(
            self.run.module, before, self.probe, statistics=self.options.statistics, start=self._stretch
        )
        if step.stretch is None:
            return replace(reading, probe_loss=step.loss, critical_outcome=step.outcome)
        self._stretch = step.stretch
        own = step.sharpness(reading.learning_rate) if reading.learning_rate > 0 else None
        return replace(
            reading,
            probe_loss=step.loss,
            critical_sharpness=own,
            critical_ratio=1 / step.stretch,
            critical_outcome=step.outcome,
        )

    def _eigenvalue(
        self, reading: Reading, before: Sequence[Tensor], allowance: float, forward_seconds: float
    ) -> Reading:
        assert self.threshold is not None
        fresh = self._looks % AFRESH == 0
        self._looks += 1
        most = (FIRST if self._vectors is None else 2 if fresh else 1) * self.options.products
        if self._vectors is None:
            seconds = self._product_seconds or FORWARDS_PER_PRODUCT * forward_seconds
            most = int(min(most, OF_ALLOWANCE * allowance / seconds))
            if most < FEWEST_PRODUCTS:
                self.exact = False
                self.refused = (
                    f"the eigenvalue was left out: a product with the Hessian takes about {seconds:.2g} s, and "
                    f"{FEWEST_PRODUCTS} of them are over the share of this run that may go into watching"
                )
                return reading
        step = _direction(self.run, before)
        start = step if fresh or self._vectors is None else np.column_stack([self._vectors, step])
        begun = time.perf_counter()
        found = measure_sharpness(
            self.run.module,
            self.probe,
            stepper=self.run.stepper,
            statistics=self.options.statistics,
            start=start,
            tolerance=self.options.tolerance,
            most=most,
            population=len(self.run.data.train),
        )
        self._product_seconds = (time.perf_counter() - begun) / found.products
        self._vectors, self.measures = found.vectors, found.measures
        self.statistics = None if found.statistics is None else str(found.statistics)
        return replace(
            reading,
            sharpness=found.value,
            sampling_error=found.sampling_error,
            residual=found.residual,
            threshold=self.threshold.sharpness / reading.clipped,
        )


def _probe(run: Watched, options: MonitorOptions) -> Probe:
    """Fixed training pictures, not augmented, in chunks of equal size where there are several."""
    train, device = run.data.train, next(run.module.parameters()).device
    chunk = min(options.chunk, run.options.batch_size, options.pictures, len(train))
    number = min(options.pictures, len(train))
    if options.every is None:
        shown = run.options.epochs * run.steps_per_epoch * run.options.batch_size
        number = min(number, max(chunk, int(options.share * FORWARDS_PER_STEP * shown / (READINGS * FORWARDS))))
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(options.seed))
    chosen = train.chosen(rows[: number - number % chunk])
    batches = Batches(chosen, batch_size=chunk, normalisation=run.data.normalisation, device=device)
    chunks: list[Chunk] = []
    for images, labels in batches.in_order():
        if run.teacher is not None and run.options.distillation:
            chunks.append((images, labels, teach(run.teacher, images, bf16=False)))
        else:
            chunks.append((images, labels))

    def loss(logits: Tensor, labels: Tensor, taught: Tensor | None = None) -> Tensor:
        return objective(logits.float(), labels, taught, run.options)

    return Probe(chunks=chunks, loss=loss)


def _direction(run: Watched, before: Sequence[Tensor]) -> FloatArray:
    """The step just taken, size x 1: it leans towards the sharpest direction."""
    trained = [one for one in run.module.parameters() if one.requires_grad]
    moved = [(new.detach() - old).double().cpu().reshape(-1) for new, old in zip(trained, before, strict=True)]
    found: FloatArray = torch.cat(moved).numpy()[:, None]
    if not np.isfinite(found).all() or not np.linalg.norm(found):
        return np.random.default_rng(0).standard_normal(found.shape)
    return found
