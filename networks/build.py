"""From a design to a torch module: quantized, pruned, with deterministic weights."""

from __future__ import annotations

import torch
from torch import nn

from design.design import Design
from design.errors import InvalidDesign
from networks.layers import Norm
from networks.network import Network, Unit, weighted_parts
from networks.options import DEFAULT, BuildOptions, Order
from networks.quantizers.binary import BinaryActivations
from networks.quantizers.learned_step import LearnedStepActivations, LearnedStepWeights

__all__ = ["BuildOptions", "Order", "build", "initialise_"]

LINEAR_DEVIATION = 0.01


def build(design: Design, *, options: BuildOptions = DEFAULT, seed: int = 0) -> Network:
    """The module of a design, in training mode, float32, on the CPU.

    Layers are found under their names (`get_submodule(name).operation` is the bare convolution or linear layer).
    Convolutions start from the normal distribution of He et al. (fan-out), linear layers from N(0, 0.01), both drawn
    from `seed` alone; learned steps of activations start from the first batch.

    Args:
        design: Pruned layers are built at their pruned size.
        options: Order of operations and quantizers.
        seed: Of the weights.

    Raises:
        UnsupportedLayer: A layer that cannot be run.
        InvalidDesign: A layer whose output has another shape than its operation gives.
    """
    with torch.device("meta"):
        network = Network(design.pruned, design.policy, options)
        _check_shapes(network)
    network.to_empty(device="cpu")
    initialise_(network, seed)
    return network


def unfilled(design: Design, options: BuildOptions) -> Network:
    """The module of a design whose parameters and statistics have no values yet: each must be written before it runs.

    Shapes are not checked: it is for designs that have been built at another size.
    """
    with torch.device("meta"):
        network = Network(design.pruned, design.policy, options)
    return network.to_empty(device="cpu")


def initialise_(network: nn.Module, seed: int) -> None:
    """Draw all weights anew and reset norms and quantizers."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, LINEAR_DEVIATION, generator=generator)
        elif isinstance(module, Norm | BinaryActivations | LearnedStepActivations):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for module in network.modules():
        for part in weighted_parts(module):
            if isinstance(part.weight_quantizer, LearnedStepWeights):
                part.weight_quantizer.start_from(part.filters_first(part.weight))


def _check_shapes(network: Network) -> None:
    """Run without data and compare the shape of every layer's output with the design's."""

    def check(unit: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        assert isinstance(unit, Unit)
        layer = unit.step.layer
        if tuple(output.shape[1:]) != layer.out_shape:
            raise InvalidDesign(
                f"the output of layer {layer.name!r} ({layer.op.value}) must be {layer.out_shape} as the design says",
                f"{tuple(output.shape[1:])}",
            )

    handles = [unit.register_forward_hook(check) for unit in network.units()]
    network.eval()
    with torch.no_grad():
        network(torch.empty(2, *network.architecture.input_shape, device="meta"))
    network.train()
    for handle in handles:
        handle.remove()
