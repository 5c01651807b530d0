"""Surrogate: the smooth network whose Hessian stands for that of a quantized one.

Through sign and rounding the true Hessian is zero almost everywhere, and the straight-through gradient is in general
the
gradient of nothing. Each quantizer is therefore replaced by the function whose slope its straight-through gradient is:

| quantizer | its surrogate |
|---|---|
| sign, clipped gradient | clip(x - shift, -1, 1) |
| sign, quadratic gradient | y (2 - abs(y)), y = clip(x - shift, -1, 1) |
| binary or fixed-level weights | clip(W, -1, 1); with the XNOR gradient times the scale of the filter |
| learned steps s from Qn to Qp | clip(x, s Qn, s Qp) |
| fixed-level activations | clip(x, 0 or -1, 1) |
| int8 weights, 16 bits | the value itself |

This is the latent float network: what the gradients of a quantized training believe in, not what is computed forward.
Critical sharpness (`networks.training.sharpness.critical`) needs no surrogate.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from networks.quantizers.binary import BinaryActivations, BinaryWeights, filter_scale
from networks.quantizers.half import HalfPrecision
from networks.quantizers.integer import IntegerWeights
from networks.quantizers.learned_step import LearnedStepActivations, LearnedStepWeights, limits
from networks.quantizers.options import ScaleGradient, SignGradient
from networks.quantizers.quantizer import per_filter
from networks.quantizers.uniform import UniformActivations, UniformWeights
from networks.training.low_memory.network import LowMemoryNetwork, plain_copy

TRUE_HESSIAN = "Hessian of the training loss"
LATENT_HESSIAN = (
    "Hessian of the latent float network: {weights} quantizers of weights and {activations} of activations are "
    "replaced by the functions whose slopes their straight-through gradients are"
)


class Statistics(StrEnum):
    """What batch norms normalise with while curvature is measured.

    BATCH is what the step of a training sees: each chunk of the probe is a batch. RUNNING is the network of evaluation.
    """

    BATCH = "batch"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrogate:
    """A copy of a network that has a Hessian.

    Attributes:
        module: The copy, without dropout; the network itself is not touched.
        parameters: Of the copy, those that are trained, in the order of the network's own.
        measures: What its Hessian is, in words.
        statistics: Of batch norms; None where there are none.
    """

    module: nn.Module
    parameters: tuple[Tensor, ...]
    measures: str
    statistics: Statistics | None


def surrogate(module: nn.Module, statistics: Statistics = Statistics.BATCH) -> Surrogate:
    """A smooth copy of a network (see above); of one without quantizers a plain copy."""
    own, found = quiet_copy(module, statistics)
    parameters = tuple(one for one in own.parameters() if one.requires_grad)
    weights = activations = 0
    for part in list(own.modules()):
        for name, child in list(part.named_children()):
            smooth = _smooth(child)
            if smooth is not None:
                part._modules[name] = smooth
                of_weights = name == "weight_quantizer"
                weights, activations = weights + of_weights, activations + (not of_weights)
    measures = TRUE_HESSIAN
    if weights or activations:
        measures = LATENT_HESSIAN.format(weights=weights, activations=activations)
    return Surrogate(module=own, parameters=parameters, measures=measures, statistics=found)


def quiet_copy(module: nn.Module, statistics: Statistics) -> tuple[nn.Module, Statistics | None]:
    """A copy without gradients and dropout, quantizers as they are; and what its batch norms use, if it has any."""
    own = plain_copy(module) if isinstance(module, LowMemoryNetwork) else copy.deepcopy(module)
    own.train(statistics is Statistics.BATCH)
    own.zero_grad(set_to_none=True)
    normalised = False
    for part in own.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.eval()
        normalised |= isinstance(part, nn.modules.batchnorm._NormBase)
    return own, statistics if normalised else None


def is_quantized(module: nn.Module) -> bool:
    """Whether a network rounds anything, so that its Hessian needs a surrogate."""
    return any(_smooth(part) is not None for part in module.modules())


class _Clipped(nn.Module):
    """The surrogate of a quantizer, which keeps its parameters."""

    def __init__(self, quantizer: nn.Module) -> None:
        super().__init__()
        self.quantizer = quantizer


class _SmoothSign(_Clipped):
    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.quantizer, BinaryActivations)
        inside = self.quantizer.shifted(x).clamp(-1, 1)
        return inside if self.quantizer.gradient is SignGradient.CLIPPED else inside * (2 - inside.abs())


class _SmoothWeights(_Clipped):
    def forward(self, weight: Tensor) -> Tensor:
        inside = weight.clamp(-1, 1)
        if isinstance(self.quantizer, BinaryWeights) and self.quantizer.gradient is ScaleGradient.XNOR:
            return per_filter(filter_scale(weight), weight) * inside
        return inside


class _SmoothSteps(_Clipped):
    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.quantizer, LearnedStepWeights):
            step = per_filter(self.quantizer.step, x)
            low, high = self.quantizer.low, self.quantizer.high
        else:
            assert isinstance(self.quantizer, LearnedStepActivations)
            step = self.quantizer.step
            low, high = limits(self.quantizer.bits, unsigned=bool(self.quantizer.unsigned))
        return torch.minimum(torch.maximum(x, step * low), step * high)


class _SmoothLevels(_Clipped):
    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.quantizer, UniformActivations)
        return x.clamp(0 if self.quantizer.unsigned else -1, 1) if self.quantizer.clipped else x


class _Same(_Clipped):
    def forward(self, x: Tensor) -> Tensor:
        return x


def _smooth(quantizer: nn.Module) -> nn.Module | None:
    """The surrogate of a quantizer; None of anything else."""
    if isinstance(quantizer, BinaryActivations):
        return _SmoothSign(quantizer)
    if isinstance(quantizer, BinaryWeights | UniformWeights):
        return _SmoothWeights(quantizer)
    if isinstance(quantizer, LearnedStepWeights | LearnedStepActivations):
        return _SmoothSteps(quantizer)
    if isinstance(quantizer, UniformActivations):
        return _SmoothLevels(quantizer)
    return _Same(quantizer) if isinstance(quantizer, IntegerWeights | HalfPrecision) else None
