"""Replay: forward and backward passes recorded once as CUDA graphs and started as a whole from then on.

Small networks leave an accelerator waiting for its host, which starts hundreds of short kernels for every batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from networks.quantizers.start import StartsFromData
from networks.training.errors import InvalidOptions


def replayed(module: nn.Module, images: Tensor, *, bf16: bool) -> Callable[[Tensor], Tensor]:
    """The training passes of a module, recorded; the module itself stays what it is.

    The network must do the same for every batch. Recording shows it the batch a few times: quantizers that start from
    their first batch start from this one; other buffers (statistics of batch norms) and the state of random numbers
    are as before, after an error too.

    Args:
        module: On a CUDA device, in its final memory format; what loads or steps its parameters does so in place.
        images: The first batch, B x C x H x W; others must be like it.
        bf16: Record under autocast to bfloat16.

    Returns:
        Takes a batch and gives logits to go backward from, in training mode.

    Raises:
        InvalidOptions: The batch is not on a CUDA device, or the passes cannot be recorded.
    """
    device = images.device
    check_replays(device)
    parts = [part for part in module.modules() if not isinstance(part, StartsFromData)]
    kept = [(buffer, buffer.clone()) for part in parts for buffer in part.buffers(recurse=False)]
    own = vars(module).get("forward")
    module.train()
    try:
        with (
            torch.cuda.device(device),
            torch.random.fork_rng([device]),
            torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False),
        ):
            torch.cuda.make_graphed_callables(module, (images,), allow_unused_input=True)
        recorded: Callable[[Tensor], Tensor] = module.forward
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError) as error:
        raise InvalidOptions(
            "the passes of the network must be ones that can be recorded", str(error), "Set cuda_graphs=False."
        ) from error
    finally:
        vars(module).pop("forward", None)  # what was recorded would be replayed by copies of the module too
        if own is not None:
            module.forward = own
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
    return recorded


def check_replays(device: torch.device) -> None:
    """Refuse a device on which nothing can be replayed.

    Raises:
        InvalidOptions: It is no CUDA device.
    """
    if device.type != "cuda":
        raise InvalidOptions("passes must be on a CUDA device to be replayed", f"{device}", "Set cuda_graphs=False.")
