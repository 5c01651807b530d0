"""One run of the pruning study: prune, test, train on, test again, and keep the result as a small file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.hybrid_runs import (
    FORMAT,
    Places,
    Result,
    alone,
    commit_now,
    fitted_on,
    hardware,
    keep,
    read_data,
    remove_checkpoints,
    stored_results,
    tested_batches,
    trained_weights,
)
from benchmarks.hybrid_variants import design_of
from benchmarks.pruning_recipe import PARENT, PICTURES, VARIANT, Job
from design.design import Design
from networks.build import build
from networks.network import Network
from networks.pruning.budget import AMOUNTS
from networks.pruning.decision import Decision, decide
from networks.pruning.prune import carried_out
from networks.training.batches import Batches
from networks.training.data import TrainingData
from networks.training.evaluation import evaluate

LOOKED_AT = 64
"""Pictures in a batch of those that are held out."""


class Stations:
    """Where the hybrid study and this one keep what they have."""

    def __init__(self, parents: Places, own: Places) -> None:
        self.parents, self.own = parents, own


def parent_of(job: Job, stations: Stations) -> tuple[Network, Design]:
    """The trained network that a job prunes; trained now where the cache lacks it."""
    design = design_of(job.network, VARIANT)
    network = build(design)
    network.load_state_dict(load_file(trained_weights(job.parent, stations.parents)))
    return network.eval(), design


def digest_of(network: Network) -> str:
    """SHA-256 (hex) of a network's state: parents trained on other machines have other weights."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def held_out(data: TrainingData, number: int = PICTURES, *, behind: int = 0) -> Iterator[Tensor]:
    """Batches of pictures of the validation part, the same every time; `behind` so many others."""
    order = torch.randperm(len(data.validation), generator=torch.Generator().manual_seed(0))
    pictures = data.validation.chosen(order[behind : behind + number])
    batches = Batches(pictures, batch_size=LOOKED_AT, normalisation=data.normalisation)
    return (images for images, _ in batches.in_order())


def run(job: Job, stations: Stations) -> Result:
    """The result of a job: stored, or computed now on one thread (going on from a checkpoint) and stored."""
    torch.set_num_threads(1)
    places = stations.own
    folder = places.cache / job.digest[:16]
    with alone(folder):
        stored = stored_results(places.results).get(job.digest)
        if stored is not None:
            return stored
        commit = commit_now()
        data = read_data(places.data, job.limit)
        network, design = parent_of(job, stations)
        weights = digest_of(network)
        decision = None
        if job.method != PARENT:
            target = job.keep * float(AMOUNTS["parameters"]([design])[0])
            method = job.chosen_by(lambda: held_out(data))
            decision = decide(network, design, method, AMOUNTS["parameters"], target)
            network, design = carried_out(network, design, decision, lambda: held_out(data))
        tested = tested_batches(data, job.test_limit)
        before = evaluate(network, tested)
        fitted = fitted_on(job.device, network, data, job.options, folder, job.title)
        after = evaluate(network, tested)
        result: Result = {
            "format": FORMAT,
            "digest": job.digest,
            "network": job.network,
            "method": job.method,
            "keep": job.keep,
            "seed": job.seed,
            "test_accuracy_before": before.accuracy,
            "test_accuracy": after.accuracy,
            "test_loss": after.loss,
            "validation_accuracy": fitted.validation_accuracy,
            "best_epoch": fitted.best_epoch,
            "seconds": round(fitted.seconds, 1),
            "settings": job.settings,
            "parent_weights": weights,
            "design": design.digest,
            "kept": dict(design.plan.kept),
            **{name: float(amount([design])[0]) for name, amount in AMOUNTS.items()},
            "bound": _told(decision),
            "epochs": [asdict(epoch) for epoch in fitted.epochs],
            "data": data.digest(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit,
            "hardware": hardware(job.device),
        }
        name = f"{job.network}-{job.method}-{round(100 * job.keep)}-{job.seed}-{job.digest[:8]}.json"
        keep(result, places.results / name)
        remove_checkpoints(folder)
        return result


def _told(decision: Decision | None) -> list[dict[str, Any]] | None:
    """What the theorem says of every layer for the numbers kept; None where it says nothing."""
    if decision is None or not decision.bounds:
        return None
    return [
        {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(one).items()}
        for one in decision.bounds
    ]
