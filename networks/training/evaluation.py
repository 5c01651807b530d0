"""How good a network is on a part of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from networks.training.batches import Batches


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Means over pictures.

    Attributes:
        loss: Cross entropy in nats.
        accuracy: Share of pictures whose class comes first.
    """

    loss: float
    accuracy: float


def evaluate(module: nn.Module, batches: Batches, *, bf16: bool = False) -> Evaluation:
    """Loss and accuracy in evaluation mode; the mode of the module is left as it was.

    Args:
        module: N x C x H x W -> N x classes.
        batches: Normalised as in training.
        bf16: Compute in bfloat16 where that is safe.
    """
    training = module.training
    module.eval()
    loss, right, number = 0.0, 0, 0
    with torch.inference_mode():
        for images, labels in batches.in_order():
            with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
                logits = module(images)
            logits = logits.float()
            loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
            number += len(labels)
    module.train(training)
    return Evaluation(loss=loss / number, accuracy=right / number)
