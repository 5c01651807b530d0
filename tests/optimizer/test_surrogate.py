"""The form of the surrogate: a device faster throughout makes every design faster by as much."""

from __future__ import annotations

import pytest
import torch

from optimizer.observation import PROBES
from optimizer.surrogate import COSTS, FIGURES, TERMS, Figure, Surrogate


def surrogate() -> Surrogate:
    torch.manual_seed(0)
    return Surrogate(30)


@torch.no_grad()
def test_a_common_factor_passes_through() -> None:
    own, designs = surrogate(), torch.rand(5, 30)
    costs, accuracy, memory = torch.randn(1, PROBES, COSTS), torch.randn(1, PROBES), torch.zeros(1, 2)
    before = own(designs, own.price(costs), accuracy, memory)
    after = own(designs, own.price(costs + 0.7), accuracy, memory)
    assert after[:, :COSTS] == pytest.approx(before[:, :COSTS] + 0.7, abs=1e-4)
    assert after[:, COSTS:] == pytest.approx(before[:, COSTS:])


@torch.no_grad()
def test_memory_follows_batch_and_where_weights_lie() -> None:
    own, designs = surrogate(), torch.rand(4, 30)
    own.own_mean.copy_(torch.tensor([10.0, 9.0, 12.0, 1.0]))
    prices, accuracy = torch.zeros(1, COSTS, TERMS), torch.zeros(1, PROBES)
    flash = own(designs, prices, accuracy, torch.tensor([[0.0, 0.0]]))
    resident = own(designs, prices, accuracy, torch.tensor([[0.0, 1.0]]))
    eight = own(designs, prices, accuracy, torch.tensor([[2.0794, 0.0]]))
    assert flash.shape == (4, FIGURES)
    weights = flash[:, Figure.MODEL_BYTES]
    peak = flash[:, Figure.PEAK_BYTES]
    assert resident[:, Figure.PEAK_BYTES] == pytest.approx(torch.logaddexp(weights, peak), abs=1e-3)
    assert eight[:, Figure.PEAK_BYTES] == pytest.approx(peak + 2.0794, abs=1e-3)


@torch.no_grad()
def test_parts_are_what_forward_adds_up() -> None:
    own, designs = surrogate(), torch.rand(3, 30)
    prices, accuracy = torch.randn(3, COSTS, TERMS), torch.randn(3, PROBES)
    amounts, _ = own.parts(designs, accuracy)
    whole = own(designs, prices, accuracy, torch.zeros(1, 2))
    slow = torch.log((torch.exp(amounts) * torch.exp(prices)).sum(dim=2))
    assert whole[:, :COSTS] == pytest.approx(slow, abs=1e-4)
