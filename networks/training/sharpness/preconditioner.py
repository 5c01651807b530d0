"""The diagonal that Adam, AdamW and RMSprop divide their steps by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, optim

from networks.training.sharpness.thresholds import gradient_decay


def preconditioner(stepper: optim.Optimizer, parameters: Sequence[Tensor]) -> list[Tensor]:
    """P, one tensor a parameter: sqrt(v) + eps, for Adam with v corrected for its start.

    The step is `rate * P^-1 m`; thresholds speak of P^-1/2 H P^-1/2 (arXiv 2207.14484). A parameter that has not been
    stepped yet, and every parameter of SGD, has ones.
    """
    groups = {id(one): group for group in stepper.param_groups for one in group["params"]}
    return [_of_parameter(stepper, groups[id(one)], stepper.state.get(one, {}), one) for one in parameters]


def decays(stepper: optim.Optimizer, parameters: Sequence[Tensor]) -> list[float]:
    """What weight decay adds to the curvature along each parameter, where it is part of the gradient."""
    groups = {id(one): group for group in stepper.param_groups for one in group["params"]}
    return [gradient_decay(stepper, groups[id(one)]) for one in parameters]


def _of_parameter(stepper: optim.Optimizer, group: dict[str, Any], state: dict[str, Any], parameter: Tensor) -> Tensor:
    if isinstance(stepper, optim.Adam) and "exp_avg_sq" in state:
        square = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
        corrected = square / (1 - group["betas"][1] ** float(state["step"]))
        return corrected.sqrt().add_(group["eps"])  # type: ignore[no-any-return]
    if isinstance(stepper, optim.RMSprop) and "square_avg" in state:
        square = state["square_avg"]
        if group["centered"]:
            square = square.addcmul(state["grad_avg"], state["grad_avg"], value=-1)
        return square.clamp(min=0).sqrt().add_(group["eps"])  # type: ignore[no-any-return]
    return torch.ones_like(parameter)
