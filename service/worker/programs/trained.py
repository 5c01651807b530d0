"""The trainings of a job, in this process alone or as one of several that train together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from design.design import Design
from networks.build import build
from networks.export.trained import save_trained
from networks.network import Network
from networks.quantize import quantize_
from networks.training.errors import InvalidOptions
from networks.training.fit import fit
from networks.training.low_memory.choose import TrainingChoice, choose_training
from networks.training.low_memory.network import LowMemoryNetwork, to_standard
from networks.training.monitor.monitor import Monitor
from networks.training.options import FitOptions
from networks.training.progress import Fitted, Progress
from networks.training.ranks import Ranks
from service.worker.programs.subject import FULL_PRECISION, QUANTIZED, Subject

Json = dict[str, Any]
MEGABYTE = 1e6
LITTLE_MEMORY: dict[str, Any] = {
    "optim": "adamw",
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "decayed": "none",
    "bf16": False,
    "clip_norm": None,
}
"""What one-bit gradients are stepped with (docs/networks.md)."""
Told = Callable[[float, Json], None]
"""Gets the fraction done and figures to show."""


def train_in_full_precision(subject: Subject, ranks: Ranks, told: Told) -> Json:
    """The network with nothing quantized: the starting point and teacher of the design, or the design itself.

    Where the design keeps fewer filters, it has all of them yet.
    """
    network = subject.fresh()
    fitted = _Training(subject, ranks, told, subject.first_file).run(network, subject.recipe.full_precision)
    _save(subject, ranks, network, subject.first_design, subject.first_file)
    return fitted


def train_what_was_cut(subject: Subject, ranks: Ranks, told: Told) -> Json:
    """The network with the filters that were chosen, still in full precision: what it lost comes back."""
    network = subject.cut()
    fitted = _Training(subject, ranks, told, FULL_PRECISION).run(network, subject.recipe.pruned)
    _save(subject, ranks, network, subject.full_design, FULL_PRECISION)
    return fitted


def train_at_bits(subject: Subject, ranks: Ranks, told: Told) -> Json:
    """The design at its bits, from the network in full precision and taught by it where there is one."""
    teacher = None
    if subject.result("train") is None:
        network = build(subject.design, seed=subject.seed)
    else:
        network, teacher = subject.full_precision(), subject.full_precision()
        quantize_(network, subject.design.policy)
    choice, options = _under_limit(subject, ranks)
    module = choice.prepared(network)
    fitted = _Training(subject, ranks, told, QUANTIZED).run(module, options, teacher)
    if isinstance(module, LowMemoryNetwork):
        network = to_standard(module)
    _save(subject, ranks, network, subject.design, QUANTIZED)
    return fitted | {"memory": choice.reason, "step_bytes": choice.memory_bytes}


def _save(subject: Subject, ranks: Ranks, network: Network, design: Design, name: str) -> None:
    """Leave weights in the work folder; one of several processes does."""
    if ranks.leads:
        save_trained(network, design, subject.folder / name, task=subject.task.name, seed=subject.seed)


def _under_limit(subject: Subject, ranks: Ranks) -> tuple[TrainingChoice, FitOptions]:
    """How to train within the memory that the job may take for a step, by the model of memory.

    Raises:
        InvalidOptions: Not even one picture fits, or several processes were asked for where bits must do.
    """
    limit_mb, options = subject.job["options"].get("training_memory_mb"), subject.recipe.quantized
    limit = None if limit_mb is None else MEGABYTE * float(limit_mb)
    choice = choose_training(subject.design, options, limit)
    if choice.low_memory:
        if ranks.of > 1:
            raise InvalidOptions("training with little memory must be done by one process", f"{ranks.of} of them")
        options = replace(options, **LITTLE_MEMORY)
        choice = choose_training(subject.design, options, limit)
    return choice, replace(options, batch_size=choice.batch_size)


def checkpoint_of(path: Path) -> Path:
    """Where a training that is not finished yet leaves its state, beside the weights that it leads to."""
    return path.with_suffix(".checkpoint")


class _Training:
    """One training with a checkpoint after each epoch, watched."""

    def __init__(self, subject: Subject, ranks: Ranks, told: Told, name: str) -> None:
        self.subject, self.ranks, self.told = subject, ranks, told
        self.path = subject.folder / name

    def run(self, network: nn.Module, options: FitOptions, teacher: nn.Module | None = None) -> Json:
        """Train; the network comes back to the CPU."""
        self.subject.set_threads()
        device = self.subject.device
        if device.type == "cuda" and self.ranks.of > 1:
            device = torch.device("cuda", self.ranks.number)
        network.to(device)
        if teacher is not None:
            teacher.to(device).eval()
        monitor = Monitor(path=self.path.with_suffix(".monitor.json")) if self.ranks.leads else None
        fitted = fit(
            network,
            self.subject.data,
            options,
            teacher=teacher,
            checkpoint=checkpoint_of(self.path),
            progress=self._say if self.ranks.leads else None,
            watcher=monitor,
            ranks=self.ranks,
        )
        network.cpu()
        return _result(fitted) | ({} if monitor is None else {"monitor": monitor.record().as_json()})

    def _say(self, now: Progress) -> None:
        fraction = (now.epoch - 1 + now.step / max(now.steps, 1)) / now.epochs
        figures: Json = {"epoch": now.epoch, "epochs": now.epochs, "loss": round(now.loss, 4)}
        figures["accuracy"] = round(now.accuracy, 4)
        if now.validation_accuracy is not None:
            figures["validation_accuracy"] = round(now.validation_accuracy, 4)
        self.told(min(fraction, 1.0), figures | {"seconds_left": round(now.seconds_left, 1)})


def _result(fitted: Fitted) -> Json:
    return {
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
        "best_epoch": fitted.best_epoch,
        "validation_accuracy": fitted.validation_accuracy,
        "seconds": fitted.seconds,
    }
