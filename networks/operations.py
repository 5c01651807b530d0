"""Modules of the operations of an Architecture, on N x C x H x W."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from design.layer import Activation, Layer, Op
from networks.errors import UnsupportedLayer
from networks.layers import Attention, PositionwiseLinear, QuantizedConv2d, QuantizedDeconv2d
from networks.pad import Pad
from networks.quantizers.choice import activation_quantizer
from networks.quantizers.options import QuantizerOptions

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    Activation.RELU: nn.ReLU,
    Activation.RELU6: nn.ReLU6,
    Activation.HARD_SWISH: nn.Hardswish,
    Activation.SWISH: nn.SiLU,
    Activation.HARD_SIGMOID: nn.Hardsigmoid,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.GELU: nn.GELU,
}
NEVER_NEGATIVE = frozenset({Activation.RELU, Activation.RELU6, Activation.HARD_SIGMOID, Activation.SIGMOID})


class Pass(nn.Module):
    """Hands its input on: an activation that has moved elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        """The input."""
        return x


class Sum(nn.Module):
    """Adds its inputs, each kept at the bits of the residual stream.

    Attributes:
        quantizers: One an input; empty at 32 bits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList()
        self._setting: tuple[int, QuantizerOptions, tuple[bool, ...]] | None = None

    def quantize(self, bits: int, channels: int, options: QuantizerOptions, unsigned: tuple[bool, ...]) -> None:
        """Keep what is added at `bits`; quantizers that stay as they are keep their learned values.

        Args:
            bits: 32 for none.
            channels: Of the tensors.
            options: Which quantizers.
            unsigned: Of each input, whether it is never negative.
        """
        setting = (bits, options, unsigned)
        if setting != self._setting:
            found = [activation_quantizer(bits, channels, options, unsigned=one) for one in unsigned]
            self.quantizers = nn.ModuleList(one for one in found if one is not None)
            self._setting = setting

    def forward(self, *inputs: Tensor) -> Tensor:
        """Their sum."""
        if self.quantizers:
            inputs = tuple(quantizer(x) for quantizer, x in zip(self.quantizers, inputs, strict=True))
        total = inputs[0] + inputs[1]
        for other in inputs[2:]:
            total = total + other
        return total


class Product(nn.Module):
    """Multiplies its inputs; a C x 1 x 1 input gates the channels of the first."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """The product."""
        for other in others:
            x = x * other
        return x


class Concat(nn.Module):
    """Puts channels together."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """N x sum of C x H x W."""
        return torch.cat(inputs, dim=1)


class Flatten(nn.Module):
    """C x H x W to (C H W) x 1 x 1."""

    def forward(self, x: Tensor) -> Tensor:
        """N x (C H W) x 1 x 1; channels change slowest, whatever the memory format."""
        return x.contiguous().reshape(len(x), -1, 1, 1)


class GlobalAverage(nn.Module):
    """Mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """N x C x 1 x 1."""
        return x.mean((2, 3), keepdim=True)


class Softmax(nn.Module):
    """Softmax over channels."""

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        return x.softmax(1)


class Shuffle(nn.Module):
    """Channels of `groups` groups interleaved (ShuffleNet, arXiv 1707.01083)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        number, channels, height, width = x.shape
        x = x.reshape(number, self.groups, channels // self.groups, height, width)
        return x.transpose(1, 2).reshape(number, channels, height, width)


class Zeros(nn.Module):
    """Zeros of the input's shape."""

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        return torch.zeros_like(x)


class Resize(nn.Module):
    """Nearest neighbours on another height and width."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x height x width."""
        return functional.interpolate(x, self.size, mode="nearest")


def activation(kind: Activation, layer: Layer) -> nn.Module | None:
    """The nonlinearity; None without.

    Raises:
        UnsupportedLayer: One that has no name.
    """
    if kind is Activation.NONE:
        return None
    if kind not in ACTIVATIONS:
        raise UnsupportedLayer(
            f"the activation of layer {layer.name!r} must be one of {', '.join(ACTIVATIONS)}", repr(kind.value)
        )
    return ACTIVATIONS[kind]()


