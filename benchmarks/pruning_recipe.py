"""How every network of the pruning study is chosen and trained, and what a result stands for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from benchmarks.hybrid_recipe import RECIPE
from benchmarks.hybrid_recipe import Job as ParentJob
from benchmarks.hybrid_variants import NETWORKS, TASK, design_of
from networks.pruning.decision import Method, Shared
from networks.pruning.scores import Chance, L1Norm, Score, Sensitivity
from networks.training.augmentation import usual_augmentation
from networks.training.options import FitOptions

VARIANT = "full_precision"
PARENT = "parent"
"""No filter removed, trained for the same further epochs."""
METHODS = ("provable", "uniform", "l1", "random")
KEPT = (0.8, 0.6, 0.4)
"""Share of the parameters that may remain."""
PICTURES = 256
"""Held out of training, for sensitivities and for the means of removed channels."""
TIES = "l1"
"""What counts among filters of equal sensitivity: of the two methods that choose by it."""
RATES = (0.01, 0.03, 0.1)
"""Peak learning rates to choose from, on the validation part (`CHOSEN_ON`)."""
CHOSEN_ON = ("l1", 0.6)
"""Method and share whose validation accuracy chooses the rate for all: not that of the method on trial."""
FINE_TUNING: dict[str, Any] = RECIPE | {"warmup_epochs": 0.1}
Given = Callable[[], Iterable[Tensor]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network pruned and trained on.

    Attributes:
        method: Of METHODS, or PARENT.
        keep: Share of the parameters; 1 for the parent.
        learning_rate: Peak of the further epochs.
        epochs: Further ones.
        limit: Training pictures used; None = all.
        test_limit: Test pictures used; None = all.
        parent_epochs: Of the parent; None = as the hybrid study trains it.
        device: Where it and a missing parent are trained; no setting, but told with the result.
    """

    network: str
    method: str
    keep: float
    seed: int
    learning_rate: float
    epochs: int
    limit: int | None = None
    test_limit: int | None = None
    parent_epochs: int | None = None
    device: str = "cpu"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.network} {self.method} at {self.keep:g}, seed {self.seed}, rate {self.learning_rate:g}"

    @property
    def parent(self) -> ParentJob:
        """The training of the hybrid study that is pruned."""
        return ParentJob(
            network=self.network,
            variant=VARIANT,
            seed=self.seed,
            epochs=self.parent_epochs or NETWORKS[self.network].epochs,
            limit=self.limit,
            test_limit=self.test_limit,
            device=self.device,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on beside the code."""
        parent = self.parent
        return {
            "task": TASK,
            "parent": parent.digest(design_of(parent.network, parent.variant)),
            "method": self.method,
            "keep": self.keep,
            "pictures": PICTURES,
            "seed": self.seed,
            "epochs": self.epochs,
            "limit": self.limit,
            "test_limit": self.test_limit,
            **FINE_TUNING,
            "learning_rate": self.learning_rate,
            **({"ties": TIES} if self.method in ("provable", "uniform") else {}),
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def options(self) -> FitOptions:
        """For `fit`."""
        recipe = FINE_TUNING | {"learning_rate": self.learning_rate}
        return FitOptions(epochs=self.epochs, seed=self.seed, augmentation=usual_augmentation(TASK), **recipe)

    def chosen_by(self, pictures: Given) -> Method:
        """How filters are chosen: the baselines keep the same share of every layer."""
        if self.method == "provable":
            return Method(score=Sensitivity(batches=pictures))
        scores: dict[str, Score] = {
            "uniform": Sensitivity(batches=pictures),
            "l1": L1Norm(),
            "random": Chance(seed=self.seed),
        }
        return Method(score=scores[self.method], shared=Shared.UNIFORM)
