"""Checks before training: whether a network can be trained on a data set at all."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from networks.training.batches import Batches
from networks.training.data import TrainingData
from networks.training.errors import InvalidData


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters that are trained lie.

    Raises:
        InvalidData: There are none.
    """
    trained = next((parameter for parameter in module.parameters() if parameter.requires_grad), None)
    if trained is None:
        raise InvalidData("the network must have parameters to train", "none that requires a gradient")
    return trained.device


def check_fits(module: nn.Module, data: TrainingData, batches: Batches) -> None:
    """Show a copy of the network two pictures; the network itself starts its quantizers from the first batch.

    Raises:
        InvalidData: It does not take them, or gives something else than an output for each class.
    """
    images, _ = next(batches.in_order())
    try:
        shown = copy.deepcopy(module)
    except RuntimeError as error:
        raise InvalidData(
            "the network must be one that can be copied",
            str(error),
            "Make computed weights permanent first (torch.nn.utils.prune.remove, remove_weight_norm).",
        ) from error
    logits = _logits(shown.eval(), images[:2], data)
    _logits(shown.train(), images[:2], data)
    shape = tuple(logits.shape)
    if shape[1:] != (len(data.train.classes),):
        raise InvalidData(f"the network must have an output for each of {len(data.train.classes)} classes", f"{shape}")
    if len(data.train) < 2:
        raise InvalidData("there must be at least two training pictures", f"{len(data.train)}")


def _logits(module: nn.Module, images: Tensor, data: TrainingData) -> Tensor:
    """What a copy of the network gives in its present mode; the state of random numbers stays."""
    devices = [images.device] if images.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            found = module(images)
    except RuntimeError as error:
        raise InvalidData(f"the network must take pictures of {data.train.shape}", str(error)) from error
    if not isinstance(found, Tensor):
        mode = "training" if module.training else "evaluation"
        raise InvalidData(
            "the network must give one tensor of logits",
            f"{type(found).__name__} in {mode}",
            "Wrap it in a module that gives the logits alone.",
        )
    return found
