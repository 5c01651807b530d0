"""Fits the Generator without labels: its designs are judged by the surrogate, whose gradient says what to change.

    loss = -utility + STEEP x sum over limits of max(0, excess + MARGIN)

the second method of arXiv 2009.00278 (there with weights in place of limits), over hard choices with straight-through
gradients. Requests are drawn around what known designs cost, so that limits are neither idle nor hopeless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from optimizer.ask import Ask, excess, utility
from optimizer.fit_pool import Chunk, Park
from optimizer.gene_code import GeneCode
from optimizer.generator import Generator, Places, straight_through
from optimizer.objective import LEAST_WEIGHT
from optimizer.surrogate import FIGURES, Figure, Surrogate

RATE = 1e-3
BATCH = 256
STEEP, MARGIN = 5.0, 0.03
ENTROPY = 0.002
"""Reward for open choices (nats), falling to 0: keeps early training from settling too soon."""
PRESENT = (0.6, 0.4, 0.5, 0.3, 0.15, 0.1)
"""Chance that a request sets each limit."""
REACH = 0.5
"""Standard deviation of the logarithm of a limit around what a known design costs."""
ACCURACY_REACH = 0.4
ACCURACY_ALONE = 0.5
"""Chance that a request weighs accuracy alone."""
ANY_FAMILY = 0.4
RISKS = (0.02, 0.3)


@dataclass(frozen=True)
class Requests:
    """B requests on devices of a park for one task.

    Attributes:
        at: B, which devices.
        ask: What is wanted.
        families: B x choices of the first gene.
    """

    at: Tensor
    ask: Ask
    families: Tensor


def draw(
    surrogate: Surrogate, hot: Tensor, park: Park, task: int, families: int, count: int, rng: np.random.Generator
) -> Requests:
    """Requests around the figures of designs (`hot`, N x W) drawn at random on devices drawn at random."""
    at = torch.from_numpy(rng.integers(len(park), size=count))
    known = hot[torch.from_numpy(rng.integers(len(hot), size=count))]
    with torch.no_grad():
        figures = _figures(surrogate, known, park, task, at)
    shift = rng.normal(0.0, REACH, (count, FIGURES))
    shift[:, Figure.ACCURACY] = -np.abs(rng.normal(0.0, ACCURACY_REACH, count))
    present = torch.tensor(rng.random((count, FIGURES)) < np.array(PRESENT), dtype=torch.float32)
    weights = rng.dirichlet(np.full(4, 0.5), count)
    weights[rng.random(count) < ACCURACY_ALONE] = (1.0, 0.0, 0.0, 0.0)
    risks = rng.uniform(*RISKS, count)
    quantiles = np.array([NormalDist().inv_cdf(1 - risk) for risk in risks])
    wanted = np.zeros((count, families))
    wanted[np.arange(count), rng.integers(families, size=count)] = 1
    wanted[rng.random(count) < ANY_FAMILY] = 1
    return Requests(
        at,
        Ask(
            (figures + torch.tensor(shift, dtype=torch.float32)) * present,
            present,
            torch.tensor(np.maximum(weights, LEAST_WEIGHT), dtype=torch.float32),
            park.accuracy_spread[task] * torch.tensor(quantiles, dtype=torch.float32),
        ),
        torch.tensor(wanted, dtype=torch.float32),
    )


def _figures(surrogate: Surrogate, designs: Tensor, park: Park, task: int, at: Tensor) -> Tensor:
    prices = surrogate.price(park.costs[task, at])
    found: Tensor = surrogate(designs, prices, park.accuracy[task : task + 1], park.memory[at])
    return found


def scores_of(generator: Generator, park: Park, task: int, requests: Requests) -> Tensor:
    """Scores of all choices for requests, B x W."""
    accuracy = park.accuracy[task : task + 1].expand(len(requests.at), -1)
    found: Tensor = generator(
        park.costs[task, requests.at], accuracy, requests.ask, park.allowed[requests.at], requests.families
    )
    return found


def fit_generator(
    generator: Generator,
    surrogate: Surrogate,
    codes: Sequence[GeneCode],
    chunks: Sequence[Chunk],
    park: Park,
    *,
    steps: int,
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> None:
    """Train in place; each step is BATCH requests for one task."""
    places = Places(codes[0])
    by_task = [torch.cat([chunk.hot for chunk in chunks if chunk.code is code]) for code in codes]
    torch.manual_seed(int(rng.integers(1 << 31)))
    for parameter in surrogate.parameters():
        parameter.requires_grad_(False)
    optim = torch.optim.Adam(generator.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, RATE, total_steps=steps, pct_start=0.05)
    families = int(codes[0].sizes[0])
    for step in range(steps):
        task = int(rng.integers(len(codes)))
        requests = draw(surrogate, by_task[task], park, task, families, BATCH, rng)
        by_gene = places.by_gene(scores_of(generator, park, task, requests))
        noise = -torch.log(-torch.log(torch.rand_like(by_gene).clamp(1e-9, 1 - 1e-7)))
        chosen, near = straight_through(by_gene, noise)
        active = torch.from_numpy(codes[task].active(codes[task].space.canonical(codes[task].task, chosen.numpy())))
        designs = places.joined(near) * active[:, places.gene_of]
        figures = _figures(surrogate, designs, park, task, requests.at)
        over = torch.relu(excess(figures, requests.ask) + MARGIN * requests.ask.present).sum(dim=1)
        gained = utility(figures, requests.ask)
        share = torch.softmax(by_gene, dim=-1)
        open_choices = -(share * torch.log(share.clamp(min=1e-9))).sum(dim=(1, 2)).mean()
        loss = (STEEP * over - gained).mean() - ENTROPY * (1 - step / steps) * open_choices
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optim.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            progress(
                f"generator: step {step + 1} of {steps}, utility {float(gained.detach().mean()):.3f}, "
                f"excess {float(over.detach().mean()):.3f}"
            )
    for parameter in surrogate.parameters():
        parameter.requires_grad_(True)


@torch.no_grad()
def proposed(
    generator: Generator,
    surrogate: Surrogate,
    code: GeneCode,
    task: int,
    hot: Tensor,
    park: Park,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Genotypes that the generator answers random requests with, a tenth of their genes drawn anew, `count` x G."""
    requests = draw(surrogate, hot, park, task, int(code.sizes[0]), count, rng)
    by_gene = Places(code).by_gene(scores_of(generator, park, task, requests))
    chosen = by_gene.argmax(dim=-1).numpy()
    changed = rng.random(chosen.shape) < 0.2 * rng.random((count, 1))
    return np.where(changed, rng.integers(0, code.sizes, size=chosen.shape), chosen)
