"""Block: a chain with its weights and norm, in training and in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import Norm, Quantized, QuantizedConv2d
from networks.network import Unit
from networks.training.low_memory.chain import Chain, Reading, Signs
from networks.training.low_memory.fused import Fused, Outcome
from networks.training.low_memory.norm import Statistics
from networks.training.low_memory.options import NormKind


class Block(nn.Module):
    """What a unit (and the unit of its pool) does, with little memory. Parameters stay those of the unit.

    Args:
        unit: Of the layer with weights.
        norm: Its norm, or that behind its pool.
        chain: What is computed.
        cut_behind: The unit's activation stands behind the norm: it is no part of the chain.
    """

    def __init__(self, unit: Unit, norm: Norm, chain: Chain, *, cut_behind: bool = False) -> None:
        super().__init__()
        self._parts = (unit, norm)  # in a tuple: they are modules of the network already
        self.chain, self.cut_behind = chain, cut_behind

    @property
    def unit(self) -> Unit:
        """Of the layer with weights."""
        return self._parts[0]

    @property
    def norm(self) -> Norm:
        """The norm."""
        return self._parts[1]

    def forward(self, x: Tensor | Signs, beside: Tensor | None = None) -> Tensor | Signs:
        """N x C x H x W or signs, of the same to the next."""
        layer = self.unit.operation
        assert isinstance(layer, Quantized)
        chain = self.chain
        plane = x.plane if isinstance(x, Signs) else None
        values = x.ticket if isinstance(x, Signs) else x
        if chain.reading is Reading.REAL:
            values = layer.quantized_input(values)
        weight = layer.weight if chain.binary_weights else layer.quantized_weight()
        given = None if self.training else self._given(layer)
        outcome = Outcome()
        found: Tensor = Fused.apply(  # type: ignore[no-untyped-call]
            values, weight, self.norm.bias, self.norm.weight, chain, plane, given, outcome
        )
        if self.training:
            assert outcome.statistics is not None
            self._track(outcome.statistics)
        if chain.signs_out:
            assert outcome.plane is not None
            return Signs(found, outcome.plane)
        if self.cut_behind and self.unit.activation is not None:
            found = self.unit.activation(found)
        return found if self.unit.sum is None else self.unit.sum(found, beside)

    @torch.no_grad()
    def _track(self, found: Statistics) -> None:
        """Take a batch into the running statistics, where psi^2 stands for the variance."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        share = norm.momentum if norm.momentum is not None else 0.1
        variance = found.spread.square()
        if self.chain.options.norm is NormKind.L2:
            variance *= found.count / max(found.count - 1, 1)
        norm.running_mean.lerp_(found.mean.to(norm.running_mean.dtype), share)
        norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)
        norm.num_batches_tracked += 1

    def _given(self, layer: Quantized) -> Statistics:
        """The running statistics, in units of the layer without the scale of its weights."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        deviation = (norm.running_var + norm.eps).sqrt()
        found = Statistics(
            mean=norm.running_mean, spread=deviation, deviation=deviation, omega=torch.ones_like(deviation), count=0
        )
        if not self.chain.binary_weights:
            return found
        weight = layer.weight
        scale = weight.detach().float().abs().flatten(1).mean(1).clamp_min(1e-12)
        return found.scaled(1 / scale)


def geometry(layer: nn.Module) -> dict[str, tuple[int, int] | int]:
    """Stride, padding, dilation and groups of a convolution; nothing of a linear layer."""
    if not isinstance(layer, QuantizedConv2d):
        return {}
    return {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
