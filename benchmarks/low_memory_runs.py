"""One training of the low-memory study: BinaryNet at a quarter of its width on Fashion-MNIST, kept as a small file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.epochs import EpochTeller
from benchmarks.hybrid_runs import Places, Result, alone, commit_now, hardware, keep, stored_results
from benchmarks.low_memory_variants import TASK, VARIANTS, WIDTH, make, study_design
from design.task import find_task
from networks.training.augmentation import usual_augmentation
from networks.training.batches import Batches
from networks.training.data import TrainingData, prepare
from networks.training.evaluation import evaluate
from networks.training.fit import fit
from networks.training.low_memory.network import LowMemoryNetwork, to_standard
from networks.training.options import FitOptions
from networks.training.sources.read import read_task

RECIPE: dict[str, Any] = {
    "optim": "adamw",
    "learning_rate": 3e-3,
    "batch_size": 100,
    "warmup_epochs": 0.5,
    "weight_decay": 0.0,
    "decayed": "none",
    "bf16": False,
}
"""Of both ways, chosen on the validation part (docs/log.md)."""
BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training.

    Attributes:
        variant: See `low_memory_variants`.
        limit: Training pictures used; None = all.
        test_limit: Test pictures used; None = all.
    """

    variant: str
    seed: int
    epochs: int
    limit: int | None = None
    test_limit: int | None = None

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.variant} seed {self.seed}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on beside the code."""
        own = VARIANTS[self.variant]
        return {
            "task": TASK,
            "width": WIDTH,
            "low_memory": None if own is None else asdict(own),
            "seed": self.seed,
            "epochs": self.epochs,
            "limit": self.limit,
            "test_limit": self.test_limit,
            **RECIPE,
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of design and settings."""
        content = {"design": study_design().digest, "settings": self.settings}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def options(self) -> FitOptions:
        """For `fit`."""
        return FitOptions(epochs=self.epochs, seed=self.seed, augmentation=usual_augmentation(TASK), **RECIPE)


def run(job: Job, places: Places) -> Result:
    """The result of a job: stored, or trained now on one thread (going on from a checkpoint) and stored."""
    torch.set_num_threads(1)
    folder = places.cache / job.digest[:16]
    with alone(folder):
        stored = stored_results(places.results).get(job.digest)
        return _trained(job, folder, places) if stored is None else stored


def _trained(job: Job, folder: Path, places: Places) -> Result:
    """Train, test and keep."""
    commit = commit_now()
    data = read_data(places.data, job.limit)
    module: nn.Module = make(study_design(), job.variant, seed=job.seed)
    fitted = fit(module, data, job.options, checkpoint=folder / "checkpoint.pt", progress=EpochTeller(job.title))
    assert data.test is not None
    test = data.test if job.test_limit is None else data.test.chosen(torch.arange(job.test_limit))
    batches = Batches(test, batch_size=BATCH, normalisation=data.normalisation)
    if isinstance(module, LowMemoryNetwork):
        module = to_standard(module)  # what is shipped is what is tested
    tested = evaluate(module, batches)
    result: Result = {
        "format": 1,
        "digest": job.digest,
        "variant": job.variant,
        "seed": job.seed,
        "test_accuracy": tested.accuracy,
        "test_loss": tested.loss,
        "validation_accuracy": fitted.validation_accuracy,
        "best_epoch": fitted.best_epoch,
        "seconds": round(fitted.seconds, 1),
        "settings": job.settings,
        "design": study_design().digest,
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
        "data": data.digest(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "hardware": hardware(),
    }
    keep(result, places.results / f"{job.variant}-{job.seed}-{job.digest[:8]}.json")
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return result


@lru_cache(maxsize=1)
def read_data(folder: Path, limit: int | None) -> TrainingData:
    """Fashion-MNIST, made ready."""
    return prepare(read_task(find_task(TASK), folder), limit=limit)
