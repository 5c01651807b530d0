"""The slow twin of the fused step: the same numbers by plain autograd, everything kept.

The approximate gradient of a norm is that of a linear map with fixed coefficients, which stands beside the value:
L(Y) = factor * (Y - mean(Y) - s * mean(slope s Y)) is its own transpose, so that its gradient is the approximate one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from networks.quantizers.binary import filter_scale
from networks.quantizers.options import SignGradient
from networks.quantizers.quantizer import per_filter
from networks.quantizers.sign import sign, signs
from networks.training.low_memory.chain import Chain, Reading
from networks.training.low_memory.norm import per_channel
from networks.training.low_memory.options import NormKind


def computed(x: Tensor, weight: Tensor, shift: Tensor, gain: Tensor, chain: Chain) -> Tensor:
    """What a chain gives as numbers (signs as -1 and 1), with the gradients that it has.

    Args:
        x: N x C x H x W; where signs are read, numbers with these signs or the numbers themselves.
        weight: Filters first.
        shift: C.
        gain: C.
        chain: Without half gradients and one-bit gradients, which round what is exact here.
    """
    read = x if chain.reading is Reading.REAL else _sign(x, chain)
    scale = filter_scale(weight).detach() if chain.binary_weights else torch.ones_like(shift)
    own = sign(weight, SignGradient.CLIPPED) if chain.binary_weights else weight
    own = own + (per_filter(1 / scale, own) - 1) * (own - own.detach()) if chain.binary_weights else own
    y = chain.forward(read, own)
    if chain.pool:
        y = functional.max_pool2d(y, 2)
    if chain.relu:
        y = y.relu()
    found = _normalised(y, shift, gain, chain, scale)
    return _sign(found, chain) if chain.signs_out else found


def _sign(x: Tensor, chain: Chain) -> Tensor:
    """Signs with the clipped gradient, or with one that passes everywhere."""
    return sign(x, SignGradient.CLIPPED) if chain.options.cancellation else signs(x.detach()) + (x - x.detach())


def _mean(x: Tensor) -> Tensor:
    """By channel, shaped to broadcast."""
    return x.mean((0, 2, 3), keepdim=True)


def _normalised(y: Tensor, shift: Tensor, gain: Tensor, chain: Chain, scale: Tensor) -> Tensor:
    """The norm with its gradient."""
    options, eps = chain.options, per_channel(chain.eps / scale.square())
    apart = y - _mean(y)
    spread = _mean(apart.square()).sqrt() if options.norm is NormKind.L2 else _mean(apart.abs())
    deviation = (spread.square() + eps).sqrt()
    found = per_channel(gain) * apart / deviation + per_channel(shift)
    if options.norm.keeps_values:
        return found
    factor = (per_channel(gain) / deviation).detach()
    s = signs(found.detach())
    omega = _mean(found.detach().abs()) / per_channel(gain).abs() if options.omega_after_shift else 1.0
    centre = _mean(s) if options.norm is NormKind.SIGNS_CENTRED else 0.0
    linear = factor * (y - _mean(y) - omega * s * _mean((s - centre) * y))
    return (found - per_channel(shift)).detach() + (linear - linear.detach()) + per_channel(shift)
