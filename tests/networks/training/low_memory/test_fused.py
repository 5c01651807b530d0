"""The fused step against plain autograd."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from networks.training.low_memory.chain import Chain, Reading, Signs
from networks.training.low_memory.fused import Fused, Outcome
from networks.training.low_memory.options import NOTHING_APPROXIMATED, LowMemoryOptions, NormKind
from networks.training.low_memory.planes import empty_plane, write
from networks.training.low_memory.twin import computed

EXACT = replace(NOTHING_APPROXIMATED, chunk_mib=0.01)
PICTURES, CHANNELS, SIDE, FILTERS = 6, 3, 9, 5


def _chain(**changed: object) -> Chain:
    base = Chain(
        reading=Reading.VALUES,
        signs_out=False,
        binary_weights=True,
        linear=False,
        pool=False,
        relu=False,
        eps=1e-5,
        options=EXACT,
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def _tensors(chain: Chain, seed: int = 0) -> tuple[Tensor, nn.Parameter, nn.Parameter, Tensor]:
    """Input, weight, shift and gain, float64; an odd number of products, so that no sum is 0."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    side = SIDE if not chain.linear else 3
    weight = drawn(FILTERS, CHANNELS * side * side) if chain.linear else drawn(FILTERS, CHANNELS, 3, 3)
    x = drawn(PICTURES, CHANNELS, side, side).requires_grad_()
    return x, nn.Parameter(0.5 * weight), nn.Parameter(0.3 * drawn(FILTERS)), 1 + 0.1 * drawn(FILTERS).abs()


def _fused(chain: Chain, x: Tensor, weight: Tensor, shift: Tensor, gain: Tensor) -> tuple[Tensor, Outcome]:
    outcome = Outcome()
    found: Tensor = Fused.apply(x, weight, shift, gain, chain, None, None, outcome)  # type: ignore[no-untyped-call]
    return found, outcome


def _compare(chain: Chain) -> None:
    found = []
    for fused in (True, False):
        x, weight, shift, gain = _tensors(chain)
        out = _fused(chain, x, weight, shift, gain)[0] if fused else computed(x, weight, shift, gain, chain)
        generator = torch.Generator().manual_seed(7)
        (out * torch.randn(out.shape, dtype=out.dtype, generator=generator)).sum().backward()  # type: ignore[no-untyped-call]
        found.append((out.detach(), x.grad, weight.grad, shift.grad))
    for own, twin in zip(*found, strict=True):
        assert own is not None
        assert twin is not None
        torch.testing.assert_close(own, twin, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("norm", NormKind)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_convolution_as_by_autograd(norm: NormKind, pool: bool, relu: bool) -> None:
    """Pools see real numbers, as sums of signs are often equal."""
    reading = Reading.REAL if pool else Reading.VALUES
    _compare(_chain(reading=reading, pool=pool, relu=relu, options=replace(EXACT, norm=norm)))


@pytest.mark.parametrize("norm", NormKind)
@pytest.mark.parametrize("reading", [Reading.REAL, Reading.VALUES])
@pytest.mark.parametrize("binary_weights", [False, True])
def test_linear_layer_as_by_autograd(norm: NormKind, reading: Reading, binary_weights: bool) -> None:
    options = replace(EXACT, norm=norm, chunk_mib=0.0002)  # one filter at once
    _compare(_chain(linear=True, reading=reading, binary_weights=binary_weights, options=options))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 2])
def test_geometry(stride: int, padding: int) -> None:
    _compare(_chain(reading=Reading.REAL, stride=(stride, stride), padding=(padding, padding)))


def test_omega_before_the_shift_and_no_cancellation() -> None:
    for options in (
        replace(EXACT, norm=NormKind.SIGNS, omega_after_shift=False),
        replace(EXACT, norm=NormKind.SIGNS, cancellation=False),
    ):
        _compare(_chain(options=options))


