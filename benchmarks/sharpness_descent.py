"""Full-batch descent of a small tanh network on real images, with its sharpness followed on the way."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn, optim

from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.thresholds import threshold_of

IMAGES, SIDE, CLASSES = 1000, 8, 10
HIDDEN = 64
MOMENTUM = 0.9
CROSSED = 0.95
RULES = ("gd", "polyak", "nesterov")
RATE_TIMES_THRESHOLD = {
    "gd": 2.0,
    "polyak": 2 + 2 * MOMENTUM,
    "nesterov": (2 + 2 * MOMENTUM) / (1 + 2 * MOMENTUM),
}


@dataclass(frozen=True, kw_only=True)
class Descent:
    """One run.

    Attributes:
        rule: `gd`, `polyak` or `nesterov`.
        threshold: Sharpness at which it turns unstable; its step size follows.
        steps: How many.
        every: Steps between readings.
        seed: Of the weights.
    """

    rule: str
    threshold: float
    steps: int
    every: int
    seed: int = 0

    @property
    def rate(self) -> float:
        """Step size."""
        return RATE_TIMES_THRESHOLD[self.rule] / self.threshold


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a run did.

    Attributes:
        at: Steps of the readings.
        ratios: Sharpness over threshold at them.
        losses: At them.
        rises: Share of steps that raised the loss, before and after the first crossing of .95.
        end: Why it ended early; None where it did not.
    """

    run: Descent
    at: tuple[int, ...]
    ratios: tuple[float, ...]
    losses: tuple[float, ...]
    rises: tuple[float | None, float | None]
    end: str | None

    @property
    def crossing(self) -> int | None:
        """Which reading is the first at .95 or more; None = none."""
        return next((place for place, ratio in enumerate(self.ratios) if ratio >= CROSSED), None)

    @property
    def plateau(self) -> tuple[float, ...]:
        """All ratios from there on."""
        return () if self.crossing is None else self.ratios[self.crossing :]


def images_of(data: Path) -> tuple[Tensor, Tensor]:
    """The first 1,000 training pictures of CIFAR-10, grey, 8 x 8 by averaging: N x 64, and one-hot targets, float64.

    Every pixel has mean 0 and deviation 1 over the pictures.
    """
    with np.load(data / "cifar10_train_jpeg.npz") as found:
        content, offsets, labels = found["jpeg"], found["offsets"], found["labels"][:IMAGES]
        rows = [_grey(content[offsets[place] : offsets[place + 1]]) for place in range(IMAGES)]
    flat = np.stack(rows).reshape(IMAGES, -1)
    inputs = torch.from_numpy((flat - flat.mean(0)) / flat.std(0))
    return inputs, nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), CLASSES).double()


def _grey(jpeg: NDArray[np.uint8]) -> NDArray[np.float64]:
    picture = Image.open(io.BytesIO(jpeg.tobytes())).convert("L")
    pixels = np.asarray(picture, dtype=np.float64) / 255
    blocks = pixels.reshape(SIDE, pixels.shape[0] // SIDE, SIDE, pixels.shape[1] // SIDE)
    found: NDArray[np.float64] = blocks.mean((1, 3))
    return found


def network_of(seed: int) -> nn.Sequential:
    """Two hidden layers of tanh, torch's usual start, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(SIDE * SIDE, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES)
        ).double()


def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
    """1/2 |output - target|^2, the mean over pictures."""
    return 0.5 * (outputs - targets).square().sum(1).mean()


def descend(run: Descent, inputs: Tensor, targets: Tensor) -> Course:
    """Run it; the sharpness is that of all pictures it descends on."""
    module = network_of(run.seed)
    stepper = optim.SGD(
        module.parameters(),
        lr=run.rate,
        momentum=0.0 if run.rule == "gd" else MOMENTUM,
        nesterov=run.rule == "nesterov",
    )
    threshold = threshold_of(stepper).sharpness
    assert abs(threshold - run.threshold) < 1e-9 * threshold
    probe = Probe(chunks=((inputs, targets),), loss=half_square)
    at: list[int] = []
    ratios: list[float] = []
    all_losses: list[float] = []
    vectors, end = None, None
    for step in range(run.steps):
        if step % run.every == 0:
            found = measure_sharpness(module, probe, stepper=stepper, start=vectors, tolerance=1e-3, hold=True)
            vectors = None if step % (20 * run.every) == 0 else found.vectors
            at.append(step)
            ratios.append(found.value / threshold)
        stepper.zero_grad()
        loss = half_square(module(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
        all_losses.append(loss.item())
        if not all_losses[-1] < 1e6:
            end = f"the loss was {all_losses[-1]:.3g} at step {step}"
            break
    crossing = next((place for place, ratio in zip(at, ratios, strict=True) if ratio >= CROSSED), len(all_losses))
    return Course(
        run=run,
        at=tuple(at),
        ratios=tuple(ratios),
        losses=tuple(all_losses[place] for place in at),
        rises=(_rises(all_losses[:crossing]), _rises(all_losses[crossing:])),
        end=end,
    )


def _rises(losses: list[float]) -> float | None:
    """Share of steps that raised the loss."""
    if len(losses) < 2:
        return None
    return float(np.mean(np.diff(losses) > 0))
