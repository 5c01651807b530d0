"""Pruning: the filters that the design keeps are chosen in the trained network, cut out, and trained on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import torch

from networks.export.trained import save_trained
from networks.network import Network
from networks.pruning.bound import LayerBound
from networks.pruning.compensation import channel_means
from networks.pruning.fulfil import Fulfilled, fulfil
from networks.pruning.sample_size import delta_of
from networks.pruning.scores import Sensitivity
from networks.pruning.surgery import cut
from networks.training.evaluation import evaluate
from networks.training.pictures import Pictures
from service.worker.programs.failing import in_words
from service.worker.programs.subject import CHOICE, CUT, FULL_PRECISION, Subject
from service.worker.programs.together import train
from service.worker.programs.trained import checkpoint_of
from service.worker.trainer import Report

Json = dict[str, Any]
PICTURES = 256
"""Of the validation part, by which filters are chosen, at most; never test pictures."""
METHOD = "provable filter pruning (arXiv 1911.07412), deterministic"


@in_words
def run(job: Json, report: Report) -> Json:
    """Cut the trained network to the design's numbers of filters, then train it in full precision at that size."""
    subject = Subject(job)
    subject.set_threads()
    found = cut_out(subject)
    report.progress(0.0, validation_accuracy=round(found["cut"], 4))
    trained = train("prune", job, report)
    after = trained["validation_accuracy"]
    if found["accuracy_on_others"]:
        after = _accuracy(subject, subject.full_precision(), parts(subject)[1])
    return found | trained | {"after": after}


def cut_out(subject: Subject) -> Json:
    """Choose the filters that stay and leave the network of these in the work folder.

    The design says how many stay of each layer. The most sensitive ones do; what the others carry on average goes on as
    a constant. The same network gives the same choice, so that a step which is done again goes on from its checkpoint.

    Returns:
        Accuracies on validation pictures before and right after the cut, on how many and whether these are others than
        chose the filters (`parts`), the delta that the number of pictures stands for (`networks.pruning.sample_size`,
        with the published constants), indexes of the filters kept by group of layers that keep the same ones, and for
        each layer what its sums lose at most with what was removed, beside what the theorem says of as many random
        draws (an epsilon of None: a part of what it reads is gone altogether).
    """
    network = subject.unpruned()
    looked_at, counted_on = parts(subject)
    chosen = fulfil(network, subject.design.plan, Sensitivity(batches=lambda: subject.images(looked_at, PICTURES)))
    means = channel_means(network, subject.images(looked_at, PICTURES))
    pictures = len(looked_at)
    small, _ = cut(network, subject.first_design, chosen.selection, means=means)
    groups = _groups(chosen)
    _keep_choice(subject, groups)
    save_trained(small, subject.full_design, subject.folder / CUT, task=subject.task.name, seed=subject.seed)
    return {
        "method": METHOD,
        "pictures": pictures,
        "pictures_delta": delta_of(chosen.found, pictures),
        "accuracy_pictures": len(counted_on),
        "accuracy_on_others": len(counted_on) < len(subject.data.validation),
        "before": _accuracy(subject, network, counted_on),
        "cut": _accuracy(subject, small, counted_on),
        "groups": groups,
        "bounds": [_told(one) for one in chosen.bounds],
    }


def parts(subject: Subject) -> tuple[Pictures, Pictures]:
    """Validation pictures that filters are chosen by, and those that accuracies are counted on.

    The first are drawn at random: the order of a data set may be that of its classes. The second are the others where
    at least PICTURES are left, else the whole validation part.
    """
    validation = subject.data.validation
    order = torch.randperm(len(validation), generator=torch.Generator().manual_seed(subject.seed))
    looked_at, others = order[:PICTURES].sort().values, order[PICTURES:].sort().values
    enough = len(others) >= PICTURES
    return validation.chosen(looked_at), validation.chosen(others) if enough else validation


def _keep_choice(subject: Subject, groups: list[Json]) -> None:
    """Write down which filters stay; a checkpoint of a network that kept others, as of another version, is dropped."""
    path, choice = subject.folder / CHOICE, json.dumps(groups)
    if not path.exists() or path.read_text("utf-8") != choice:
        checkpoint_of(subject.folder / FULL_PRECISION).unlink(missing_ok=True)
    path.write_text(choice, "utf-8")


def _accuracy(subject: Subject, network: Network, pictures: Pictures) -> float:
    return evaluate(network, subject.batches(pictures)).accuracy


def _groups(chosen: Fulfilled) -> list[Json]:
    """Layers that keep the same filters, which ones these are, and how many there were."""
    groups = chosen.found.groups
    return [
        {"layers": list(names), "kept": list(chosen.selection.kept[names[0]]), "of": groups.width[group]}
        for group, names in groups.owners.items()
        if names[0] in chosen.selection.kept
    ]


def _told(bound: LayerBound) -> Json:
    return asdict(bound) | {"epsilon": bound.epsilon if math.isfinite(bound.epsilon) else None}
