"""Training: the network in full precision, then at the bits of its design."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from networks.build import build
from networks.export.trained import save_trained
from networks.network import Network
from networks.quantize import quantize_
from networks.training.fit import fit
from networks.training.options import FitOptions
from networks.training.progress import Fitted, Progress
from service.worker.programs.failing import in_words
from service.worker.programs.subject import FULL_PRECISION, QUANTIZED, Subject
from service.worker.trainer import Report

Json = dict[str, Any]


@in_words
def full_precision(job: Json, report: Report) -> Json:
    """Train the network with nothing quantized: the starting point and teacher of the design, or the design itself."""
    subject = Subject(job)
    network = subject.fresh()
    fitted = _fitted(subject, network, subject.recipe.full_precision, report, FULL_PRECISION)
    task, path = subject.task.name, subject.folder / FULL_PRECISION
    save_trained(network, subject.full_design, path, task=task, seed=subject.seed)
    return _told(fitted)


@in_words
def quantized(job: Json, report: Report) -> Json:
    """Train the design at its bits, from the network in full precision and taught by it where there is one."""
    subject = Subject(job)
    teacher = None
    if subject.result("train") is None:
        network = build(subject.design, seed=subject.seed)
    else:
        network, teacher = subject.full_precision(), subject.full_precision()
        quantize_(network, subject.design.policy)
    options = subject.recipe.quantized
    fitted = _fitted(subject, network, options, report, QUANTIZED, teacher)
    save_trained(network, subject.design, subject.folder / QUANTIZED, task=subject.task.name, seed=subject.seed)
    return _told(fitted)


def _fitted(
    subject: Subject,
    network: Network,
    options: FitOptions,
    report: Report,
    name: str,
    teacher: nn.Module | None = None,
) -> Fitted:
    """Train with a checkpoint after each epoch; the network comes back to the CPU."""

    def told(now: Progress) -> None:
        fraction = (now.epoch - 1 + now.step / max(now.steps, 1)) / now.epochs
        figures: Json = {"epoch": now.epoch, "epochs": now.epochs, "loss": round(now.loss, 4)}
        figures["accuracy"] = round(now.accuracy, 4)
        if now.validation_accuracy is not None:
            figures["validation_accuracy"] = round(now.validation_accuracy, 4)
        report.progress(min(fraction, 1.0), **figures, seconds_left=round(now.seconds_left, 1))

    if subject.recipe.single_thread:
        torch.set_num_threads(1)
    device = subject.device
    network.to(device)
    if teacher is not None:
        teacher.to(device).eval()
    checkpoint = subject.folder / Path(name).with_suffix(".checkpoint")
    fitted = fit(network, subject.data, options, teacher=teacher, checkpoint=checkpoint, progress=told)
    network.cpu()
    return fitted


def _told(fitted: Fitted) -> Json:
    return {
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
        "best_epoch": fitted.best_epoch,
        "validation_accuracy": fitted.validation_accuracy,
        "seconds": fitted.seconds,
    }
