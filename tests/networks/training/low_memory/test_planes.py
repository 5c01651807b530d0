"""Bits and back, fast and slowly."""

from __future__ import annotations

import pytest
import torch

from networks.training.low_memory.planes import (
    empty_plane,
    less,
    looked_up,
    looked_up_slow,
    not_negative,
    packed_rows,
    packed_rows_slow,
    write,
)
from networks.training.low_memory.pooling import pooled, spread


def _drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_packed_fast_and_slowly() -> None:
    rows = _drawn(7, 45) > 0
    assert torch.equal(packed_rows(rows), packed_rows_slow(rows))


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_looked_up_fast_and_slowly(low: float) -> None:
    data = torch.arange(256, dtype=torch.uint8).view(32, 8)
    assert torch.equal(looked_up(data, low), looked_up_slow(data, low))


def test_comparisons_are_torchs() -> None:
    x, y = _drawn(3, 4, 5, 6).to(memory_format=torch.channels_last), _drawn(3, 4, 5, 6, seed=1)
    x[0, 0, 0, 0], x[1, 0, 0, 0] = 0.0, -0.0
    assert torch.equal(not_negative(x), ~torch.signbit(x))
    assert torch.equal(less(x, y), x < y)
    assert torch.equal(less(x, 1), x < 1)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 4), (8, 1, 1), (13,)])
def test_planes_give_back_what_was_written_in_parts(shape: tuple[int, ...], last: bool) -> None:
    x = _drawn(9, *shape)
    if last and len(shape) == 3:
        x = x.to(memory_format=torch.channels_last)
    plane = empty_plane(9, shape, x.device)
    for first in range(0, 9, 4):
        write(plane, first, x[first : first + 4] > 0)
    assert torch.equal(plane.values(0, 9) > 0, x > 0)
    assert torch.equal(plane.values(2, 5, low=0.0), (x[2:5] > 0).float())
    assert plane.data.numel() == 9 * -(-x[0].numel() // 8)


@pytest.mark.parametrize("side", [(8, 8), (7, 9), (2, 3)])
def test_pools_are_torchs_with_ties_too(side: tuple[int, int]) -> None:
    x = _drawn(3, 5, *side).mul(2).round().to(memory_format=torch.channels_last).requires_grad_()
    out = torch.nn.functional.max_pool2d(x.contiguous(), 2)
    gradient = _drawn(*out.shape, seed=2)
    out.backward(gradient)  # type: ignore[no-untyped-call]
    found, right, below = pooled(x.detach())
    assert torch.equal(found, out)
    back = spread(gradient, right.float(), below.float(), side)
    assert x.grad is not None
    assert torch.equal(back, x.grad)