@pytest.mark.parametrize("norm", NormKind)
def test_two_chains_that_hand_signs_on(norm: NormKind) -> None:
    """Signs go from one to the next as bits; by autograd as numbers."""
    options = replace(EXACT, norm=norm)
    first = _chain(reading=Reading.REAL, signs_out=True, pool=True, options=options)
    second = _chain(reading=Reading.SIGNS, linear=True, options=options)
    x, weight, shift, gain = _tensors(first)
    generator = torch.Generator().manual_seed(3)
    behind = nn.Parameter(torch.randn(4, FILTERS * 9, dtype=torch.float64, generator=generator))
    offset, one = nn.Parameter(torch.full((4,), 0.1, dtype=torch.float64)), torch.ones(4, dtype=torch.float64)
    found = []
    for fused in (True, False):
        for parameter in (x, weight, shift, behind, offset):
            parameter.grad = None
        if fused:
            ticket, outcome = _fused(first, x, weight, shift, gain)
            assert outcome.plane is not None
            passed = Signs(ticket, outcome.plane)
            out: Tensor = Fused.apply(  # type: ignore[no-untyped-call]
                passed.ticket, behind, offset, one, second, passed.plane, None, Outcome()
            )
        else:
            # the sign is taken once, by the chain that gives it
            between = computed(x, weight, shift, gain, first)
            out = computed(between, behind, offset, one, replace(second, reading=Reading.REAL))
        (out * torch.arange(out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()  # type: ignore[no-untyped-call]
        found.append([out.detach(), *(parameter.grad for parameter in (x, weight, shift, behind, offset))])
    for own, twin in zip(*found, strict=True):
        torch.testing.assert_close(own, twin, rtol=1e-9, atol=1e-9)


def test_one_bit_gradient_is_the_sign_of_the_whole_one() -> None:
    chain = _chain(reading=Reading.REAL)
    x, weight, shift, gain = _tensors(chain)
    _fused(chain, x, weight, shift, gain)[0].square().sum().mul(0.5).add(0).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    whole, weight.grad = weight.grad.clone(), None
    one_bit = replace(chain, options=replace(EXACT, one_bit_gradients=True))
    _fused(one_bit, x.detach(), weight, shift, gain)[0].square().sum().mul(0.5).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    bits = weight.sign_gradient  # type: ignore[attr-defined]
    rows = (whole >= 0).flatten(1)
    expected = empty_plane(len(rows), (rows.shape[1],), rows.device)
    write(expected, 0, rows)
    inside = (weight.abs() <= 1).flatten(1)
    different = bits ^ expected.data
    unpacked = (different[:, :, None] >> torch.arange(8)) & 1
    assert not (unpacked.flatten(1)[:, : rows.shape[1]].bool() & inside).any()


def test_half_gradients_are_close() -> None:
    chain = _chain(reading=Reading.REAL, signs_out=True, options=LowMemoryOptions(half_state=False))
    other = replace(chain, options=replace(chain.options, half_gradients=False))
    shifts = []
    for own in (chain, other):
        x, weight, shift, gain = _tensors(own)
        ticket, _ = _fused(own, x, weight, shift, gain)
        generator = torch.Generator().manual_seed(1)
        gradient = torch.randn(ticket.shape, dtype=torch.float64, generator=generator)
        ticket.backward(gradient.to(ticket.dtype))  # type: ignore[no-untyped-call]
        assert shift.grad is not None
        shifts.append(shift.grad)
        assert ticket.untyped_storage().nbytes() <= 8
    torch.testing.assert_close(shifts[0], shifts[1], rtol=5e-3, atol=1e-5)


@pytest.mark.parametrize("stride", [(2, 2), (3, 1)])
def test_kernels_of_one_pixel_with_steps_are_those_of_torch(stride: tuple[int, int]) -> None:
    chain = _chain(stride=stride)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(5, 3, 1, 1, dtype=torch.float64, generator=generator, requires_grad=True)
    wanted = nn.functional.conv2d(x, weight, stride=stride)
    gradient = torch.randn(wanted.shape, dtype=torch.float64, generator=generator)
    wanted.backward(gradient)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        torch.testing.assert_close(chain.forward(x, weight), wanted)
        of_input, of_weight = chain.backward(gradient, x, weight, wanted=True)
        torch.testing.assert_close(of_weight, weight.grad)
        torch.testing.assert_close(of_input, x.grad)
        assert chain.backward(gradient, x, weight, wanted=False)[0] is None