def operation(layer: Layer) -> nn.Module:
    """The module of a layer without norm, activation and quantizers.

    Raises:
        UnsupportedLayer: It cannot be run here.
    """
    simple: dict[Op, Callable[[], nn.Module]] = {
        Op.ADD: Sum,
        Op.MULTIPLY: Product,
        Op.CONCAT: Concat,
        Op.ACTIVATION: Pass,
        Op.NORM: Pass,
        Op.SOFTMAX: Softmax,
        Op.FLATTEN: Flatten,
    }
    if layer.op in simple:
        return simple[layer.op]()
    if layer.op in (Op.POOL_MAX, Op.POOL_AVERAGE):
        return _pool(layer)
    if layer.op in (Op.CONV, Op.DECONV):
        return _convolution(layer)
    if layer.op is Op.FC and layer.in_shape[1:] == layer.out_shape[1:]:
        return PositionwiseLinear(layer.in_channels, layer.out_channels, bias=layer.bias)
    if layer.op is Op.ATTENTION and layer.in_shape == layer.out_shape and layer.in_channels % layer.heads == 0:
        return Attention(layer.in_channels, layer.heads, bias=layer.bias)
    if layer.op is Op.RESIZE and layer.in_channels == layer.out_channels:
        return Resize(layer.out_height, layer.out_width)
    if layer.op is Op.PAD:
        border = (layer.out_height - math.ceil(layer.in_height / layer.stride)) // 2
        return Pad(layer.in_channels, layer.out_channels, layer.stride, border)
    if layer.op is Op.OTHER and layer.in_shape == layer.out_shape:
        if layer.groups > 1 and layer.in_channels % layer.groups == 0:
            return Shuffle(layer.groups)
        if layer.name.rpartition(".")[2] == "zeros":
            return Zeros()
    raise UnsupportedLayer(
        f"layer {layer.name!r} must be an operation that can be built",
        f"{layer.op.value!r} from {layer.in_shape} to {layer.out_shape} with {layer.groups} groups",
    )


def _paddings(layer: Layer) -> tuple[int, int]:
    """Zeros above and left."""
    if layer.padding is not None:
        return layer.padding, layer.padding
    return layer.dilation * (layer.kernel_height - 1) // 2, layer.dilation * (layer.kernel_width - 1) // 2


def _convolution(layer: Layer) -> nn.Module:
    kernel, padding = (layer.kernel_height, layer.kernel_width), _paddings(layer)
    if layer.op is Op.CONV:
        return QuantizedConv2d(
            layer.in_channels,
            layer.out_channels,
            kernel,
            stride=layer.stride,
            padding=padding,
            dilation=layer.dilation,
            groups=layer.groups,
            bias=layer.bias,
        )
    sides = (layer.in_height, layer.in_width)
    wanted = (layer.out_height, layer.out_width)
    extra = [
        out - ((side - 1) * layer.stride - 2 * pad + layer.dilation * (size - 1) + 1)
        for out, side, pad, size in zip(wanted, sides, padding, kernel, strict=True)
    ]
    return QuantizedDeconv2d(
        layer.in_channels,
        layer.out_channels,
        kernel,
        stride=layer.stride,
        padding=padding,
        output_padding=tuple(max(0, value) for value in extra),
        groups=layer.groups,
        bias=layer.bias,
        dilation=layer.dilation,
    )


def _pool(layer: Layer) -> nn.Module:
    kernel, padding = (layer.kernel_height, layer.kernel_width), _paddings(layer)
    average = layer.op is Op.POOL_AVERAGE
    if average and (layer.out_height, layer.out_width) == (1, 1) and kernel == layer.in_shape[1:]:
        return GlobalAverage()
    floor = (layer.in_height + 2 * padding[0] - layer.kernel_height) // layer.stride + 1
    ceil = floor < layer.out_height
    if average:
        return nn.AvgPool2d(kernel, layer.stride, padding, ceil_mode=ceil, count_include_pad=False)
    return nn.MaxPool2d(kernel, layer.stride, padding, ceil_mode=ceil, dilation=layer.dilation)
