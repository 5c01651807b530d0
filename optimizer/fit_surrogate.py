"""Fits the Surrogate to the predictors: random designs on random devices, as many as wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from optimizer.fit_pool import Chunk, Park
from optimizer.surrogate import Surrogate

RATE = 1e-3
DEVICES = 3
"""Devices that each chunk of designs is priced on in one step."""
COST_WEIGHT = 5.0
"""Weight of squared errors of log costs beside those of the standardised other figures."""


def centre(surrogate: Surrogate, chunks: Sequence[Chunk]) -> None:
    """Set what the surrogate's own figures are standardised by."""
    own = torch.cat([chunk.own for chunk in chunks])
    surrogate.own_mean.copy_(own.mean(dim=0))
    surrogate.own_deviation.copy_(own.std(dim=0).clamp(min=1e-3))


def fit_surrogate(
    surrogate: Surrogate,
    chunks: Sequence[Chunk],
    park: Park,
    tasks: Sequence[object],
    *,
    steps: int,
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> None:
    """Train in place; each step is one chunk on a few devices.

    Args:
        surrogate: Centred, see `centre`.
        chunks: Designs; drawn at random.
        park: Devices; drawn at random.
        tasks: Of the park, in its order.
        steps: How many.
        rng: Draws chunks and devices.
        progress: Told the error now and then.
    """
    optim = torch.optim.Adam(surrogate.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, RATE, total_steps=steps, pct_start=0.05)
    mean = 0.0
    for step in range(steps):
        chunk, at = chunks[int(rng.integers(len(chunks)))], rng.integers(len(park), size=DEVICES).tolist()
        costs, own = _errors(surrogate, chunk, park, list(tasks).index(chunk.code.task), at)
        loss = COST_WEIGHT * costs.square().mean() + own.square().mean()
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optim.step()
        schedule.step()
        mean += 0.02 * (float(loss.detach()) - mean)
        if (step + 1) % 500 == 0:
            progress(f"surrogate: step {step + 1} of {steps}, loss {mean:.4f}")


def _errors(
    surrogate: Surrogate, chunk: Chunk, park: Park, task: int, at: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of N designs: of log costs on each of D devices, D x N x 2; of the other figures in deviations, N x 4."""
    amounts, own = surrogate.parts(chunk.hot, park.accuracy[task : task + 1])
    prices = surrogate.price(park.costs[task, list(at)])
    costs = torch.logsumexp(amounts[None] + prices[:, None], dim=3)
    true = torch.stack([chunk.costs(park.devices[one]) for one in at])
    return costs - true, (own - chunk.own) / surrogate.own_deviation


@torch.no_grad()
def held_out_error(
    surrogate: Surrogate, chunks: Sequence[Chunk], park: Park, tasks: Sequence[object]
) -> tuple[float, float, float]:
    """Median absolute error of log latency and log energy, and of log odds of accuracy."""
    costs, accuracy = [], []
    for number, chunk in enumerate(chunks):
        at = range(number % 5, len(park), 5)
        found, own = _errors(surrogate, chunk, park, list(tasks).index(chunk.code.task), at)
        costs.append(found.abs().flatten(0, 1))
        accuracy.append(own[:, -1].abs() * surrogate.own_deviation[-1])
    every = torch.cat(costs).median(dim=0).values
    return float(every[0]), float(every[1]), float(torch.cat(accuracy).median())
