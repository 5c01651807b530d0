"""What the low-memory study compares: standard training, all approximations, and each of them on its own."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from torch import nn

from design.binarynet import binarynet, published_policy
from design.design import Design
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.options import BuildOptions
from networks.quantizers.options import QuantizerOptions, SignGradient
from networks.training.low_memory.network import to_low_memory
from networks.training.low_memory.options import LOW_MEMORY, NOTHING_APPROXIMATED, LowMemoryOptions, NormKind

TASK = "fashion_mnist"
BINARYNET = "binarynet"
WIDTH = 0.25
COMPARED = ("standard", "low_memory")
VARIANTS: dict[str, LowMemoryOptions | None] = {
    "standard": None,
    "low_memory": LOW_MEMORY,
    "half": replace(NOTHING_APPROXIMATED, half_gradients=True, half_state=True),
    "one_bit_gradients": replace(NOTHING_APPROXIMATED, one_bit_gradients=True),
    "l1_norm": replace(NOTHING_APPROXIMATED, norm=NormKind.L1),
    "signs_norm": replace(NOTHING_APPROXIMATED, norm=NormKind.SIGNS),
    "low_memory_centred": replace(LOW_MEMORY, norm=NormKind.SIGNS_CENTRED),
    "low_memory_without_cancellation": replace(LOW_MEMORY, cancellation=False),
}
"""None = the network as it is built, under `fit` as it is. The four in the middle make one approximation each."""
BUILD = BuildOptions(quantizers=QuantizerOptions(sign_gradient=SignGradient.CLIPPED))
"""The gradient of sign that both papers train with: 1 within [-1, 1]."""


def network_design(task: str, width: float) -> Design:
    """BinaryNet with every weight binary, as published."""
    architecture = binarynet(find_task(task), width=width, binary_edges=True)
    return Design(architecture=architecture, policy=published_policy(architecture))


def named_design(network: str, task: str, width: float) -> Design:
    """The network whose memory is measured: BinaryNet, or another by name with a binary body and edges of 8 bits."""
    if network == BINARYNET:
        return network_design(task, width)
    architecture = find_network(network).design(find_task(task)).architecture
    return Design(architecture=architecture, policy=policy_by_role(architecture, body=BINARY, edge=precision(8)))


@lru_cache(maxsize=1)
def study_design() -> Design:
    """The network whose accuracy is compared."""
    return network_design(TASK, WIDTH)


def make(design: Design, variant: str, *, seed: int) -> nn.Module:
    """The network, ready to be trained one of the ways."""
    network = build(design, options=BUILD, seed=seed)
    options = VARIANTS[variant]
    return network if options is None else to_low_memory(network, options)
