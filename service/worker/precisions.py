"""Precisions: what the steps of a job ask about a design's bits. No tensors: workers ask it too."""

from __future__ import annotations

from design.design import Design
from design.layer import Op, Role
from design.policies import policy_by_role
from design.precision import FULL

INTEGER_WEIGHTS, INTEGER_INPUTS = frozenset({1, 2, 4, 8}), frozenset({2, 4, 8})


def is_full_precision(design: Design) -> bool:
    """Whether nothing of it is quantized."""
    return design.policy.residual_bits == FULL.weight_bits and all(own == FULL for own in design.policy.layers.values())


def in_full_precision(design: Design) -> Design:
    """The same network with nothing quantized."""
    if is_full_precision(design):
        return design
    return Design(architecture=design.architecture, policy=policy_by_role(design.architecture), plan=design.plan)


def integer_layers(design: Design) -> int:
    """Layers whose weights and inputs are on levels that integer kernels take."""
    return sum(
        own.weight_bits in INTEGER_WEIGHTS and own.activation_bits in INTEGER_INPUTS
        for own in design.policy.layers.values()
    )


def compared_layers(design: Design) -> list[str]:
    """Convolutions of the body, whose significance is compared."""
    return [one.name for one in design.pruned.weighted if one.role is Role.BODY and one.op is Op.CONV]


def pruned_layers(design: Design) -> int:
    """Layers with weights that keep fewer filters than they had."""
    before = {layer.name: layer.out_channels for layer in design.architecture.weighted}
    return sum(layer.out_channels < before[layer.name] for layer in design.pruned.weighted)
