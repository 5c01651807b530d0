"""Batch norms with the mean magnitude for a deviation, and their gradients from values or from signs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from networks.training.low_memory.chain import Chain
from networks.training.low_memory.options import LowMemoryOptions, NormKind


def per_channel(values: Tensor) -> Tensor:
    """C values, shaped to broadcast over N x C x H x W."""
    return values[:, None, None]


@dataclass(kw_only=True)
class Statistics:
    """One value a channel, C each.

    Attributes:
        mean: mu.
        spread: The deviation as measured, of which `deviation` is the safe form.
        deviation: psi, never 0.
        omega: Mean magnitude of the normalised values.
        count: Elements of a channel.
    """

    mean: Tensor
    spread: Tensor
    deviation: Tensor
    omega: Tensor
    count: int

    def scaled(self, scale: Tensor) -> Statistics:
        """Of a layer whose output is `scale` (C) times this."""
        return Statistics(
            mean=self.mean * scale,
            spread=self.spread * scale,
            deviation=self.deviation * scale,
            omega=self.omega,
            count=self.count,
        )


def normalised(
    chunks: Iterable[Tensor], mean: Tensor, count: int, chain: Chain, scale: Tensor | None, work: torch.dtype
) -> Statistics:
    """The statistics of a batch.

    psi = sqrt(spread^2 + eps / scale^2): eps keeps the meaning that it has for the layer with its weights' scale.

    Args:
        chunks: Y in parts, N x C x H x W each.
        mean: C.
        count: Elements of a channel.
        chain: Kind of norm and eps.
        scale: Of the weights of each filter, C; None = 1.
        work: Type to compute in.
    """
    square = chain.options.norm is NormKind.L2
    total = torch.zeros_like(mean)
    for chunk in chunks:
        apart = chunk.to(work).sub(per_channel(mean))
        total += (apart.square_() if square else apart.abs_()).sum((0, 2, 3))
    spread = (total / count).sqrt_() if square else total / count
    eps = chain.eps if scale is None else chain.eps / scale.square().clamp_min(1e-12)
    return Statistics(
        mean=mean,
        spread=spread,
        deviation=(spread.square() + eps).sqrt_(),
        omega=torch.ones_like(mean),
        count=count,
    )


@dataclass(kw_only=True)
class Sums:
    """Sums over a batch by channel, C each.

    Attributes:
        gradient: Of g.
        product: Of g times values or signs.
        signs: Of the signs where their mean is wanted, else 0.
        count: Elements of a channel.
    """

    gradient: Tensor
    product: Tensor
    signs: Tensor
    count: int

    @classmethod
    def zeros(cls, channels: int, count: int, dtype: torch.dtype, device: torch.device) -> Sums:
        """Nothing added yet."""
        gradient, product, signs = (torch.zeros(channels, dtype=dtype, device=device) for _ in range(3))
        return cls(gradient=gradient, product=product, signs=signs, count=count)

    def add(self, gradient: Tensor, compared: Tensor, options: LowMemoryOptions) -> None:
        """Take in some pictures; `compared` are normalised values or signs."""
        self.gradient += gradient.sum((0, 2, 3))
        self.product += (gradient * compared).sum((0, 2, 3))
        if options.norm is NormKind.L1:
            self.signs += compared.sign().sum((0, 2, 3))
        elif options.norm is NormKind.SIGNS_CENTRED:
            self.signs += compared.sum((0, 2, 3))


class Backward:
    """The gradient of a norm: dY = factor * g - steady - slope * (values or signs).

    Args:
        statistics: Of the batch.
        sums: Of the arriving gradient.
        gain: C.
        options: Kind of norm.
        given: The statistics were given, not measured: they have no gradient.
    """

    def __init__(
        self, statistics: Statistics, sums: Sums, gain: Tensor, options: LowMemoryOptions, *, given: bool
    ) -> None:
        self.kind = options.norm
        self.factor = gain / statistics.deviation
        mean, product = (self.factor * one / sums.count for one in (sums.gradient, sums.product))
        if given:
            mean, product = torch.zeros_like(mean), torch.zeros_like(product)
        if self.kind is NormKind.L2:
            self.slope = product
        elif self.kind is NormKind.L1:
            self.slope = product * statistics.spread / statistics.deviation
        else:
            self.slope = product * statistics.omega if options.omega_after_shift else product
        self.steady = mean
        if self.kind in (NormKind.L1, NormKind.SIGNS_CENTRED):
            self.steady = mean - self.slope * sums.signs / sums.count

    def gradient(self, arriving: Tensor, compared: Tensor) -> Tensor:
        """The gradient of Y, of some pictures; both arguments may be written over."""
        if self.kind is NormKind.L1:
            compared = compared.sign_()
        factor, steady, slope = (per_channel(one) for one in (self.factor, self.steady, self.slope))
        return torch.addcmul(-steady, arriving, factor).sub_(compared.mul_(slope))
