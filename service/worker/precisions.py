"""Precisions: what the steps of a job ask about a design's bits and filters. No tensors: workers ask it too."""

from __future__ import annotations

from typing import Any

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


def unpruned(design: Design) -> Design:
    """The same network in full precision with all its filters."""
    return Design(architecture=design.architecture, policy=in_full_precision(design).policy)


def is_cut(design: Design, options: dict[str, Any]) -> bool:
    """Whether a job trains the network with all its filters first and then cuts it to the design's numbers."""
    return bool(options.get("full_precision_first", True)) and pruned_layers(design) > 0


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
