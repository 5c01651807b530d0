"""Convolution, linear layer and attention whose weights and inputs are quantized, and a foldable batch norm.

Each is the torch layer with two quantizers beside it; without them it is the torch layer itself. Latent weights keep
their name (`weight`), so a state dictionary of the plain layer loads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from design.precision import FULL, Precision
from networks.quantizers.choice import activation_quantizer, weight_quantizer
from networks.quantizers.options import QuantizerOptions
from networks.quantizers.quantizer import WeightQuantizer


class Quantized(nn.Module):
    """Mix-in of layers with a weight (filters first).

    Attributes:
        precision: What is set now.
        setting: What it was set from; None: never.
        channel_axis: Of what is read, from the end.
        weight_quantizer: None at 32 bits.
        activation_quantizer: Of what the layer reads; None at 32 bits.
    """

    weight: Tensor
    channel_axis: int = -3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.precision: Precision = FULL
        self.weight_quantizer: nn.Module | None = None
        self.activation_quantizer: nn.Module | None = None
        self.setting: tuple[Precision, QuantizerOptions, bool | None] | None = None

    def quantize(self, precision: Precision, options: QuantizerOptions, *, unsigned: bool | None) -> None:
        """Set the quantizers; those that stay as they are keep their learned values.

        Args:
            precision: Bits of weights and of what is read.
            options: Which quantizers.
            unsigned: Whether what is read is never negative; None: unknown.
        """
        setting = (precision, options, unsigned)
        if setting == self.setting:
            return
        old, self.setting, self.precision = self.setting, setting, precision
        channels = self.input_channels
        if old is None or (old[0].weight_bits, old[1]) != (precision.weight_bits, options):
            self.weight_quantizer = weight_quantizer(precision.weight_bits, self.filters_first(self.weight), options)
        if old is None or (old[0].activation_bits, *old[1:]) != (precision.activation_bits, *setting[1:]):
            quantizer = activation_quantizer(
                precision.activation_bits, channels, options, unsigned=unsigned, axis=self.channel_axis
            )
            self.activation_quantizer = None if quantizer is None else quantizer.to(self.weight.device)
        for quantizer in (self.weight_quantizer, self.activation_quantizer):
            if quantizer is not None:
                quantizer.train(self.training)

    @property
    def input_channels(self) -> int:
        """Channels of what is read."""
        raise NotImplementedError

    def filters_first(self, weight: Tensor) -> Tensor:
        """A weight as the module holds it, with the output filters on the first axis."""
        return weight

    def as_stored(self, weight: Tensor) -> Tensor:
        """Undo `filters_first`."""
        return weight

    def quantized_weight(self) -> Tensor:
        """The weight that is computed with."""
        if self.weight_quantizer is None:
            return self.weight
        quantized: Tensor = self.weight_quantizer(self.filters_first(self.weight))
        return self.as_stored(quantized)

    def quantized_input(self, x: Tensor) -> Tensor:
        """The input that is computed with."""
        if self.activation_quantizer is None:
            return x
        quantized: Tensor = self.activation_quantizer(x)
        return quantized

    @property
    def weight_codes(self) -> WeightQuantizer | None:
        """The quantizer of weights stored as whole numbers; None at 16 and 32 bits."""
        return self.weight_quantizer if isinstance(self.weight_quantizer, WeightQuantizer) else None


class QuantizedConv2d(Quantized, nn.Conv2d):
    """Convolution of N x C x H x W."""

    @property
    def input_channels(self) -> int:
        """See Quantized."""
        return self.in_channels

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W of the output.

        Kernels of 1 x 1 with steps are given only what they read: with few channels, channels last and AVX2, oneDNN
        3.12 writes beyond its memory in the backward pass of such convolutions.
        """
        read, weight = self.quantized_input(x), self.quantized_weight()
        if self.kernel_size == (1, 1) and self.padding == (0, 0) and self.stride != (1, 1):
            rows, columns = self.stride
            return functional.conv2d(read[..., ::rows, ::columns], weight, self.bias, groups=self.groups)
        found: Tensor = self._conv_forward(read, weight, self.bias)
        return found


class QuantizedDeconv2d(Quantized, nn.ConvTranspose2d):
    """Transposed convolution of N x C x H x W; torch holds its weights with the input channels first."""

    def filters_first(self, weight: Tensor) -> Tensor:
        """See Quantized."""
        return _exchanged(weight, self.groups)

    def as_stored(self, weight: Tensor) -> Tensor:
        """See Quantized."""
        return _exchanged(weight, self.groups)

    @property
    def input_channels(self) -> int:
        """See Quantized."""
        return self.in_channels

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """N x C x H x W of the output."""
        del output_size
        return functional.conv_transpose2d(
            self.quantized_input(x),
            self.quantized_weight(),
            self.bias,
            self.stride,
            self.padding,  # type: ignore[arg-type]
            self.output_padding,
            self.groups,
            self.dilation,
        )


def _exchanged(weight: Tensor, groups: int) -> Tensor:
    """The first two axes exchanged within each group of the first."""
    parts = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2)
    return parts.reshape(-1, *parts.shape[2:])


class QuantizedLinear(Quantized, nn.Linear):
    """Linear layer on the last axis."""

    channel_axis = -1

    @property
    def input_channels(self) -> int:
        """See Quantized."""
        return self.in_features

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x` with the last axis mapped."""
        return functional.linear(self.quantized_input(x), self.quantized_weight(), self.bias)


class PositionwiseLinear(QuantizedLinear):
    """The same linear layer at each position of N x C x H x W."""

    channel_axis = -3

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W of the output."""
        x = self.quantized_input(x)
        if x.shape[2:] == (1, 1):
            return functional.linear(x.flatten(1), self.quantized_weight(), self.bias)[:, :, None, None]
        x = x.permute(0, 2, 3, 1)
        return functional.linear(x, self.quantized_weight(), self.bias).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Multi-head self-attention over the positions of N x C x H x W (tokens of C features).

    Four projections, all at the precision of the layer; query times key and the weighted sum are not quantized.
    """

    def __init__(self, channels: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = QuantizedLinear(channels, channels, bias=bias)
        self.key = QuantizedLinear(channels, channels, bias=bias)
        self.value = QuantizedLinear(channels, channels, bias=bias)
        self.output = QuantizedLinear(channels, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W."""
        number, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        parts = [
            layer(tokens).reshape(number, height * width, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        ]
        mixed = functional.scaled_dot_product_attention(*parts)
        mixed = self.output(mixed.transpose(1, 2).flatten(2))
        found: Tensor = mixed.transpose(1, 2).reshape(number, channels, height, width)
        return found


class Norm(nn.BatchNorm2d):
    """Batch norm that in evaluation is exactly its folded form, a scale and a shift per channel."""

    def folded(self) -> tuple[Tensor, Tensor]:
        """Scale and shift, C each, float32."""
        assert self.running_var is not None
        assert self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W."""
        if self.training:
            return super().forward(x)
        scale, shift = self.folded()
        return scaled_and_shifted(x, scale, shift)


def scaled_and_shifted(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`x * scale + shift` per channel of N x C x H x W, in one pass."""
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    return functional.batch_norm(x, zero, one, scale, shift, training=False, eps=0.0)
