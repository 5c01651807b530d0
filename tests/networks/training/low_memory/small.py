"""Small binary networks on 1 x 8 x 8 digits."""

from __future__ import annotations

import torch

from design.binarynet import binarynet, perceptron, published_policy
from design.design import Design
from design.task import Task, find_task
from networks.build import build
from networks.network import Network
from networks.options import BuildOptions
from networks.quantizers.options import QuantizerOptions, SignGradient

CLIPPED = BuildOptions(quantizers=QuantizerOptions(sign_gradient=SignGradient.CLIPPED))


def small_design(width: float = 1 / 16) -> Design:
    """BinaryNet with 8 to 64 filters and features."""
    architecture = binarynet(find_task("digits"), width=width, binary_edges=True)
    return Design(architecture=architecture, policy=published_policy(architecture))


def small_network(seed: int = 0) -> Network:
    """That design, built."""
    return build(small_design(), options=CLIPPED, seed=seed)


def small_perceptron(seed: int = 0) -> Network:
    """64 pixels to 64-64-64-64-10."""
    architecture = perceptron(find_task("digits"), width=1 / 4, binary_edges=True)
    design = Design(architecture=architecture, policy=published_policy(architecture))
    return build(design, options=CLIPPED, seed=seed)


def shifted(network: Network, seed: int = 1) -> Network:
    """Shifts of all norms drawn anew, so that no value is exactly 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("norm.bias"):
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    return network


def pictures(number: int = 12, task: Task | None = None) -> torch.Tensor:
    """Noise, channels last."""
    shape = (task or find_task("digits")).input_shape
    generator = torch.Generator().manual_seed(5)
    return torch.randn(number, *shape, generator=generator).to(memory_format=torch.channels_last)
