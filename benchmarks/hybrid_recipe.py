"""How every network of the hybrid study is trained, and what a result stands for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from benchmarks.hybrid_variants import K_BIT, TASK
from design.design import Design
from networks.options import BuildOptions
from networks.training.augmentation import usual_augmentation
from networks.training.options import FitOptions

RECIPE: dict[str, Any] = {
    "optim": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "batch_size": 64,
    "warmup_epochs": 0.25,
    "weight_decay": 1e-4,
    "decayed": "weights",
}
"""The same for all variants, without a teacher, so that differences are the bits'. Chosen for full precision, on the
validation part, with a seed of its own (docs/log.md)."""
LONG = 100
"""Epochs from which on batches have the size that papers train with."""
LONG_BATCH = 128
"""He et al. (arXiv 1512.03385)."""
ALIKE = BuildOptions(shortcut_few_bits=True)
"""How every variant is built: blocks of k bits have the shortcuts of binary ones."""
SIGNIFICANCE_PICTURES = 1000
"""Of the validation part; never test pictures."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training.

    Attributes:
        significant: Layers chosen by principal components, where the variant needs them.
        limit: Training pictures used; None = all.
        test_limit: Test pictures used; None = all.
        device: Where it is trained; no setting, but told with the result.
    """

    network: str
    variant: str
    seed: int
    epochs: int
    significant: tuple[str, ...] = ()
    limit: int | None = None
    test_limit: int | None = None
    device: str = "cpu"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.network} {self.variant} seed {self.seed}"

    @property
    def recipe(self) -> dict[str, Any]:
        """RECIPE, in larger batches where there are many epochs."""
        return RECIPE | ({"batch_size": LONG_BATCH} if self.epochs >= LONG else {})

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on beside the design and the code."""
        alike: dict[str, Any] = {"shortcut_few_bits": True} if self.variant in K_BIT else {}  # nothing to others
        return {
            "task": TASK,
            "seed": self.seed,
            "epochs": self.epochs,
            "limit": self.limit,
            "test_limit": self.test_limit,
            **self.recipe,
            **alike,
        }

    def digest(self, design: Design) -> str:
        """SHA-256 (hex) of design and settings: equal networks trained alike share one result."""
        content = {"design": design.digest, "settings": self.settings}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def options(self) -> FitOptions:
        """For `fit`."""
        return FitOptions(epochs=self.epochs, seed=self.seed, augmentation=usual_augmentation(TASK), **self.recipe)
