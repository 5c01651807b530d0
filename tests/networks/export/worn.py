"""Networks that look as if they had been trained: norms and steps no longer as built."""

from __future__ import annotations

import torch

from design.design import Design
from networks.build import build
from networks.layers import Norm, Quantized
from networks.network import Network
from networks.options import DEFAULT, BuildOptions


def worn(design: Design, options: BuildOptions = DEFAULT) -> Network:
    """In evaluation mode; some filters are turned round by their norm, and one is dead."""
    network = build(design, options=options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network(torch.randn(4, *design.architecture.input_shape, generator=generator))
        for module in network.modules():
            if isinstance(module, Norm):
                module.weight.uniform_(-0.5, 1.5, generator=generator)
                module.weight[0] = 0
                module.bias.normal_(0, 0.3, generator=generator)
    return network.eval()


def weight_of(network: Network, name: str) -> torch.Tensor:
    operation = network.unit(name).operation
    assert isinstance(operation, Quantized)
    return operation.weight


def pictures(design: Design, number: int = 2) -> torch.Tensor:
    return torch.randn(number, *design.architecture.input_shape, generator=torch.Generator().manual_seed(1))
