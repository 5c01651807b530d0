"""Layer: one operation of a network, its shapes and what follows from them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.errors import InvalidArchitecture

Size = Annotated[int, Field(ge=1, le=1 << 24)]


class Op(StrEnum):
    """What a layer does. Depthwise and grouped convolutions are `CONV` with `groups` > 1."""

    CONV = "conv"
    DECONV = "deconv"
    FC = "fc"
    ATTENTION = "attention"
    POOL_MAX = "pool_max"
    POOL_AVERAGE = "pool_average"
    ADD = "add"
    MULTIPLY = "multiply"
    CONCAT = "concat"
    ACTIVATION = "activation"
    NORM = "norm"
    SOFTMAX = "softmax"
    RESIZE = "resize"
    PAD = "pad"
    FLATTEN = "flatten"
    OTHER = "other"
    MATMUL = "matmul"


WEIGHTED = frozenset({Op.CONV, Op.DECONV, Op.FC, Op.ATTENTION})
"""Operations whose weights (and inputs) are quantized."""
IN_PLACE = frozenset({Op.ADD, Op.MULTIPLY, Op.ACTIVATION, Op.NORM, Op.FLATTEN, Op.SOFTMAX})
"""Operations that may write over an input that nobody reads afterwards."""


class Activation(StrEnum):
    """Nonlinearity fused behind a layer."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"
    SWISH = "swish"
    HARD_SIGMOID = "hard_sigmoid"
    SIGMOID = "sigmoid"
    GELU = "gelu"
    OTHER = "other"


class Role(StrEnum):
    """Where a layer stands; stem and classifier keep 8 bits or more, shortcuts have their own precision."""

    STEM = "stem"
    BODY = "body"
    SHORTCUT = "shortcut"
    CLASSIFIER = "classifier"


class Layer(BaseModel):
    """One operation with its shapes (C x H x W per picture), reading the outputs of `inputs`.

    Attributes:
        name: Unique in its architecture.
        inputs: Names of the layers it reads, or `INPUT` (the picture), in order.
        padding: Zeros on each side; None = `dilation * (kernel - 1) // 2` in each direction ("same" at stride 1).
        batch_norm: A batch normalisation over the output channels follows (folded at inference, counted).
        constants: Stored values beside weights, biases and norms, at 32 bits: position embeddings, slopes, scales.
        heads: Attention heads; an attention layer maps `in_height` tokens of `in_channels` features, with
            four projections (query, key, value, output).

    A product of two tensors (`matmul`) reads B x M x K and B x K x N: K are its input channels, N its output channels,
    B its heights and M its widths. A `flatten` is another view of the elements it reads and moves nothing.

    Several inputs of a concatenation: `in_channels` is their sum; of an addition: they are equal.

    Raises:
        InvalidArchitecture: Shapes that contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    op: Op
    inputs: Annotated[tuple[str, ...], Field(min_length=1, max_length=1024)]
    in_channels: Size
    in_height: Size
    in_width: Size
    out_channels: Size
    out_height: Size
    out_width: Size
    kernel_height: Size = 1
    kernel_width: Size = 1
    stride: Size = 1
    padding: Annotated[int, Field(ge=0, le=4096)] | None = None
    dilation: Size = 1
    groups: Size = 1
    heads: Size = 1
    bias: bool = False
    batch_norm: bool = False
    constants: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    activation: Activation = Activation.NONE
    role: Role = Role.BODY

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        if self.op is Op.CONV and (self.in_channels % self.groups or self.out_channels % self.groups):
            raise InvalidArchitecture(
                f"layer {self.name!r}: in and out channels must be divisible by groups = {self.groups}",
                f"{self.in_channels} and {self.out_channels}",
            )
        keeps_shape = self.op in (Op.ADD, Op.MULTIPLY, Op.ACTIVATION, Op.NORM, Op.SOFTMAX)
        if keeps_shape and self.in_shape != self.out_shape:
            raise InvalidArchitecture(
                f"layer {self.name!r}: {self.op.value} must keep its input's shape {self.in_shape}",
                f"{self.out_shape}",
            )
        return self

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """C x H x W of what it reads (of each input, for an addition)."""
        return (self.in_channels, self.in_height, self.in_width)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """C x H x W of what it writes."""
        return (self.out_channels, self.out_height, self.out_width)

    @property
    def depthwise(self) -> bool:
        """Whether each input channel has filters of its own."""
        return self.op is Op.CONV and self.groups > 1 and self.groups == self.in_channels

    @property
    def grouped(self) -> bool:
        """Whether it is a convolution each filter of which reads several channels, but not all."""
        return self.op is Op.CONV and 1 < self.groups < self.in_channels

    @property
    def weighted(self) -> bool:
        """Whether it has a precision of its own."""
        return self.op in WEIGHTED

    @property
    def weights(self) -> int:
        """Weights without biases and batch norm."""
        if self.op in (Op.CONV, Op.DECONV):
            return self.in_channels // self.groups * self.out_channels * self.kernel_height * self.kernel_width
        if self.op is Op.FC:
            return self.in_channels * self.out_channels
        if self.op is Op.ATTENTION:
            return 4 * self.in_channels * self.out_channels
        return 0

    @property
    def biases(self) -> int:
        """Bias values (one a filter; four projections in attention)."""
        if not self.bias:
            return 0
        return self.out_channels * (4 if self.op is Op.ATTENTION else 1)

    @property
    def parameters(self) -> int:
        """Trainable values: weights, biases, scale and shift of the batch norm, constants."""
        own = 2 * self.out_channels if self.op is Op.NORM else 0
        return self.weights + self.biases + self.constants + (2 * self.out_channels if self.batch_norm else 0) + own

    @property
    def macs(self) -> int:
        """Multiply-accumulates per picture; 0 for operations whose work is element-wise."""
        if self.op is Op.CONV:
            return self.weights * self.out_height * self.out_width
        if self.op is Op.DECONV:
            return self.weights * self.in_height * self.in_width
        if self.op is Op.FC:
            return self.weights * self.out_height * self.out_width
        if self.op is Op.MATMUL:
            return self.in_channels * self.out_channels * self.out_height * self.out_width
        if self.op is Op.ATTENTION:
            tokens = self.in_height * self.in_width
            return tokens * self.weights + 2 * tokens * tokens * self.out_channels
        return 0

    @property
    def in_elements(self) -> int:
        """Elements of all inputs together."""
        if self.op is Op.MATMUL:
            return self.in_height * self.in_channels * (self.in_width + self.out_channels)
        copies = len(self.inputs) if self.op is Op.ADD else 1
        return copies * self.in_channels * self.in_height * self.in_width

    @property
    def out_elements(self) -> int:
        """Elements it writes."""
        return self.out_channels * self.out_height * self.out_width
