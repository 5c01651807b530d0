"""Calibration: the ranges of tensors that a network has no learned step for, from pictures held out of training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from design.errors import BespokeError
from networks.export.integer import Range, core, needs_ranges
from networks.network import Network


class Method(StrEnum):
    """How a range follows from what a tensor takes.

    MIN_MAX: the smallest and the largest value of all batches.
    PERCENTILE: those that a share of the values lies between, of each batch, averaged over the batches; rare
        outliers are cut, and the levels lie closer.
    """

    MIN_MAX = "min_max"
    PERCENTILE = "percentile"


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """How to calibrate.

    Attributes:
        method: See Method.
        share: Of the values that PERCENTILE keeps; 99.99 % is usual for activations (Wu et al., arXiv 2004.09602).
    """

    method: Method = Method.MIN_MAX
    share: float = 0.9999

    def __post_init__(self) -> None:
        if not 0.5 < self.share <= 1:
            raise InvalidCalibration("the share of values kept must be over 0.5 and at most 1", f"{self.share:g}")


class InvalidCalibration(BespokeError):
    """Calibration without pictures, with a share that cuts everything, or of a network that computes no numbers."""


def calibrate(
    network: Network, batches: Iterable[Tensor], options: CalibrationOptions | None = None
) -> dict[str, Range]:
    """Ranges of the outputs that `networks.export.integer.needs_ranges` names; the same pictures give the same ranges.

    Args:
        network: Looked at in evaluation mode (its mode is left as it was).
        batches: N x C x H x W each, normalised as in training and held out of it; never test pictures.
        options: How.

    Raises:
        InvalidCalibration: No pictures, or values that are not finite.
    """
    own = options or CalibrationOptions()
    wanted = needs_ranges(network)
    seen: dict[str, list[Range]] = {name: [] for name in wanted}
    hooks = [core(network.unit(name))[-1].register_forward_hook(partial(_look, seen[name], own)) for name in wanted]
    training, pictures = network.training, 0
    network.eval()
    try:
        with torch.inference_mode():
            for images in batches:
                network(images)
                pictures += len(images)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    if wanted and not pictures:
        raise InvalidCalibration("calibration must see at least one picture", "none")
    return {name: _joined(name, ranges, own.method) for name, ranges in seen.items()}


def _look(seen: list[Range], options: CalibrationOptions, part: nn.Module, given: tuple[Any, ...], x: Tensor) -> None:
    """Forward hook."""
    del part, given
    values = x.detach().float().flatten()
    if options.method is Method.PERCENTILE:
        rank = min(len(values), max(1, round(options.share * len(values))))
        low, high = -(-values).kthvalue(rank).values, values.kthvalue(rank).values
        seen.append(Range(low=min(float(low), float(high)), high=max(float(low), float(high))))
    else:
        low, high = values.aminmax()
        seen.append(Range(low=float(low), high=float(high)))


def _joined(name: str, ranges: list[Range], method: Method) -> Range:
    lows, highs = torch.tensor([r.low for r in ranges]), torch.tensor([r.high for r in ranges])
    if not bool(torch.isfinite(lows).all() and torch.isfinite(highs).all()):
        raise InvalidCalibration("what a network computes must be finite", f"other values behind {name!r}")
    if method is Method.PERCENTILE:
        return Range(low=float(lows.mean()), high=float(highs.mean()))
    return Range(low=float(lows.min()), high=float(highs.max()))
