"""Signs of binary weights and activations: how many flip, and how many no longer do anything."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import Quantized
from networks.quantizers.binary import BinaryActivations, BinaryWeights
from networks.training.sharpness.probe import Probe, calm
from networks.training.sharpness.surrogate import Statistics, quiet_copy


def binary_weights(module: nn.Module) -> list[Tensor]:
    """The latent weights that are computed with as signs."""
    return [
        part.weight
        for part in module.modules()
        if isinstance(part, Quantized) and isinstance(part.weight_quantizer, BinaryWeights)
    ]


class SignFlips:
    """Remembers the signs of binary weights, a byte each."""

    def __init__(self) -> None:
        self._signs: list[Tensor] | None = None
        self._step = 0

    def since_last(self, module: nn.Module, step: int) -> tuple[float | None, int | None]:
        """Share of binary weights with another sign than at the last call, and the steps between; None at the first."""
        signs = [torch.signbit(one.detach()) for one in binary_weights(module)]
        before, since = self._signs, step - self._step
        self._signs, self._step = signs, step
        number = sum(one.numel() for one in signs)
        if before is None or not number:
            return None, None
        flipped = sum(int((old != new).sum()) for old, new in zip(before, signs, strict=True))
        return flipped / number, since


def dead_weights(module: nn.Module) -> float | None:
    """Share of binary weights whose gradient is exactly 0; None without binary weights or gradients."""
    slopes = [one.grad for one in binary_weights(module) if one.grad is not None]
    number = sum(one.numel() for one in slopes)
    return sum(int((one == 0).sum()) for one in slopes) / number if number else None


def dead_channels(module: nn.Module, probe: Probe, statistics: Statistics) -> float | None:
    """Share of the channels of binary activations with one sign on every example and position; None without any."""
    own, _ = quiet_copy(module, statistics)
    seen: dict[nn.Module, Tensor] = {}

    def look(part: nn.Module, _inputs: tuple[Tensor, ...], signs: Tensor) -> None:
        flat = signs.transpose(0, 1).flatten(1)
        ends = torch.stack([flat.amin(1), flat.amax(1)])
        if part in seen:
            ends = torch.stack([torch.minimum(ends[0], seen[part][0]), torch.maximum(ends[1], seen[part][1])])
        seen[part] = ends

    found = [part for part in own.modules() if isinstance(part, BinaryActivations)]
    if not found:
        return None
    for part in found:
        part.register_forward_hook(look)
    with torch.no_grad(), calm(own):
        for chunk in probe.chunks:
            own(chunk[0])
    channels = sum(ends.shape[1] for ends in seen.values())
    return sum(int((low == high).sum()) for low, high in seen.values()) / channels if channels else None
