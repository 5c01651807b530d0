"""Adam and SGD whose state has the type of the weights (float16), and which take one-bit gradients.

A one-bit gradient is +a or -a for one `a` a layer. The second moment of Adam is then (1 - beta2^t) a^2 for every weight
of the layer, and its corrected root is `a` itself: nothing is stored for it, and Adam's step is

    w <- w - rate * m / (1 - beta1^t) * a / (a + eps),   m <- beta1 m + (1 - beta1) sign

Otherwise the root of the second moment is stored, not the moment: float16 holds gradients whose squares it does not.
All steps are computed in float32 for so many weights at once that the memory does not show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, optim

from networks.training.low_memory.options import Attenuation
from networks.training.low_memory.planes import unpacked_rows

AT_ONCE = 1 << 18


def attenuated(weight: Tensor, kind: Attenuation) -> float:
    """Magnitude of a one-bit gradient of a weight (filters first)."""
    divisors = {
        Attenuation.ROOT_FAN_IN: math.sqrt(weight[0].numel()),
        Attenuation.ROOT_WEIGHTS: math.sqrt(weight.numel()),
        Attenuation.WEIGHTS: float(weight.numel()),
        Attenuation.NONE: 1.0,
    }
    return 1 / divisors[kind]


def flat(x: Tensor) -> Tensor:
    """All elements in the order in which they lie in memory: a view."""
    if x.dim() == 4 and not x.is_contiguous():
        return x.permute(0, 2, 3, 1).reshape(-1)
    return x.reshape(-1)


class _Half(optim.Optimizer):
    """What both have in common: groups of parameters with a rate and a decay."""

    def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any], attenuation: Attenuation) -> None:
        self.attenuation = attenuation
        super().__init__(groups, defaults | {"steps": 0})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, one-bit ones too."""
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sign_gradient = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Step every parameter that has a gradient."""
        del closure
        for group in self.param_groups:
            group["steps"] += 1
            for parameter in group["params"]:
                bits = getattr(parameter, "sign_gradient", None)
                if bits is None and parameter.grad is None:
                    continue
                one = attenuated(parameter, self.attenuation) if bits is not None else None
                self._prepare(parameter, one)
                for part, gradient in _gradients(parameter, bits):
                    self._move(parameter, part, gradient, one, group)

    def _prepare(self, parameter: Tensor, one: float | None) -> None:
        raise NotImplementedError

    def _move(self, parameter: Tensor, part: slice, gradient: Tensor, one: float | None, group: dict[str, Any]) -> None:
        raise NotImplementedError


def _gradients(parameter: Tensor, bits: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Parts of a parameter with their gradients in float32; of one-bit gradients the signs."""
    number = parameter.numel()
    if bits is None:
        assert parameter.grad is not None
        own = parameter.grad
        if parameter.dim() == 4 and not parameter.is_contiguous():
            own = own.contiguous(memory_format=torch.channels_last)
        own = flat(own) if own.stride() == parameter.stride() else flat(own.reshape(parameter.shape))
        for first in range(0, number, AT_ONCE):
            part = slice(first, min(first + AT_ONCE, number))
            yield part, own[part].float()
        return
    rows = len(parameter)
    each = number // rows
    at_once = max(1, AT_ONCE // each)
    for row in range(0, rows, at_once):
        found = unpacked_rows(bits[row : row + at_once], each)
        yield slice(row * each, row * each + found.numel()), found.reshape(-1)


class HalfAdam(_Half):
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101); see the module."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        attenuation: Attenuation = Attenuation.ROOT_FAN_IN,
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0}, attenuation)

    def _prepare(self, parameter: Tensor, one: float | None) -> None:
        state = self.state[parameter]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(parameter)
        if one is None and "root" not in state:
            state["root"] = torch.zeros_like(parameter)

    def _move(self, parameter: Tensor, part: slice, gradient: Tensor, one: float | None, group: dict[str, Any]) -> None:
        state, (beta1, beta2), steps = self.state[parameter], group["betas"], group["steps"]
        weight, mean = flat(parameter)[part], flat(state["mean"])[part]
        moved = mean.float().lerp_(gradient, 1 - beta1)
        mean.copy_(moved)
        rate = group["lr"] / (1 - beta1**steps)
        own = weight.float()
        if group["weight_decay"]:
            own.mul_(1 - group["lr"] * group["weight_decay"])
        if one is not None:
            own.add_(moved, alpha=-rate * one / (one + group["eps"]))
        else:
            root = flat(state["root"])[part]
            square = root.float().square().mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2).sqrt_()
            root.copy_(square)
            own.addcdiv_(moved, square.div_(math.sqrt(1 - beta2**steps)).add_(group["eps"]), value=-rate)
        weight.copy_(own)


class HalfSgd(_Half):
    """SGD with momentum, as `torch.optim.SGD`; see the module."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.9,
        nesterov: bool = False,
        attenuation: Attenuation = Attenuation.ROOT_FAN_IN,
    ) -> None:
        super().__init__(
            groups, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": 0.0}, attenuation
        )

    def _prepare(self, parameter: Tensor, one: float | None) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)

    def _move(self, parameter: Tensor, part: slice, gradient: Tensor, one: float | None, group: dict[str, Any]) -> None:
        if one is not None:
            gradient = gradient.mul_(one)
        weight, buffer = flat(parameter)[part], flat(self.state[parameter]["momentum"])[part]
        own = weight.float()
        if group["weight_decay"]:
            gradient = gradient.add(own, alpha=group["weight_decay"])
        moved = buffer.float().mul_(group["momentum"]).add_(gradient)
        buffer.copy_(moved)
        step = gradient.add(moved, alpha=group["momentum"]) if group["nesterov"] else moved
        weight.copy_(own.add_(step, alpha=-group["lr"]))
