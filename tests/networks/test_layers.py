"""Quantized layers against plain torch on weights and inputs quantized by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from design.precision import precision
from networks.layers import Attention, PositionwiseLinear, QuantizedConv2d, QuantizedDeconv2d
from networks.quantizers.options import QuantizerOptions

OPTIONS = QuantizerOptions()


def test_a_binary_convolution_multiplies_signs() -> None:
    layer = QuantizedConv2d(4, 6, 3, padding=1)
    layer.quantize(precision(1), OPTIONS, unsigned=False)
    x = torch.randn(2, 4, 5, 5)
    alpha = layer.weight.abs().mean((1, 2, 3))
    assert layer.bias is not None
    expected = functional.conv2d(x.sign(), layer.weight.sign(), padding=1) * alpha[:, None, None]
    torch.testing.assert_close(layer(x), expected + layer.bias[:, None, None])


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_have_one_scale_an_output_filter(groups: int) -> None:
    layer = QuantizedDeconv2d(4, 6, 3, groups=groups)
    assert torch.equal(layer.as_stored(layer.filters_first(layer.weight)), layer.weight)
    layer.quantize(precision(1, 32), OPTIONS, unsigned=False)
    found = layer.quantized_weight().detach()
    assert layer.weight_codes is not None
    assert len(layer.weight_codes.codes(layer.filters_first(layer.weight)).scale) == 6
    single = torch.zeros(1, 4, 1, 1)
    single[0, :, 0, 0] = 1
    summed = functional.conv_transpose2d(single, found, layer.bias, groups=groups)
    torch.testing.assert_close(layer(single), summed)
    by_filter = layer.filters_first(found).abs().flatten(1)
    torch.testing.assert_close(by_filter.amax(1), by_filter.amin(1))


def test_positionwise_layers_are_one_by_one_convolutions() -> None:
    layer = PositionwiseLinear(4, 6)
    for shape in ((2, 4, 1, 1), (2, 4, 3, 5)):
        x = torch.randn(shape)
        torch.testing.assert_close(layer(x), functional.conv2d(x, layer.weight[:, :, None, None], layer.bias))


def test_attention_is_that_of_torch() -> None:
    layer = Attention(8, 2, bias=True)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        reference.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        reference.out_proj.weight.copy_(layer.output.weight)
        reference.out_proj.bias.copy_(layer.output.bias)
    x = torch.randn(2, 8, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)
    expected, _ = reference(tokens, tokens, tokens)
    torch.testing.assert_close(layer(x), expected.transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize(("stride", "groups"), [((2, 2), 1), ((2, 1), 1), ((3, 3), 2)])
def test_kernels_of_one_pixel_with_steps_are_those_of_torch(stride: tuple[int, int], groups: int) -> None:
    """Values and gradients, channels last, with fewer channels than a vector has places."""
    own = QuantizedConv2d(4, 6, (1, 1), stride=stride, groups=groups).double()
    twin = torch.nn.Conv2d(4, 6, 1, stride=stride, groups=groups).double()
    twin.load_state_dict(own.state_dict())
    found = []
    for module in (own, twin):
        x = torch.randn(3, 4, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = x.to(memory_format=torch.channels_last).requires_grad_()
        (module(x) ** 2).sum().backward()
        assert module.bias is not None
        found.append((module(x), x.grad, module.weight.grad, module.bias.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
