"""Looking at a network while it runs: hooks on parts of it, pictures through it, all as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

Hook = Callable[[nn.Module, tuple[Any, ...], Tensor], None]
"""Told a part, what it was given and what it gave."""


def look_at(module: nn.Module, batches: Iterable[Tensor], hooks: Iterable[tuple[nn.Module, Hook]]) -> None:
    """Run pictures through a module in evaluation mode, without gradients; mode and hooks are then as before.

    Args:
        module: What runs.
        batches: Of pictures, N x C x H x W.
        hooks: Parts of the module, and who is told when they have run.
    """
    handles = [part.register_forward_hook(hook) for part, hook in hooks]
    training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            for images in batches:
                module(images)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
