"""The generator never chooses what may not be chosen, and its gradient is that of the soft choice."""

from __future__ import annotations

import numpy as np
import torch

from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.ask import Ask
from optimizer.gene_code import gene_code
from optimizer.generator import Generator, Places, straight_through
from optimizer.observation import PROBES
from optimizer.repair import mask_of
from optimizer.surrogate import FIGURES

CODE = gene_code(SPACES["vgg"], find_task("digits"))  # type: ignore[arg-type]


def nothing(count: int) -> Ask:
    return Ask(torch.zeros(count, FIGURES), torch.zeros(count, FIGURES), torch.ones(count, 4), torch.zeros(count))


def test_only_allowed_choices_and_wanted_families() -> None:
    torch.manual_seed(0)
    families = int(CODE.sizes[0])
    generator = Generator(CODE.width, families)
    mask = mask_of(CODE.genes, ((8, 8), (1, 1)))
    assert mask is not None
    allowed = torch.from_numpy(CODE.allowed(mask)).expand(families, -1)
    costs, accuracy = torch.randn(families, PROBES, 2), torch.randn(families, PROBES)
    scores = generator(costs, accuracy, nothing(families), allowed, torch.eye(families))
    chosen = Places(CODE).by_gene(scores).argmax(dim=-1).numpy()
    assert chosen[:, 0].tolist() == list(range(families))
    assert np.array_equal(mask.apply(chosen), chosen)


def test_straight_through_is_hard_forward_and_soft_backward() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    noise, weight = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    chosen, hot = straight_through(scores, noise)
    assert torch.equal(chosen, (scores + noise).argmax(dim=-1))
    assert torch.equal(hot.detach().round().sum(dim=-1), torch.ones(2, 3, dtype=torch.float64))
    (hot * weight).sum().backward()  # type: ignore[no-untyped-call]
    soft = scores.detach().requires_grad_()
    (torch.softmax(soft + noise, dim=-1) * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert soft.grad is not None
    assert torch.allclose(scores.grad, soft.grad)


def test_places_go_there_and_back() -> None:
    places = Places(CODE)
    scores = torch.arange(2 * CODE.width, dtype=torch.float64).view(2, CODE.width)
    assert torch.equal(places.joined(places.by_gene(scores)), scores)
