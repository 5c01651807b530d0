"""Replay: forward and backward passes recorded once as CUDA graphs and started as a whole from then on.

Small networks leave an accelerator waiting for its host, which starts hundreds of short kernels for every batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from networks.quantizers.start import StartsFromData
from networks.training.errors import InvalidOptions


@contextmanager
def replayed(module: nn.Module, images: Tensor, *, bf16: bool) -> Iterator[None]:
    """While this lasts, training passes of a module are replayed; evaluation passes stay what they are.

    The network must do the same for every batch. Recording shows it the batch a few times: quantizers that start from
    their first batch start from this one, other buffers (statistics of batch norms) are as before.

    Args:
        module: On a CUDA device, in its final memory format; what loads or steps its parameters does so in place.
        images: The first batch, B x C x H x W; others must be like it.
        bf16: Record under autocast to bfloat16.

    Raises:
        InvalidOptions: The batch is not on a CUDA device.
    """
    if images.device.type != "cuda":
        raise InvalidOptions(
            "passes must be on a CUDA device to be replayed", f"{images.device}", "Set cuda_graphs=False."
        )
    parts = [part for part in module.modules() if not isinstance(part, StartsFromData)]
    kept = [(buffer, buffer.clone()) for part in parts for buffer in part.buffers(recurse=False)]
    module.train()
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
        torch.cuda.make_graphed_callables(module, (images,))
    for buffer, value in kept:
        buffer.copy_(value)
    try:
        yield
    finally:
        del module.forward  # the recorded one, of this object alone
