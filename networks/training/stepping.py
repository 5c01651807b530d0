"""What steps the weights, and which of them decay."""

from __future__ import annotations

from torch import Tensor, nn, optim

from networks.quantizers.binary import BinaryWeights
from networks.training.low_memory.network import LowMemoryNetwork
from networks.training.low_memory.optim import HalfAdam, HalfSgd
from networks.training.options import FitOptions


def decaying(module: nn.Module, options: FitOptions) -> list[Tensor]:
    """The parameters that weight decay acts on."""
    if options.decayed == "all":
        return list(module.parameters())
    if options.decayed == "none":
        return []
    parts = [part for part in module.modules() if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)]
    if options.decayed == "real_weights":
        parts = [part for part in parts if not isinstance(getattr(part, "weight_quantizer", None), BinaryWeights)]
    return [part.weight for part in parts]


def make_optim(module: nn.Module, options: FitOptions) -> optim.Optimizer:
    """SGD or AdamW over all parameters, in two groups: with decay and without; with small state for low memory."""
    chosen = {id(parameter) for parameter in decaying(module, options)}
    every = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [one for one in every if id(one) in chosen], "weight_decay": options.weight_decay},
        {"params": [one for one in every if id(one) not in chosen], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if isinstance(module, LowMemoryNetwork):
        attenuation = module.options.attenuation
        if options.optim == "adamw":
            return HalfAdam(groups, lr=options.learning_rate, betas=(0.9, 0.999), attenuation=attenuation)
        return HalfSgd(
            groups,
            lr=options.learning_rate,
            momentum=options.momentum,
            nesterov=options.nesterov,
            attenuation=attenuation,
        )
    if options.optim == "adamw":
        return optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.999), fused=True)
    return optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum, nesterov=options.nesterov, fused=True)
