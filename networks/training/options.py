"""FitOptions: how a network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from networks.training.augmentation import NO_AUGMENTATION, Augmentation
from networks.training.errors import InvalidOptions

Decayed = Literal["all", "weights", "real_weights", "none"]
"""What weight decay acts on: every parameter; weights of convolutions and fully connected layers; those of them that
are not stored binary; nothing. Batch norms, biases, steps and shifts decay under `all` alone."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a network is trained. Defaults: ResNet on CIFAR-10 as in He et al. (arXiv 1512.03385), but cosine for steps.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Pictures in a step; what is left over after the last whole batch waits for the next epoch.
        optim: What steps the weights; Adam with decoupled decay has betas .9 and .999.
        learning_rate: The peak, reached after the warm-up; then half a cosine to 0 (Loshchilov and Hutter, arXiv
            1608.03983).
        warmup_epochs: Linear rise; fractions are allowed.
        momentum: Of SGD.
        nesterov: Look ahead with SGD.
        weight_decay: Per step, scaled by the learning rate as usual.
        decayed: What it acts on.
        label_smoothing: Share of the target spread over all classes (Szegedy et al., arXiv 1512.00567).
        distillation: Share of the loss that compares with the teacher (Hinton et al., arXiv 1503.02531).
        temperature: Softens teacher and student for that share.
        average_decay: Of the exponential moving average of all weights, which is then what is validated and kept;
            None = no average. An average of latent weights is binarized like any other.
        clip_norm: Largest norm of the whole gradient; None = any.
        bf16: Compute in bfloat16 where that is safe (autocast); weights stay 32-bit. None = where the hardware has it
            (`networks.training.half_precision`).
        augmentation: Of training pictures.
        seed: Of order, augmentation and dropout. The weights a network begins with are the caller's.

    Raises:
        InvalidOptions: Figures out of range.
    """

    epochs: int = 15
    batch_size: int = 128
    optim: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    decayed: Decayed = "weights"
    label_smoothing: float = 0.0
    distillation: float = 0.0
    temperature: float = 2.0
    average_decay: float | None = None
    clip_norm: float | None = None
    bf16: bool | None = None
    augmentation: Augmentation = NO_AUGMENTATION
    seed: int = 0

    def __post_init__(self) -> None:
        whole = {"epochs": (self.epochs, 1), "batch_size": (self.batch_size, 1), "seed": (self.seed, 0)}
        for name, (number, least) in whole.items():
            if number < least:
                raise InvalidOptions(f"{name} must be at least {least}", f"{number}", pointer=f"/{name}")
        ranges = {
            "learning_rate": (self.learning_rate, 0.0, math.inf),
            "warmup_epochs": (self.warmup_epochs, 0.0, float(self.epochs)),
            "momentum": (self.momentum, 0.0, 1.0),
            "weight_decay": (self.weight_decay, 0.0, math.inf),
            "label_smoothing": (self.label_smoothing, 0.0, 1.0),
            "distillation": (self.distillation, 0.0, 1.0),
            "temperature": (self.temperature, 0.0, math.inf),
            "average_decay": (self.average_decay or 0.0, 0.0, 1.0),
            "clip_norm": (self.clip_norm or 0.0, 0.0, math.inf),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high or math.isinf(value):
                raise InvalidOptions(f"{name} must be between {low:g} and {high:g}", f"{value}", pointer=f"/{name}")
        if not self.learning_rate or not self.temperature:
            raise InvalidOptions("learning rate and temperature must be over 0", "0")
        if self.nesterov and not self.momentum and self.optim == "sgd":
            raise InvalidOptions("Nesterov's step must have momentum", "0", "Set nesterov=False.")
