"""Generator: the amortised optimizer - device, limits and preferences in, a whole design out, in one forward pass.

The second approach of Lu, Yang and Ren (arXiv 2009.00278): one network for all devices instead of a search for each.
It answers with scores for every choice of every gene: architecture, bits of every layer, shortcuts, filters kept.
Choices that the device cannot run are left out, not punished.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optimizer.ask import Ask
from optimizer.gene_code import GeneCode
from optimizer.observation import PROBES
from optimizer.surrogate import COSTS, FIGURES

HIDDEN = 384
BLOCKS = 3
_NEVER = -1e9


class Generator(nn.Module):
    """Scores of all choices.

    Attributes:
        centre: FIGURES, what limits are read relative to (beside the device's level).
    """

    centre: Tensor

    def __init__(self, width: int, families: int) -> None:
        super().__init__()
        seen = COSTS * PROBES + COSTS + PROBES
        self.first = nn.Linear(seen + 2 * FIGURES + 4 + 1 + width + families, HIDDEN)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN))
            for _ in range(BLOCKS)
        )
        self.last = nn.Linear(HIDDEN, width)
        self.register_buffer("centre", torch.zeros(FIGURES))

    def forward(self, costs: Tensor, accuracy: Tensor, ask: Ask, allowed: Tensor, families: Tensor) -> Tensor:
        """Scores of all choices, B x W; of those not allowed far below all others.

        Args:
            costs: B x P x 2, see Observation.
            accuracy: B x P.
            ask: B requests.
            allowed: B x W, 1 for choices that the device can run.
            families: B x choices of the first gene, 1 for those wanted.
        """
        level = costs.mean(dim=1)
        centre = self.centre.expand(len(costs), -1).clone()
        centre[:, :COSTS] += level
        open_to = allowed.clone()
        open_to[:, : families.shape[1]] *= families
        seen = torch.cat(
            [
                (costs - level[:, None]).flatten(1),
                0.3 * level,
                accuracy - self.centre[-1],
                ask.present * (ask.limits - centre),
                ask.present,
                ask.weights,
                ask.caution[:, None],
                open_to,
                families,
            ],
            dim=1,
        )
        with torch.autocast(seen.device.type, enabled=False):  # limits are read to the last digit
            hidden = self.first(seen)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        scores: Tensor = self.last(nn.functional.gelu(hidden))
        return scores.masked_fill(open_to < 0.5, _NEVER)


class Places:
    """The places of a GeneCode as tensors, to go from W choices to G genes and back."""

    def __init__(self, code: GeneCode) -> None:
        self.places = torch.from_numpy(code.places)
        self.has = torch.from_numpy(code.has)
        self.gene_of = torch.from_numpy(code.gene_of)
        self.flat = self.places[self.has]
        self.width = code.width

    def by_gene(self, scores: Tensor) -> Tensor:
        """B x W to B x G x most choices; those a gene does not have are far below all others."""
        return scores[:, self.places].masked_fill(~self.has, _NEVER)

    def joined(self, by_gene: Tensor) -> Tensor:
        """B x G x most choices to B x W."""
        return by_gene[:, self.has]


def straight_through(by_gene: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Hard choices with the gradient of soft ones (Gumbel-softmax, arXiv 1611.01144): choices B x G, and the one-hots.

    Args:
        by_gene: B x G x most choices, scores.
        noise: The same shape, standard Gumbel.
    """
    soft = torch.softmax(by_gene + noise, dim=-1)
    chosen = soft.argmax(dim=-1)
    hard = nn.functional.one_hot(chosen, by_gene.shape[-1]).to(soft)
    return chosen, hard + soft - soft.detach()
