"""Training time of `fit` against a plain PyTorch loop of the same network, in one run."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import nn

from benchmarks.hybrid_recipe import RECIPE
from benchmarks.hybrid_variants import TASK, design_of
from networks.build import build
from networks.training.augmentation import usual_augmentation
from networks.training.data import TrainingData
from networks.training.fit import fit
from networks.training.half_precision import bf16_is_native
from networks.training.options import FitOptions

PICTURES = 1280
REPEATS = 5
VALIDATED = 10


def throughput(
    data: TrainingData,
    *,
    network: str,
    variant: str = "full_precision",
    pictures: int = PICTURES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Median over interleaved repeats of one epoch over a few pictures, on the threads that are set.

    `fit` augments, watches the loss and validates on ten pictures; the plain loop indexes normalised float pictures,
    with the same autocast, memory format and SGD. A first, uncounted round warms both up.
    """
    rows = torch.arange(pictures)
    few = replace(
        data, train=data.train.chosen(rows), validation=data.validation.chosen(torch.arange(VALIDATED)), test=None
    )
    design = design_of(network, variant)
    options = FitOptions(epochs=1, augmentation=usual_augmentation(TASK), **RECIPE)
    images = few.normalisation.apply(few.train.images).contiguous(memory_format=torch.channels_last)
    ours, theirs = [], []
    for _ in range(repeats + 1):
        module = build(design)
        begun = time.perf_counter()
        fit(module, few, options)
        ours.append(time.perf_counter() - begun)
        module = build(design)
        begun = time.perf_counter()
        _plain_epoch(module, images, few.train.labels, options)
        theirs.append(time.perf_counter() - begun)
    ratios = [own / other for own, other in zip(ours[1:], theirs[1:], strict=True)]
    return {
        "ratio": median(ratios),
        "pictures_per_s": pictures / median(ours[1:]),
        "plain_pictures_per_s": pictures / median(theirs[1:]),
        "repeats": repeats,
    }


def _plain_epoch(module: nn.Module, images: torch.Tensor, labels: torch.Tensor, options: FitOptions) -> None:
    """What a short script would do."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.train()
    step = torch.optim.SGD(
        module.parameters(),
        lr=options.learning_rate,
        momentum=options.momentum,
        nesterov=True,
        weight_decay=options.weight_decay,
    )
    for chosen in torch.split(torch.randperm(len(images)), options.batch_size):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_native(torch.device("cpu"))):
            loss = nn.functional.cross_entropy(module(images[chosen]), labels[chosen])
        step.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        step.step()
