"""From bits to quantizers."""

from __future__ import annotations

from torch import Tensor, nn

from networks.quantizers.binary import BinaryActivations, BinaryWeights, StartedBinaryActivations
from networks.quantizers.half import HalfPrecision
from networks.quantizers.integer import IntegerWeights
from networks.quantizers.learned_step import LearnedStepActivations, LearnedStepWeights
from networks.quantizers.options import QuantizerOptions, UniformQuantizer
from networks.quantizers.uniform import StartedUniformActivations, UniformActivations, UniformWeights


def weight_quantizer(bits: int, weight: Tensor, options: QuantizerOptions) -> nn.Module | None:
    """The quantizer of a weight (filters first); None at 32 bits."""
    if bits == 1:
        return BinaryWeights(options.scale_gradient)
    if bits == 8:
        return IntegerWeights()
    if bits == 16:
        return HalfPrecision(options.half)
    if bits == 32:
        return None
    if options.uniform is UniformQuantizer.LEARNED_STEP:
        quantizer = LearnedStepWeights(len(weight), bits).to(weight.device)
        if not weight.is_meta:
            quantizer.start_from(weight)
        return quantizer
    return UniformWeights(bits)


def activation_quantizer(
    bits: int, channels: int, options: QuantizerOptions, *, unsigned: bool | None, axis: int = 1
) -> nn.Module | None:
    """The quantizer of activations; None at 32 bits.

    Args:
        bits: 1 to 32.
        channels: Of the tensor.
        options: Which quantizers.
        unsigned: Whether no value is negative; None: unknown, the first batch tells.
        axis: Which one the channels are on.
    """
    if bits == 1 and unsigned is None:
        return StartedBinaryActivations(channels, options.sign_gradient, axis=axis)
    if bits == 1:
        return BinaryActivations(channels if options.learned_shift else None, options.sign_gradient, axis=axis)
    if bits == 16:
        return HalfPrecision(options.half)
    if bits == 32:
        return None
    if options.uniform is UniformQuantizer.LEARNED_STEP or bits == 8:
        return LearnedStepActivations(bits, unsigned=unsigned)
    clipped = options.uniform is UniformQuantizer.UNIFORM
    if unsigned is None:
        return StartedUniformActivations(bits, clipped=clipped)
    return UniformActivations(bits, unsigned=unsigned, clipped=clipped)
