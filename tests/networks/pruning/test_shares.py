"""Shares of channels equal those of a loop over every weight and patch."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from design.precision import BINARY, precision
from networks.errors import UnsupportedLayer
from networks.layers import PositionwiseLinear, Quantized, QuantizedConv2d, QuantizedLinear
from networks.pruning import shares as module
from networks.pruning.shares import VANISHES, Piece, shares
from networks.quantizers.options import QuantizerOptions


def slowly(part: nn.Conv2d, x: Tensor, pieces: list[Piece], *, per_weight: bool) -> list[Tensor]:
    """One picture, output, patch and sign at a time, straight from the definition."""
    weight = part.quantized_weight() if isinstance(part, Quantized) else part.weight
    if isinstance(part, Quantized):
        x = part.quantized_input(x)
    assert not isinstance(part.padding, str)
    (above, left), (down, right) = part.padding, part.stride
    padded = nn.functional.pad(x, (left, left, above, above)).double()
    _, _, height, width = part._conv_forward(x, weight, None).shape
    held, outputs = part.in_channels // part.groups, part.out_channels // part.groups
    found = [torch.zeros(len(x), piece.width, dtype=torch.float64) for piece in pieces]
    for n, i, row, column in itertools.product(range(len(x)), range(part.out_channels), range(height), range(width)):
        first = i // outputs * held
        products = torch.zeros(part.in_channels, *part.kernel_size, dtype=torch.float64)
        for k, m in itertools.product(range(part.kernel_size[0]), range(part.kernel_size[1])):
            place = row * down + k * part.dilation[0], column * right + m * part.dilation[1]
            read = padded[n, first : first + held, place[0], place[1]]
            products[first : first + held, k, m] = read * weight[i, :, k, m].double()
        for sign in (1, -1):
            for positive in (True, False):
                inputs = torch.zeros_like(products)
                inputs[first : first + held] = (weight[i] * sign > 0).double()
                part_of = products * inputs
                part_of = part_of.abs() * ((part_of * sign > 0) == positive)
                total = part_of.sum()
                if total <= VANISHES:
                    continue
                for piece, own in zip(pieces, found, strict=True):
                    for channel in range(piece.width):
                        taken = part_of[piece.start + channel * piece.copies :][: piece.copies]
                        share = (taken.max() if per_weight else taken.sum()) / total
                        own[n, channel] = max(own[n, channel], share)
    return found


CONVOLUTIONS = {
    "usual": {"kernel_size": 3, "padding": 1},
    "stride": {"kernel_size": 3, "stride": 2, "padding": 1},
    "pointwise": {"kernel_size": 1, "stride": 2},
    "wide": {"kernel_size": (1, 3), "padding": (0, 2), "dilation": (1, 2)},
    "grouped": {"kernel_size": 3, "groups": 2},
}


@pytest.mark.parametrize("per_weight", [False, True])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolutions(kind: str, negative: bool, per_weight: bool) -> None:
    part = QuantizedConv2d(4, 4, **CONVOLUTIONS[kind])  # type: ignore[arg-type]
    x = torch.randn(2, 4, 4, 3)
    x = x if negative else x.clamp(min=0)
    pieces = [Piece(group=0, start=0, width=1), Piece(group=1, start=2, width=2), Piece(group=2, start=0, width=4)]
    fast = shares(part, x, pieces, per_weight=per_weight)
    for own, slow in zip(fast, slowly(part, x, pieces, per_weight=per_weight), strict=True):
        torch.testing.assert_close(own.double(), slow, rtol=1e-4, atol=1e-5)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    part, x = QuantizedConv2d(3, 4, 3, padding=1), torch.randn(5, 3, 4, 4)
    pieces = [Piece(group=0, start=0, width=3)]
    whole = shares(part, x, pieces)[0]
    monkeypatch.setattr(module, "BLOCK", 10)
    torch.testing.assert_close(shares(part, x, pieces)[0], whole)


@pytest.mark.parametrize("bits", [BINARY, precision(4)])
def test_quantized_layers_are_looked_at_as_they_compute(bits: object) -> None:
    part = QuantizedConv2d(6, 2, 3)
    part.quantize(bits, QuantizerOptions(), unsigned=None)  # type: ignore[arg-type]
    x = torch.randn(2, 6, 3, 3)
    part(x)
    part.eval()
    pieces = [Piece(group=0, start=0, width=6)]
    with torch.no_grad():
        fast, slow = shares(part, x, pieces)[0], slowly(part, x, pieces, per_weight=False)[0]
    torch.testing.assert_close(fast.double(), slow, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fast, shares(nn_copy(part), x, pieces)[0])


def nn_copy(part: nn.Conv2d) -> nn.Conv2d:
    """The same latent weights, not quantized."""
    copy = nn.Conv2d(6, 2, 3)
    copy.load_state_dict({name: value for name, value in part.state_dict().items() if name in ("weight", "bias")})
    return copy


def test_linear_layers_of_every_kind_agree_with_the_convolution() -> None:
    x = torch.randn(3, 12)
    weight, bias = torch.randn(5, 12), torch.randn(5)
    piece = [Piece(group=0, start=0, width=3, copies=4)]
    conv = nn.Conv2d(12, 5, 1)
    conv.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})
    wanted = slowly(conv, x[:, :, None, None], piece, per_weight=False)[0]
    for part, given in ((PositionwiseLinear(12, 5), x[:, :, None, None]), (QuantizedLinear(12, 5), x)):
        part.load_state_dict({"weight": weight, "bias": bias})
        torch.testing.assert_close(shares(part, given, piece)[0].double(), wanted, rtol=1e-4, atol=1e-5)
    tokens = nn.Linear(12, 5)
    tokens.load_state_dict({"weight": weight, "bias": bias})
    each = shares(tokens, x[None], piece)[0]
    torch.testing.assert_close(each[0].double(), wanted.amax(0), rtol=1e-4, atol=1e-5)


def test_what_is_1_already_is_passed_over_and_nothing_else() -> None:
    part, x = QuantizedConv2d(3, 4, 3), torch.rand(2, 3, 5, 5)
    pieces = [Piece(group=0, start=0, width=3)]
    whole = shares(part, x, pieces)[0]
    known = shares(part, x, pieces, known=[torch.tensor([1.0, 0.2, 0.0])])[0]
    assert known[:, 0].eq(0).all()
    torch.testing.assert_close(known[:, 1:], whole[:, 1:])


def test_sums_that_vanish_give_nothing() -> None:
    part = QuantizedConv2d(2, 2, 1, bias=False)
    assert shares(part, torch.zeros(1, 2, 3, 3), [Piece(group=0, start=0, width=2)])[0].eq(0).all()
    tiny = torch.full((1, 2, 1, 1), 1e-9)
    assert shares(part, tiny, [Piece(group=0, start=0, width=2)])[0].eq(0).all()


def test_other_layers_are_refused() -> None:
    with pytest.raises(UnsupportedLayer, match="convolutions or linear"):
        shares(nn.ReLU(), torch.zeros(1, 2), [])
