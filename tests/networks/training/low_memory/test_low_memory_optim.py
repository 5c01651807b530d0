"""Steps with small state against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn, optim

from networks.training.low_memory.optim import HalfAdam, HalfSgd, attenuated
from networks.training.low_memory.options import Attenuation
from networks.training.low_memory.planes import packed_rows

STEPS = 20


def _weight(dtype: torch.dtype = torch.float32) -> nn.Parameter:
    generator = torch.Generator().manual_seed(0)
    return nn.Parameter(torch.randn(6, 5, 3, 3, generator=generator).mul(0.1).to(dtype))


def _gradient(step: int) -> torch.Tensor:
    return torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(100 + step))


def _groups(weight: nn.Parameter, decay: float) -> list[dict[str, object]]:
    return [{"params": [weight], "weight_decay": decay}]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_with_32_bits_is_torchs(decay: float) -> None:
    own, twin = _weight(), _weight()
    ours = HalfAdam(_groups(own, decay), lr=0.01)
    theirs = optim.AdamW(_groups(twin, decay), lr=0.01)
    for step in range(STEPS):
        own.grad, twin.grad = _gradient(step), _gradient(step)
        ours.step()
        theirs.step()
    torch.testing.assert_close(own, twin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_32_bits_is_torchs(nesterov: bool) -> None:
    own, twin = _weight(), _weight()
    ours = HalfSgd(_groups(own, 0.01), lr=0.01, momentum=0.9, nesterov=nesterov)
    theirs = optim.SGD(_groups(twin, 0.01), lr=0.01, momentum=0.9, nesterov=nesterov)
    for step in range(STEPS):
        own.grad, twin.grad = _gradient(step), _gradient(step)
        ours.step()
        theirs.step()
    torch.testing.assert_close(own, twin, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [False, True])
def test_one_bit_adam_is_adam_on_attenuated_signs(last: bool) -> None:
    """Without a second moment: that of one-bit gradients is known."""
    own, twin = _weight(), _weight()
    if last:
        own.data = own.data.to(memory_format=torch.channels_last)
    ours = HalfAdam(_groups(own, 0.0), lr=0.01)
    theirs = optim.AdamW(_groups(twin, 0.0), lr=0.01, weight_decay=0.0)
    size = attenuated(own, Attenuation.ROOT_FAN_IN)
    assert size == pytest.approx(1 / 45**0.5)
    for step in range(STEPS):
        bits = _gradient(step) >= 0
        rows = bits.permute(0, 2, 3, 1) if last else bits
        own.sign_gradient = packed_rows(rows.reshape(6, -1))  # type: ignore[attr-defined]
        twin.grad = torch.where(bits, size, -size)
        ours.step()
        theirs.step()
    torch.testing.assert_close(own.detach(), twin.detach(), rtol=1e-4, atol=1e-5)
    assert set(ours.state[own]) == {"mean"}


def test_one_bit_sgd_is_sgd_on_attenuated_signs() -> None:
    own, twin = _weight(), _weight()
    ours = HalfSgd(_groups(own, 0.0), lr=0.01, attenuation=Attenuation.WEIGHTS)
    theirs = optim.SGD(_groups(twin, 0.0), lr=0.01, momentum=0.9)
    size = attenuated(own, Attenuation.WEIGHTS)
    for step in range(STEPS):
        bits = _gradient(step) >= 0
        own.sign_gradient = packed_rows(bits.reshape(6, -1))  # type: ignore[attr-defined]
        twin.grad = torch.where(bits, size, -size)
        ours.step()
        theirs.step()
    torch.testing.assert_close(own.detach(), twin.detach(), rtol=1e-4, atol=1e-6)


def test_half_state_is_close_and_half() -> None:
    own, twin = _weight(torch.float16), _weight()
    ours = HalfAdam(_groups(own, 0.0), lr=0.001)
    theirs = optim.AdamW(_groups(twin, 0.0), lr=0.001, weight_decay=0.0)
    for step in range(STEPS):
        own.grad, twin.grad = (1e-3 * _gradient(step)).half(), 1e-3 * _gradient(step)
        ours.step()
        theirs.step()
    assert all(value.dtype is torch.float16 for value in ours.state[own].values())
    torch.testing.assert_close(own.detach().float(), twin.detach(), rtol=0, atol=2e-3)


def test_forgotten_gradients_do_not_step() -> None:
    weight = _weight()
    ours = HalfAdam(_groups(weight, 0.0), lr=0.01)
    weight.sign_gradient = packed_rows((_gradient(0) >= 0).reshape(6, -1))  # type: ignore[attr-defined]
    ours.zero_grad()
    before = weight.detach().clone()
    ours.step()
    assert torch.equal(weight.detach(), before)
