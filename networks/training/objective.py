"""What training makes small: cross entropy, and the distance to a teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.training.options import FitOptions


def objective(logits: Tensor, labels: Tensor, taught: Tensor | None, options: FitOptions) -> Tensor:
    """(1 - a) cross entropy + a T^2 KL(teacher at T || student at T) (Hinton et al., arXiv 1503.02531).

    Args:
        logits: N x classes, float32.
        labels: N.
        taught: The teacher's logits, N x classes; None = no teacher.
        options: a is `distillation`, T `temperature`.

    Returns:
        A scalar, the mean over pictures.
    """
    loss = functional.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
    if taught is None or not options.distillation:
        return loss
    warm = options.temperature
    apart = functional.kl_div(
        functional.log_softmax(logits / warm, 1),
        functional.log_softmax(taught / warm, 1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - options.distillation) * loss + options.distillation * warm**2 * apart


def teach(teacher: nn.Module, images: Tensor, *, bf16: bool) -> Tensor:
    """The teacher's logits in evaluation mode, float32, without gradients."""
    teacher.eval()
    with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        logits: Tensor = teacher(images)
    return logits.float()
