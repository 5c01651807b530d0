"""Fits the Generator to labels: the cross-entropy of every gene that has an effect.

The best answer stays the best within tighter limits, as long as it keeps them: limits are drawn anew between what was
asked and what the answer reaches, so that one label teaches many requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.ask import SIGNS
from optimizer.gene_code import GeneCode
from optimizer.generator import Generator, Places
from optimizer.labels import Labels
from optimizer.neural import Asked

RATE = 1e-3
BATCH = 256
BY_FAMILY = 0.5
"""Share of the requests answered with the best of all that name its family; those answered with the best of another
family always do. Proposals ask for every family by name, and for all."""
TIGHTENED = 0.5
"""Share of the limits that are drawn anew."""
_TOLD = 250


def fitted(
    code: GeneCode,
    labels: Labels,
    centre: Tensor,
    *,
    steps: int,
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> Generator:
    """A network that answers as the labels do, ready to be asked.

    Args:
        code: Of the genes, which are the same for all tasks of the labels.
        labels: Requests and their answers.
        centre: FIGURES, see Generator.
        steps: Of BATCH requests each.
        rng: Draws requests and limits.
        progress: Told the loss now and then, nats a gene.
    """
    torch.manual_seed(int(rng.integers(1 << 31)))
    families = int(code.sizes[0])
    generator, places = Generator(code.width, families), Places(code)
    generator.centre.copy_(centre)
    optim = torch.optim.Adam(generator.parameters(), RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, RATE, total_steps=steps, pct_start=0.05)
    mean = 0.0
    for step in range(steps):
        own = labels.take(torch.from_numpy(rng.integers(len(labels), size=BATCH)))
        asked = tightened(own, rng)
        wanted = asked.allowed[:, :families].clone()
        alone = own.by_family | torch.from_numpy(rng.random(BATCH) < BY_FAMILY)
        wanted[alone] = nn.functional.one_hot(own.answers[alone, 0], families).float()
        with torch.autocast("cpu", torch.bfloat16):
            scores = generator(asked.costs, asked.accuracy, asked.ask, asked.allowed, wanted)
        by_gene = places.by_gene(scores.float())
        wrong = nn.functional.cross_entropy(by_gene.flatten(0, 1), own.answers.flatten(), reduction="none")
        loss = (wrong * own.active.flatten()).sum() / own.active.sum()
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optim.step()
        schedule.step()
        mean += (float(loss.detach()) - mean) / min(step + 1, _TOLD)
        if (step + 1) % _TOLD == 0:
            progress(f"network: step {step + 1} of {steps}, {mean:.3f} nats a gene")
    return generator.eval().requires_grad_(False)


def tightened(labels: Labels, rng: np.random.Generator) -> Asked:
    """The requests of labels with some limits tighter, none tighter than the answer reaches."""
    share = rng.random(labels.slack.shape) * (rng.random(labels.slack.shape) < TIGHTENED)
    step = labels.slack.clamp(min=0) * torch.tensor(share, dtype=torch.float32) * SIGNS
    ask = labels.asked.ask
    return replace(labels.asked, ask=replace(ask, limits=ask.limits - step * ask.present))
